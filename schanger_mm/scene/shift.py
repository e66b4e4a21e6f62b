"""How far the two dates lie apart, by phase correlation on a few windows."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from skimage.registration import phase_cross_correlation

from .source import PairSource, PairWindow

LARGEST = 2.0  # pixels; above, edges of everything begin to look like changes
PRECISION = 10  # steps per pixel
SIDE, WINDOWS, TRIES = 512, 9, 40
ENOUGH = 0.9  # of a window's pixels must hold data in both dates
AGREEMENT = 4.0  # pixels; two thirds of LEVIR-CD's pairs lie below (parallax), unrelated places scatter by 18 or more


@dataclass(frozen=True)
class Shift:
    """Where the later date lies against the earlier one.

    Args:
        right, down: pixels by which its content is displaced, medians over
            the windows; NaN where no window could be used.
        spread: pixels, the median distance of the windows' estimates from them.
        windows: how many windows were used.
    """

    right: float
    down: float
    spread: float
    windows: int

    @property
    def size(self) -> float:
        """Length of the shift in pixels."""
        return math.hypot(self.right, self.down)

    @property
    def reliable(self) -> bool:
        """Whether three or more windows agree within 4 px: others say nothing about the shift."""
        return self.windows >= 3 and self.spread <= AGREEMENT

    def warning(self) -> str | None:
        """What to tell about a shift of more than 2 px."""
        if not self.reliable or self.size <= LARGEST:
            return None
        return (f'the later date lies {self.size:.1f} px off the earlier one ({self.right:+.1f} px to the right, '
                f'{self.down:+.1f} px down; {self.windows} windows, spread {self.spread:.1f} px): expect false '
                'changes along edges; register the two first, or correct the transform of one and use --align.')


def estimate_shift(source: PairSource, seed: int = 0) -> Shift:
    """Estimate the shift between the dates of a pair, by phase correlation (skimage) to a tenth of a pixel.

    Up to nine windows of 512 px (smaller in a small scene) with data in both
    dates, drawn by ``seed``.

    Args:
        source: the pair, as the network will see it.
        seed: of the choice of windows.

    Raises:
        SceneError: a raster cannot be read.
    """
    estimates = []
    for window in _windows(source, np.random.default_rng(seed)):
        before, after = (_prepared(image, window.valid) for image in window.images)
        if not (before.any() and after.any()):
            continue  # nothing to see, such as open water
        moved_back = phase_cross_correlation(before, after, upsample_factor=PRECISION)[0]
        estimates.append(-np.asarray(moved_back, float))
    if not estimates:
        return Shift(math.nan, math.nan, math.nan, 0)
    down, right = np.median(estimates, axis=0)
    spread = np.median([math.hypot(*(estimate - (down, right))) for estimate in estimates])
    return Shift(float(right), float(down), float(spread), len(estimates))


def _windows(source: PairSource, rng: np.random.Generator) -> list[PairWindow]:
    width, height = source.grid.width, source.grid.height
    side = min(SIDE, max(min(width, height) // 3, 64), width, height)
    columns, rows = width // side, height // side
    found = []
    for cell in rng.choice(columns * rows, min(columns * rows, TRIES), replace=False):
        row, column = divmod(int(cell), columns)
        window = source.read(column * side, row * side, side, side)
        if window.valid.mean() >= ENOUGH:
            found.append(window)
        if len(found) == WINDOWS:
            break
    return found


def _prepared(image: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """Grey ``(h, w)`` of one date with mean 0 and deviation 1, faded out at the sides; all 0 if it is flat."""
    grey = image.mean(axis=0, dtype=np.float64)
    grey = np.where(valid, grey - grey[valid].mean(), 0)
    deviation = grey.std()
    if deviation == 0:
        return grey
    fade = np.outer(np.hanning(grey.shape[0]), np.hanning(grey.shape[1]))
    return grey / deviation * fade
