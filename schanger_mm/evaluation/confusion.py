"""The confusion matrix of a two-class map and the scores computed from it."""

from __future__ import annotations

from dataclasses import dataclass
from math import nan

import numpy as np

from schanger_mm.utils.errors import SettingError

#: codes that :func:`outcome_codes` assigns to pixels
TRUE_NEGATIVE, FALSE_POSITIVE, FALSE_NEGATIVE, TRUE_POSITIVE, IGNORED = range(5)


def as_map(array) -> np.ndarray:
    """Turn a map, ``(1, H, W)`` or ``(H, W)``, tensor or array, into an array ``(H, W)``.

    Raises:
        ValueError: it has another shape.
    """
    array = np.asarray(array.detach().cpu() if hasattr(array, 'detach') else array)
    if array.ndim == 3 and array.shape[0] == 1:
        array = array[0]
    if array.ndim != 2:
        raise SettingError(f'a map of shape {array.shape}; expected (1, H, W) or (H, W).')
    return array


def outcome_codes(prediction, truth, ignore_index: int = 255) -> np.ndarray:
    """Compare two maps pixel by pixel.

    Args:
        prediction: 0 or 1, any dtype, ``(1, H, W)`` or ``(H, W)``.
        truth: 0, 1 or ``ignore_index``, of the same size.
        ignore_index: truth value of ignored pixels.

    Returns:
        uint8 ``(H, W)``: :data:`TRUE_NEGATIVE` (0), :data:`FALSE_POSITIVE` (1),
        :data:`FALSE_NEGATIVE` (2), :data:`TRUE_POSITIVE` (3) or :data:`IGNORED` (4).

    Raises:
        ValueError: sizes differ, or a map holds another value.
    """
    prediction, truth = as_map(prediction), as_map(truth)
    if prediction.shape != truth.shape:
        raise SettingError(f'the prediction is {_size(prediction)}, the truth {_size(truth)} (height x width); '
                           'expected the same size. Is the truth resized or cropped by a test transform? '
                           'It must stay at ori_shape.')
    ignored = truth == ignore_index
    found, real = prediction == 1, (truth == 1) & ~ignored
    _refuse_others('prediction', prediction, found, '0 and 1 (a two-class network)')
    _refuse_others('truth', truth, real | ignored,
                   f'0, 1 and {ignore_index} (ignored); map the label values in the dataset')
    return np.where(ignored, IGNORED, found + 2 * real).astype(np.uint8)


def _refuse_others(what: str, values: np.ndarray, known: np.ndarray, expected: str) -> None:
    others = ~known & (values != 0)
    if others.any():
        raise SettingError(f'the {what} holds the value {values[others][0]}; expected {expected}.')


def _size(array: np.ndarray) -> str:
    return ' x '.join(str(side) for side in array.shape)


@dataclass(frozen=True)
class Confusion:
    """Pixel counts of the positive class; they add up with ``+``.

    Every score is in percent, and ``nan`` if its denominator is 0: F1 and
    IoU if neither truth nor prediction has a positive pixel, precision
    if nothing is predicted, recall if the truth has no positive pixel.
    """

    tp: int = 0
    fp: int = 0
    fn: int = 0
    tn: int = 0
    ignored: int = 0

    @classmethod
    def of(cls, prediction, truth, ignore_index: int = 255) -> Confusion:
        """Count two maps; arguments and errors are those of :func:`outcome_codes`."""
        codes = outcome_codes(prediction, truth, ignore_index)
        tn, fp, fn, tp, ignored = (int(n) for n in np.bincount(codes.ravel(), minlength=5))
        return cls(tp, fp, fn, tn, ignored)

    def __add__(self, other: Confusion) -> Confusion:
        return Confusion(self.tp + other.tp, self.fp + other.fp, self.fn + other.fn,
                         self.tn + other.tn, self.ignored + other.ignored)

    @property
    def total(self) -> int:
        """Return the number of pixels that are not ignored."""
        return self.tp + self.fp + self.fn + self.tn

    @property
    def f1(self) -> float:
        """Return ``2 TP / (2 TP + FP + FN)``, the harmonic mean of precision and recall."""
        return _percent(2 * self.tp, 2 * self.tp + self.fp + self.fn)

    @property
    def kappa(self) -> float:
        """Return Cohen's kappa, agreement beyond chance: ``(p_o - p_e) / (1 - p_e)``, times 100."""
        chance = (self.tp + self.fp) * (self.tp + self.fn) + (self.tn + self.fn) * (self.tn + self.fp)
        observed = (self.tp + self.tn) * self.total
        return _percent(observed - chance, self.total ** 2 - chance)

    def scores(self) -> dict[str, float]:
        """Return F1, precision, recall, IoU, OA (overall accuracy) and kappa, in percent."""
        return {
            'F1': self.f1,
            'precision': _percent(self.tp, self.tp + self.fp),
            'recall': _percent(self.tp, self.tp + self.fn),
            'IoU': _percent(self.tp, self.tp + self.fp + self.fn),
            'OA': _percent(self.tp + self.tn, self.total),
            'kappa': self.kappa,
        }


def _percent(part: int, whole: int) -> float:
    return 100 * part / whole if whole else nan
