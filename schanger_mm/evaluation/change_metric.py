"""Scores of the changed class over a whole data set."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from pathlib import Path

import torch
from mmengine.evaluator import BaseMetric
from mmengine.logging import print_log
from prettytable import PrettyTable

from schanger_mm.evaluation.confusion import Confusion, as_map
from schanger_mm.evaluation.predictions import PredictionWriter, image_name, image_paths
from schanger_mm.evaluation.reliability import Reliability
from schanger_mm.evaluation.report import Evaluation, ImageCounts, count_tiles, write_table
from schanger_mm.evaluation.threshold_sweep import change_probability
from schanger_mm.registry import METRICS
from schanger_mm.utils.errors import SettingError


@METRICS.register_module()
class ChangeMetric(BaseMetric):
    """F1, precision, recall, IoU, OA and kappa of the positive class, in percent.

    All are computed from a single confusion matrix over the pixels of all images,
    so they do not depend on tile size or batch size. Kappa is in percent too. A score
    whose denominator is 0 is ``nan``; F1 is undefined where neither truth nor
    prediction has a changed pixel, which is logged once (``save_best`` never
    prefers a ``nan``). The scalars are named ``changed/F1`` and so on, so
    ``CheckpointHook(save_best='changed/F1', rule='greater')`` works.

    The logged table says how much of the data set's official split was scored,
    if its metainfo contains ``data_set``, ``split`` and ``official_tiles``.

    Args:
        ignore_index: truth value of ignored pixels.
        output_dir: folder of the report: each prediction goes to
            ``predictions/<name>.png`` (0/255; the sample's ``name``, else date
            A's stem), the counts to ``per_image.csv``. A later evaluation
            overwrites both.
        format_only: only write predictions; needs no truth, gives no scores.
        collect_device: how results of several processes are joined: 'gpu' sends them (even without a GPU), 'cpu' writes
            them to ``collect_dir``, a folder that all processes share.
        prefix: prefix of the scalars' names, 'changed' by default; use
            'building' if buildings are segmented.
        collect_dir: folder for 'cpu'; None: ``.dist_test`` here.

    Attributes:
        evaluation: the counts of the last evaluation, None before; in the
            main process only.

    Raises:
        ValueError: ``format_only`` without ``output_dir``; and from
            :meth:`process`, naming the image: no truth, sizes that differ,
            values other than 0, 1 and ``ignore_index``, two images of the same name.
    """

    default_prefix = 'changed'

    def __init__(self,
                 ignore_index: int = 255,
                 output_dir: str | None = None,
                 format_only: bool = False,
                 collect_device: str = 'gpu',
                 prefix: str | None = None,
                 collect_dir: str | None = None):
        super().__init__(collect_device=collect_device, prefix=prefix, collect_dir=collect_dir)
        if format_only and output_dir is None:
            raise SettingError('ChangeMetric: format_only=True only writes predictions, but output_dir is '
                               "None; set output_dir='<folder>'.")
        self.ignore_index = ignore_index
        self.output_dir = None if output_dir is None else Path(output_dir)
        self.format_only = format_only
        self.evaluation: Evaluation | None = None
        self._predictions = None if self.output_dir is None else PredictionWriter(self.output_dir)
        self._warned = False

    def process(self, data_batch: dict, data_samples: Sequence[dict]) -> None:
        """Count one batch of samples, each with ``pred_sem_seg`` and ``gt_sem_seg`` of ``(1, H, W)``.

        Keeps an :class:`ImageCounts` per image.
        """
        for sample in data_samples:
            _refuse_nan(sample)
            prediction = sample['pred_sem_seg']['data']
            counts = Confusion() if self.format_only else self._count(prediction, sample)
            prediction = as_map(prediction)
            reliability = None if self.format_only else self._reliability(sample)
            self.results.append(ImageCounts(image_name(sample) or '', count_tiles(*prediction.shape), counts,
                                            reliability))
            if self._predictions is not None:
                self._predictions.write(prediction, sample)

    def _count(self, prediction, sample: dict) -> Confusion:
        paths = image_paths(sample)
        image = paths[0] if paths else f'sample {len(self.results)} (no img_path)'
        if 'gt_sem_seg' not in sample:
            raise SettingError(f'ChangeMetric: {image} has no truth (gt_sem_seg). Load annotations in the test '
                               'pipeline, or, for images without labels, set format_only=True.')
        try:
            return Confusion.of(prediction, sample['gt_sem_seg']['data'], self.ignore_index)
        except ValueError as error:
            raise SettingError(f'ChangeMetric: {image}: {error}') from error

    def _reliability(self, sample: dict) -> Reliability | None:
        """Group the pixels by probability; None for results without probabilities of two classes."""
        logits = sample['seg_logits']['data'] if 'seg_logits' in sample else None
        if not isinstance(logits, torch.Tensor) or logits.ndim != 3 or len(logits) > 2:
            return None
        if len(logits) == 1 and not 0 <= logits.min() <= logits.max() <= 1:
            return None  # logits, of a detector that leaves the sigmoid to the metric
        return Reliability.of(change_probability(logits), as_map(sample['gt_sem_seg']['data']), self.ignore_index)

    def compute_metrics(self, results: list[ImageCounts]) -> dict[str, float]:
        """Sum the counts of all images (of all processes) and return the scores in percent."""
        self.evaluation = Evaluation.of(list(results), self.dataset_meta)
        if self.format_only:
            print_log(f'{len(results)} predictions written, no scores (format_only)', logger='current')
            return {}
        self._warn_if_undefined(self.evaluation.total)
        if self.output_dir is not None:
            write_table(self.output_dir, results)
        print_log('\n' + self._table(self.evaluation), logger='current')
        return self.evaluation.total.scores()

    def evaluate(self, size: int) -> dict:
        """Compute the scores over ``size`` images and reset, as mmengine does."""
        try:
            return super().evaluate(size)
        finally:
            if self._predictions is not None:
                self._predictions.restart()

    def _warn_if_undefined(self, total: Confusion) -> None:
        if self._warned or not math.isnan(total.f1):
            return
        self._warned = True
        reason = 'neither the truth nor the prediction has a positive pixel'
        if total.ignored:
            reason += (f', and {total.ignored} pixels are ignored (ignore_index={self.ignore_index}): '
                       'if the labels are 0/255, the dataset has to map 255 to 1')
        print_log(f'{self.prefix}/F1 is undefined (nan): {reason}. This is reported once.', logger='current',
                  level=logging.WARNING)

    def _table(self, evaluation: Evaluation) -> str:
        """Format the scores as a table whose title says what they cover."""
        total = evaluation.total
        scores = total.scores()
        table = PrettyTable([self.prefix, *scores, 'images', 'ignored'], title=evaluation.coverage)
        share = total.ignored / max(1, total.total + total.ignored)
        table.add_row(['%', *(f'{value:.2f}' for value in scores.values()), len(evaluation.images), f'{share:.1%}'])
        reliability = evaluation.reliability
        said = '' if reliability is None else f'\nexpected calibration error {reliability.error:.2f} %'
        return table.get_string() + said


def _refuse_nan(sample: dict) -> None:
    """Reject NaN: no comparison with NaN is true, so all pixels would count as unchanged."""
    logits = sample['seg_logits']['data'] if 'seg_logits' in sample else None
    if isinstance(logits, torch.Tensor) and logits.isnan().any():
        raise SettingError(f'ChangeMetric: the network yields NaN for {image_name(sample) or "an image"}: its weights, '
                           'or the statistics of the images, are broken; nothing was scored.')
