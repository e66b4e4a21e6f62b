"""Scores at every threshold, from two histograms of the predicted probability."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from mmengine.dist import get_world_size
from mmengine.evaluator import BaseMetric
from mmengine.logging import print_log
from torch import Tensor

from schanger_mm.evaluation.confusion import FALSE_NEGATIVE, IGNORED, TRUE_POSITIVE, Confusion, outcome_codes
from schanger_mm.evaluation.predictions import image_paths
from schanger_mm.registry import METRICS
from schanger_mm.utils.errors import SettingError


@dataclass(frozen=True)
class Sweep:
    """Pixel counts by truth and probability p, and the resulting scores at each threshold.

    The thresholds are ``k / bins`` for k = 0 ... bins; at a threshold t a
    pixel is predicted as changed where ``p > t``.

    Args:
        counts: int64 ``(2, bins + 1)``, unchanged pixels first: how many of them
            exceed exactly k of the thresholds, for k = 0 ... bins.
        ignored: number of ignored pixels.
    """

    counts: np.ndarray
    ignored: int = 0

    def __add__(self, other: Sweep) -> Sweep:
        return Sweep(self.counts + other.counts, self.ignored + other.ignored)

    @property
    def bins(self) -> int:
        """Return the number of steps from 0 to 1."""
        return self.counts.shape[1] - 1

    @cached_property
    def thresholds(self) -> np.ndarray:
        """Return the thresholds, ``(bins + 1,)``, ascending."""
        return np.arange(self.bins + 1) / self.bins

    @cached_property
    def confusions(self) -> list[Confusion]:
        """Return the confusion matrix at each threshold."""
        above = self.counts.sum(1, keepdims=True) - self.counts.cumsum(1)  # pixels that exceed threshold k
        below = self.counts.cumsum(1)
        return [Confusion(int(tp), int(fp), int(fn), int(tn), self.ignored)
                for (fp, tp), (tn, fn) in zip(above.T, below.T)]

    def at(self, threshold: float) -> Confusion:
        """Return the confusion matrix at one of the thresholds.

        Raises:
            ValueError: it is not one of them.
        """
        index = round(threshold * self.bins)
        if not 0 <= index <= self.bins or not math.isclose(index / self.bins, threshold):
            raise SettingError(f'a sweep of {self.bins} bins has no threshold {threshold}; it has multiples of '
                               f'1/{self.bins}.')
        return self.confusions[index]

    @cached_property
    def curves(self) -> dict[str, np.ndarray]:
        """Return F1, precision, recall and IoU in percent, each ``(bins + 1,)``; ``nan`` if undefined."""
        scores = [confusion.scores() for confusion in self.confusions]
        return {name: np.array([s[name] for s in scores]) for name in ('F1', 'precision', 'recall', 'IoU')}

    @cached_property
    def plateau(self) -> tuple[int, int]:
        """Return the first and last index of the longest run of thresholds with the highest F1.

        Raises:
            ValueError: no pixel of the truth is changed, so nothing can be chosen.
        """
        f1 = self.curves['F1']
        if not self.counts[1].any():
            raise SettingError('a threshold cannot be chosen: no pixel of the truth is changed.')
        top = np.flatnonzero(f1 == np.nanmax(f1))
        runs = np.split(top, np.flatnonzero(np.diff(top) > 1) + 1)
        longest = max(runs, key=len)
        return int(longest[0]), int(longest[-1])

    @property
    def best(self) -> float:
        """Return the threshold with the highest F1, the middle of :attr:`plateau`."""
        return float(self.thresholds[sum(self.plateau) // 2])

    @property
    def average_precision(self) -> float:
        """Return the area under the precision-recall curve in percent, ``sum (R_k - R_{k+1}) P_k``, not interpolated.

        The last point, with all pixels predicted as changed, is below threshold
        0. Probabilities within one bin are not distinguished, so a confident
        network needs more bins. ``nan`` if no pixel of the truth is changed.
        """
        unchanged, changed = self.counts[:, ::-1].cumsum(1)  # from the highest probability down
        if not changed[-1]:
            return math.nan
        precision = changed / np.maximum(changed + unchanged, 1)
        return float(100 * (np.diff(changed, prepend=0) * precision).sum() / changed[-1])


@METRICS.register_module()
class ThresholdSweep(BaseMetric):
    """Precision, recall, F1 and IoU of the changed class at every threshold.

    Keeps counts only, never the maps. Thresholds are compared in the type of
    the probabilities, strictly, as the decode head does; so at 0.5 the counts
    are those of :class:`ChangeMetric`. The scalars are ``changed/AP`` (average
    precision), ``changed/F1_at_0.5``, ``changed/best_F1`` (percent) and
    ``changed/best_threshold``; ``nan`` if undefined.

    Args:
        bins: steps of the threshold from 0 to 1; even, so that 0.5 is one.
        ignore_index: truth value of ignored pixels.
        collect_device: how results of several processes are joined: 'gpu' sends them (even without a GPU), 'cpu' writes
            them to ``collect_dir``, a folder that all processes share.
        prefix: prefix of the scalars' names, 'changed' by default.
        collect_dir: folder for 'cpu'; None: ``.dist_test`` here.

    Attributes:
        sweep: the :class:`Sweep` of the last evaluation, None before; in the main process only.

    Raises:
        ValueError: ``bins`` is odd or below 2; and from :meth:`process`, naming
            the image: no truth, sizes that differ, values that are no
            probabilities, more than two channels.
    """

    default_prefix = 'changed'

    def __init__(self,
                 bins: int = 1000,
                 ignore_index: int = 255,
                 collect_device: str = 'gpu',
                 prefix: str | None = None,
                 collect_dir: str | None = None):
        super().__init__(collect_device=collect_device, prefix=prefix, collect_dir=collect_dir)
        if bins < 2 or bins % 2:
            raise SettingError(f'ThresholdSweep: bins={bins}; expected an even number of 2 or more, so that 0.5 is a '
                               'threshold.')
        self.bins = bins
        self.ignore_index = ignore_index
        self.sweep: Sweep | None = None

    def process(self, data_batch: dict, data_samples: Sequence[dict]) -> None:
        """Count one batch of samples, each with ``seg_logits`` ``(C, H, W)`` and ``gt_sem_seg`` ``(1, H, W)``."""
        for sample in data_samples:
            paths = image_paths(sample)
            if 'gt_sem_seg' not in sample:
                raise SettingError(f'ThresholdSweep: {paths} has no truth (gt_sem_seg). Load annotations in the test '
                                   'pipeline.')
            try:
                probability = change_probability(sample['seg_logits']['data'])
                counted = count_probabilities(probability, sample['gt_sem_seg']['data'], self.bins, self.ignore_index)
            except ValueError as error:
                raise SettingError(f'ThresholdSweep: {paths}: {error}') from error
            if self.results and get_world_size() == 1:
                self.results[0] += counted
            else:  # several processes: a sampler may repeat images, which mmengine drops one by one
                self.results.append(counted)

    def compute_metrics(self, results: list[Sweep]) -> dict[str, float]:
        """Add the counts of all images (of all processes) and return the scalars."""
        self.sweep = sweep = sum(results[1:], results[0])
        defined = sweep.counts[1].any()
        if not defined:
            print_log(f'{self.prefix}: no pixel of the truth is changed, so no threshold is the best.',
                      logger='current')
        return {
            'AP': sweep.average_precision,
            'F1_at_0.5': sweep.at(0.5).f1,
            'best_F1': sweep.at(sweep.best).f1 if defined else math.nan,
            'best_threshold': sweep.best if defined else math.nan,
        }


def change_probability(seg_logits: Tensor) -> np.ndarray:
    """Return the probability of change ``(H, W)`` from the ``seg_logits`` of a result, ``(C, H, W)``.

    mmseg has put one output channel through the sigmoid already; two channels
    (unchanged, changed) are logits, and their softmax is taken in float64.

    Raises:
        ValueError: C is neither, or a value is not a probability.
    """
    logits = seg_logits.detach().cpu()
    if logits.ndim != 3 or len(logits) not in (1, 2):
        raise SettingError(f'seg_logits of shape {tuple(logits.shape)}; expected (1, H, W) or (2, H, W).')
    if len(logits) == 2:
        unchanged, changed = logits.double()
        probability = torch.sigmoid(changed - unchanged)
    else:
        probability = logits[0] if logits.dtype == torch.float64 else logits[0].float()
    if not ((probability >= 0) & (probability <= 1)).all():
        raise SettingError(f'probabilities run from {probability.min():.3g} to {probability.max():.3g}; expected 0 to '
                           '1. Has the training diverged (nan), or were raw logits stored?')
    return probability.numpy()


def count_probabilities(probability: np.ndarray, truth, bins: int, ignore_index: int = 255) -> Sweep:
    """Count the pixels of one image.

    Args:
        probability: of change, ``(H, W)``.
        truth: 0, 1 or ``ignore_index``, ``(1, H, W)`` or ``(H, W)``.
        bins: steps of the threshold from 0 to 1.
        ignore_index: truth value of ignored pixels.

    Raises:
        ValueError: sizes differ, or the truth holds another value.
    """
    codes = outcome_codes(probability > 0.5, truth, ignore_index)
    thresholds = (np.arange(bins + 1) / bins).astype(probability.dtype)
    exceeded = np.digitize(probability, thresholds, right=True)  # how many thresholds are strictly below p
    kept = codes != IGNORED
    changed = np.isin(codes[kept], (FALSE_NEGATIVE, TRUE_POSITIVE))
    counts = np.bincount(exceeded[kept] + (bins + 1) * changed, minlength=2 * (bins + 1))
    return Sweep(counts.reshape(2, bins + 1), int((~kept).sum()))
