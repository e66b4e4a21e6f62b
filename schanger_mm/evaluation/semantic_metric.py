"""Scores of change and of the classes of both dates over a whole data set."""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from mmengine.logging import print_log
from prettytable import PrettyTable

from schanger_mm.evaluation.change_metric import ChangeMetric
from schanger_mm.evaluation.confusion import as_map
from schanger_mm.evaluation.predictions import image_name
from schanger_mm.evaluation.report import TABLE, Evaluation, ImageCounts
from schanger_mm.evaluation.semantic import SCORES, SemanticCounts
from schanger_mm.registry import METRICS
from schanger_mm.utils.errors import SettingError
from schanger_mm.utils.files import whole_file, write_png

CLASSES = 'semantic_classes'
FOLDERS = ('before', 'after')
"""Folders, below that of the predictions, of the class maps of each date."""


@dataclass(frozen=True)
class SemanticImageCounts(ImageCounts):
    """The pixel counts of one image, with those of its classes."""

    semantic: SemanticCounts = field(default_factory=lambda: SemanticCounts.empty(0))


@dataclass(frozen=True)
class SemanticEvaluation(Evaluation):
    """The counts of all images of a split, with those of the classes.

    Args:
        classes: names of the K classes.
    """

    classes: Sequence[str] = field(default=())

    @property
    def semantic(self) -> SemanticCounts:
        """Return the counts over all pixels of all images."""
        counts = (image.semantic for image in self.images if isinstance(image, SemanticImageCounts))
        return sum(counts, SemanticCounts.empty(len(self.classes)))

    def as_dict(self) -> dict:
        """Return what :class:`Evaluation` does, and under ``semantic`` the scores, classes, matrix and transitions."""
        total = self.semantic
        semantic = dict(
            scores=_defined(total.scores()), classes=list(self.classes),
            per_class=dict(zip(self.classes, map(_defined, total.per_class()))),
            confusion=total.matrix.tolist(), from_to=total.transitions.tolist(),
            true_from_to=total.true_transitions.tolist())
        return {**super().as_dict(), 'semantic': semantic}


