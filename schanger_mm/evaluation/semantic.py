"""Scores of semantic change detection, all from one confusion matrix."""

from __future__ import annotations

from dataclasses import dataclass
from math import e, exp, nan

import numpy as np

from schanger_mm.evaluation.confusion import as_map
from schanger_mm.utils.errors import SettingError

SCORES = ('Sek', 'SCD_Score', 'mIoU', 'Fscd')
"""Names of the scores; the first two are Open-CD's."""


@dataclass(frozen=True)
class SemanticCounts:
    """Pixel counts of both dates; they add up with ``+``.

    Args:
        matrix: ``(K + 1, K + 1)``, truth by prediction, of the pixels of both dates; class 0 is unchanged, class c + 1
            is class c of a changed pixel.
        transitions: ``(K, K)``, class before by class after, of the pixels that are predicted as changed.
        true_transitions: the same of the pixels that changed, as far as both classes are known.
    """

    matrix: np.ndarray
    transitions: np.ndarray
    true_transitions: np.ndarray

    @classmethod
    def empty(cls, classes: int) -> SemanticCounts:
        """Return zeros for K classes."""
        square = (classes, classes)
        return cls(np.zeros((classes + 1, classes + 1), np.int64), np.zeros(square, np.int64),
                   np.zeros(square, np.int64))

    @classmethod
    def of(cls, changed, predicted, truth, true_classes, classes: int, ignore_index: int = 255) -> SemanticCounts:
        """Count an image.

        Pixels of which it is not known whether they changed count nowhere; a changed pixel without a class at a date
        does not count at that date.

        Args:
            changed: predicted mask of changes, 0 or 1, ``(1, H, W)`` or ``(H, W)``.
            predicted: predicted classes of date A and date B, 0 to K - 1.
            truth: mask of changes, 0, 1 or ``ignore_index``.
            true_classes: classes of date A and date B, 0 to K - 1 or ``ignore_index``.
            classes: K.
            ignore_index: value of pixels that do not count.

        Raises:
            SettingError: maps of different sizes, or a class of K or above.
        """
        changed, truth = as_map(changed), as_map(truth)
        predicted, true_classes = [as_map(one) for one in predicted], [as_map(one) for one in true_classes]
        if len({one.shape for one in (changed, truth, *predicted, *true_classes)}) > 1:
            raise SettingError(f'change is {changed.shape}, its truth {truth.shape}, classes '
                               f'{[one.shape for one in (*predicted, *true_classes)]}; expected one size.')
        for name, maps in (('prediction', predicted), ('truth', true_classes)):
            top = max(int(one[one != ignore_index].max(initial=0)) for one in maps)
            if top >= classes:
                raise SettingError(f'the {name} holds class {top}; expected 0 to {classes - 1}, the classes of the '
                                   'data set (num_classes of the head must be their number).')
        known = truth != ignore_index
        counts = cls.empty(classes)
        found, real = changed == 1, truth == 1
        for guess, right in zip(predicted, true_classes):
            valid = known & ~(real & (right == ignore_index))
            rows = np.where(real, right.astype(np.int64) + 1, 0)[valid]
            columns = np.where(found, guess.astype(np.int64) + 1, 0)[valid]
            counts.matrix[:] += _histogram(rows, columns, classes + 1)
        here = known & found
        counts.transitions[:] = _histogram(predicted[0][here], predicted[1][here], classes)
        both = real & (true_classes[0] != ignore_index) & (true_classes[1] != ignore_index)
        counts.true_transitions[:] = _histogram(true_classes[0][both], true_classes[1][both], classes)
        return counts

    def __add__(self, other: SemanticCounts) -> SemanticCounts:
        return SemanticCounts(self.matrix + other.matrix, self.transitions + other.transitions,
                              self.true_transitions + other.true_transitions)

    def scores(self) -> dict[str, float]:
        """Return Sek, SCD_Score, mIoU and Fscd in percent; nan where a denominator is 0.

        ``mIoU`` is the mean of the IoUs of changed and unchanged; ``Sek`` the kappa of the matrix without its entry
        [0, 0], times ``exp(IoU of changed) / e``; ``Fscd`` the harmonic mean of precision and recall of pixels that are
        changed and of the right class; ``SCD_Score`` is ``0.3 mIoU + 0.7 Sek``.

        Source: Yang et al., "Asymmetric Siamese Networks for Semantic Change Detection", IEEE TGRS 60, 2022 (Sek,
        Score); Ding et al., "Bi-Temporal Semantic Reasoning", IEEE TGRS 60, 2022 (Fscd).
        """
        unchanged, missed = int(self.matrix[0, 0]), int(self.matrix[1:, 0].sum())
        alarms, both = int(self.matrix[0, 1:].sum()), int(self.matrix[1:, 1:].sum())
        iou = _share(both, both + missed + alarms)
        mean = (iou + _share(unchanged, unchanged + missed + alarms)) / 2
        sek = self._kappa() * exp(iou) / e
        right = int(np.diagonal(self.matrix)[1:].sum())
        fscd = _share(2 * right, (both + alarms) + (both + missed))
        values = dict(Sek=sek, SCD_Score=0.3 * mean + 0.7 * sek, mIoU=mean, Fscd=fscd)
        return {name: 100 * value for name, value in values.items()}

    def per_class(self) -> list[dict[str, float]]:
        """Return precision, recall, F1 and IoU of every class in percent, over changed pixels of both dates."""
        rows, columns = self.matrix.sum(axis=1), self.matrix.sum(axis=0)
        found = []
        for index in range(1, len(self.matrix)):
            right, real, guessed = int(self.matrix[index, index]), int(rows[index]), int(columns[index])
            found.append({name: 100 * value for name, value in dict(
                precision=_share(right, guessed), recall=_share(right, real), F1=_share(2 * right, real + guessed),
                IoU=_share(right, real + guessed - right)).items()})
        return found

    def _kappa(self) -> float:
        matrix = self.matrix.astype(float)
        matrix[0, 0] = 0
        total = matrix.sum()
        if not total:
            return nan
        observed = np.trace(matrix) / total
        chance = float(matrix.sum(axis=0) @ matrix.sum(axis=1)) / total ** 2
        return float((observed - chance) / (1 - chance)) if chance < 1 else nan


def _histogram(rows: np.ndarray, columns: np.ndarray, size: int) -> np.ndarray:
    codes = rows.astype(np.int64).ravel() * size + columns.astype(np.int64).ravel()
    return np.bincount(codes, minlength=size * size).reshape(size, size)


def _share(part: int, whole: int) -> float:
    return part / whole if whole else nan
