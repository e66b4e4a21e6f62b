"""Whether probabilities mean what they say: of the pixels called 70 % likely to have changed, 70 % should have."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from schanger_mm.evaluation.confusion import FALSE_NEGATIVE, IGNORED, TRUE_POSITIVE, outcome_codes
from schanger_mm.evaluation.threshold_sweep import Sweep
from schanger_mm.utils.errors import SettingError

GROUPS = 10
"""Groups of equal width, from 0 to 1."""
TEMPERATURES = 0.05, 20.0
"""Smallest and largest temperature that is looked for."""


@dataclass(frozen=True)
class Reliability:
    """Pixels by predicted probability, in :data:`GROUPS` groups.

    Args:
        pixels: number of pixels of each group.
        expected: sum of their probabilities.
        changed: how many of them have changed.
    """

    pixels: np.ndarray
    expected: np.ndarray
    changed: np.ndarray

    @classmethod
    def of(cls, probability: np.ndarray, truth, ignore_index: int = 255) -> Reliability:
        """Count one image; ``probability`` is ``(H, W)``, the truth 0, 1 or ``ignore_index``."""
        codes = outcome_codes(probability > 0.5, truth, ignore_index)
        kept = codes != IGNORED
        return _grouped(probability[kept].astype(np.float64), np.isin(codes[kept], (FALSE_NEGATIVE, TRUE_POSITIVE)))

    @classmethod
    def of_sweep(cls, sweep: Sweep, temperature: float = 1.0) -> Reliability:
        """Group the bins of a sweep, whose logits are divided by a temperature."""
        probability = _tempered(sweep, temperature)
        unchanged, changed = sweep.counts
        return _grouped(probability, changed, unchanged + changed)

    def __add__(self, other: Reliability) -> Reliability:
        return Reliability(self.pixels + other.pixels, self.expected + other.expected, self.changed + other.changed)

    @cached_property
    def error(self) -> float:
        """Return the expected calibration error in percent: the mean distance of probability and share of change.

        It is that of the probability of change, each group weighing as many pixels as it has (Naeini et al., AAAI
        2015, for two classes); ``nan`` without a pixel.
        """
        total = self.pixels.sum()
        return 100 * float(np.abs(self.expected - self.changed).sum() / total) if total else math.nan

    def rows(self) -> list[dict]:
        """Return one table row for each group with pixels: mean probability and share of change, in percent."""
        return [dict(above=index / GROUPS, pixels=int(count), probability=100 * float(expected / count),
                     changed=100 * float(changed / count))
                for index, (count, expected, changed) in enumerate(zip(self.pixels, self.expected, self.changed))
                if count]


def fit_temperature(sweep: Sweep) -> float:
    """Return the number by which logits are to be divided so that the likelihood of the truth is greatest.

    One number leaves the order of the pixels, and decisions at 0.5, as they are (Guo et al., ICML 2017). It is found
    within :data:`TEMPERATURES`, by golden section over its logarithm, from the bins of a sweep.

    Raises:
        SettingError: the truth has pixels of one class only.
    """
    if not sweep.counts.any(1).all():
        raise SettingError('a temperature cannot be fitted: the truth has pixels of one class only.')
    low, high = map(math.log, TEMPERATURES)
    ratio = (math.sqrt(5) - 1) / 2
    while high - low > 1e-4:
        left, right = high - ratio * (high - low), low + ratio * (high - low)
        if _loss(sweep, math.exp(left)) < _loss(sweep, math.exp(right)):
            high = right
        else:
            low = left
    return math.exp((low + high) / 2)


def _loss(sweep: Sweep, temperature: float) -> float:
    probability = _tempered(sweep, temperature)
    return -float(sweep.counts[0] @ np.log1p(-probability) + sweep.counts[1] @ np.log(probability))


def _tempered(sweep: Sweep, temperature: float) -> np.ndarray:
    """Return the probability in the middle of each bin, at a temperature."""
    middle = np.clip((np.arange(sweep.bins + 1) - 0.5) / sweep.bins, 0.25 / sweep.bins, 1 - 0.25 / sweep.bins)
    return 1 / (1 + np.exp(-np.log(middle / (1 - middle)) / temperature))


def _grouped(probability: np.ndarray, changed: np.ndarray, pixels: np.ndarray | None = None) -> Reliability:
    weights = np.ones(len(probability)) if pixels is None else pixels
    group = np.minimum((probability * GROUPS).astype(int), GROUPS - 1)

    def total(values: np.ndarray) -> np.ndarray:
        return np.bincount(group, values, minlength=GROUPS)
    return Reliability(total(weights), total(weights * probability), total(changed))