@METRICS.register_module()
class SemanticChangeMetric(ChangeMetric):
    """Scores of :class:`ChangeMetric`, and of what changed into what: Sek, SCD_Score, mIoU and Fscd, in percent.

    All of them come from one confusion matrix, see :meth:`SemanticCounts.scores`. They are named without a prefix, so
    ``CheckpointHook(save_best='Sek', rule='greater')`` works; those of change keep theirs (``changed/F1``). The log
    has a table of the classes, and one of the predicted transitions. ``per_image.csv`` gets a column for each score,
    ``report.json`` all tables, and ``predictions/{before,after}/<name>.png`` hold the class of changed pixels,
    counted from 1, and 0 where nothing changed.

    Classes are those of the data set's metainfo ``semantic_classes``, of which the first is "unchanged".

    Args:
        **kwargs: see :class:`ChangeMetric`.

    Raises:
        SettingError: what :class:`ChangeMetric` raises; a data set or network without classes.
    """

    def process(self, data_batch: dict, data_samples: Sequence[dict]) -> None:
        """Count one batch of samples, each also with ``pred_sem_seg_{from,to}`` and ``gt_sem_seg_{from,to}``."""
        super().process(data_batch, data_samples)
        classes = len(self._classes())
        for place, sample in enumerate(data_samples, start=len(self.results) - len(data_samples)):
            predicted = [self._data(sample, f'pred_sem_seg_{date}', 'the decode head has no classes (semantic)')
                         for date in ('from', 'to')]
            counts = SemanticCounts.empty(classes)
            if not self.format_only:
                truth = [self._data(sample, f'gt_sem_seg_{date}', 'load the class maps with LoadSemanticLabels')
                         for date in ('from', 'to')]
                try:
                    counts = SemanticCounts.of(sample['pred_sem_seg']['data'], predicted, sample['gt_sem_seg']['data'],
                                               truth, classes, self.ignore_index)
                except SettingError as error:
                    raise SettingError(f'{type(self).__name__}: {image_name(sample)}: {error}') from error
            if self._predictions is not None:
                self._write(sample, predicted)
            self.results[place] = SemanticImageCounts(**vars(self.results[place]), semantic=counts)

    def compute_metrics(self, results: list[ImageCounts]) -> dict[str, float]:
        """Sum the counts of all images (of all processes) and return the scores in percent."""
        scores = super().compute_metrics(results)
        plain = self.evaluation
        if plain is None or self.format_only:
            return scores
        evaluation = SemanticEvaluation(**vars(plain), classes=self._classes())
        self.evaluation = evaluation
        if self.output_dir is not None:
            _add_columns(self.output_dir / TABLE, evaluation)
        print_log('\n' + '\n'.join(_tables(evaluation)), logger='current')
        return {**scores, **evaluation.semantic.scores()}

    def evaluate(self, size: int) -> dict:
        """Compute the scores over ``size`` images and reset; those of the classes have no prefix."""
        named = {f'{self.prefix}/{name}': name for name in SCORES}
        return {named.get(name, name): value for name, value in super().evaluate(size).items()}

    def _classes(self) -> tuple[str, ...]:
        classes = (self.dataset_meta or {}).get(CLASSES)
        if not classes:
            raise SettingError(f'{type(self).__name__}: the data set has no {CLASSES} in its metainfo; use '
                               'SemanticChangeDataset, or ChangeMetric for a data set without classes.')
        return tuple(classes)[1:]

    def _data(self, sample: dict, key: str, remedy: str):
        if key not in sample:
            raise SettingError(f'{type(self).__name__}: {image_name(sample)} has no {key}: {remedy}, or score with '
                               'ChangeMetric.')
        return sample[key]['data']

    def _write(self, sample: dict, predicted: Sequence) -> None:
        changed = as_map(sample['pred_sem_seg']['data']) == 1
        for folder, classes in zip(FOLDERS, predicted):
            path = self._predictions.folder / folder / f'{image_name(sample)}.png'  # type: ignore[union-attr]
            write_png(path, np.where(changed, as_map(classes) + 1, 0).astype(np.uint8))


def _tables(evaluation: SemanticEvaluation) -> list[str]:
    total = evaluation.semantic
    scores = PrettyTable(['%', *SCORES])
    scores.add_row(['both dates', *(f'{total.scores()[name]:.2f}' for name in SCORES)])
    names = ('precision', 'recall', 'F1', 'IoU')
    classes = PrettyTable(['class, %', *names])
    for name, values in zip(evaluation.classes, total.per_class()):
        classes.add_row([name, *(f'{values[key]:.2f}' for key in names)])
    share = 100 * total.transitions / max(1, int(total.transitions.sum()))
    moves = PrettyTable(['from \\ to, % of predicted change', *evaluation.classes])
    for name, row in zip(evaluation.classes, share):
        moves.add_row([name, *(f'{value:.2f}' for value in row)])
    return [table.get_string() for table in (scores, classes, moves)]


def _add_columns(path, evaluation: SemanticEvaluation) -> None:
    """Add the scores of the classes to a table of images."""
    with path.open(newline='', encoding='utf-8') as stream:
        header, *rows = csv.reader(stream)
    with whole_file(path) as partial, partial.open('w', newline='', encoding='utf-8') as stream:
        writer = csv.writer(stream)
        writer.writerow([*header, *SCORES])
        for row, image in zip(rows, evaluation.images, strict=True):
            scores = image.semantic.scores() if isinstance(image, SemanticImageCounts) else {}
            writer.writerow([*row, *('' if math.isnan(scores[name]) else f'{scores[name]:.4f}' for name in SCORES)])


def _defined(scores: dict[str, float]) -> dict[str, float | None]:
    return {name: None if math.isnan(value) else value for name, value in scores.items()}
