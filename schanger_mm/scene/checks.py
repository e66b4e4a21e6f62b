"""Warnings about pairs that are valid but probably not intended."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass

import numpy as np

from schanger_mm.geo.addresses import full
from schanger_mm.geo.grid import gsd_warning, shape_warning
from schanger_mm.geo.pair import PairSource, PairWindow
from schanger_mm.geo.raster import Raster
from schanger_mm.geo.scaling import Range, to_bytes_range
from schanger_mm.utils.optional import require

BLACK = 0.05  # share of pixels
HALF_TRANSPARENT = 0.05  # likewise; blurred edges of a mosaic stay below
FLAT = 8  # of 255


def pair_warnings(source: PairSource, trained_gsd: float | None = None, shift: Shift | None = None) -> list[str]:
    """Check a sample of both dates and list warnings for the user before predicting.

    Reading the sample, which covers the raster from corner to corner, also finds
    a truncated file before the work begins.

    Args:
        source: the pair.
        trained_gsd: metres per pixel of the training images, where known.
        shift: as :func:`~schanger_mm.scene.checks.estimate_shift` gives it.

    Raises:
        SceneError: a raster is truncated or damaged.
    """
    spec = source.spec
    found = [_same(spec.before, spec.after), _no_place(source)]
    for date in (source.before, source.after):
        found += [_black_border(date), _no_alpha(date)]
    for date, rule in ((source.before, spec.scaling.before), (source.after, spec.scaling.after)):
        if rule is not None and rule == spec.trained.scale:
            found.append(_flat(date, rule))
    found += [shape_warning(source.grid), gsd_warning(source.grid, trained_gsd), shift.warning() if shift else None]
    return [text for text in found if text]


def _same(before: str, after: str) -> str | None:
    same = full(before) == full(after) or (
        os.path.exists(before) and os.path.exists(after) and os.path.samefile(before, after))
    return f'{before}: both dates are this one file, so nothing has changed in it.' if same else None


def _no_place(source: PairSource) -> str | None:
    if source.grid.crs is not None:
        return None
    return (f'{source.spec.before}: no CRS, so the results carry none, sizes are compared in pixels and no area can '
            'be given in m2.')


def _black_border(date: Raster) -> str | None:
    black = seen = 0
    for values, valid in date.samples():
        black += int(((values == 0).all(axis=0) & valid).sum())
        seen += valid.size
    if date.masked or black <= BLACK * seen:
        return None
    return (f'{date.path}: {black / seen:.1%} of the sampled pixels are 0 in all bands and it names no nodata value; '
            'if they are border and not dark ground, set --nodata 0.')


def _no_alpha(date: Raster) -> str | None:
    share = date.half_transparent()
    if share <= HALF_TRANSPARENT:
        return None
    return (f'{date.path}: a band is marked as alpha, but {share:.0%} of its sampled pixels are neither transparent '
            'nor opaque, as in near infrared; where it is 0 there is no data in the result. If it is not alpha, set '
            '--ignore-alpha.')


def _flat(date: Raster, rule: Range) -> str | None:
    """Warn about values that the rule of the training takes to nearly one."""
    sample = [to_bytes_range(values[:, valid], rule).ravel() for values, valid in date.samples() if valid.any()]
    if not sample:
        return None
    low, high = np.percentile(np.concatenate(sample), (2, 98))
    if high - low >= FLAT:
        return None
    return (f'{date.path}: its values hardly differ in the range of the training, --scale {rule} (96 % of them become '
            f'{low:.0f} to {high:.0f} of 0..255); if they have another unit, set --scale for this raster.')


LARGEST = 2.0  # pixels; above, edges of everything begin to look like changes
PRECISION = 10  # steps per pixel
SIDE, WINDOWS, TRIES = 512, 9, 40
ENOUGH = 0.9  # of a window's pixels must hold data in both dates
AGREEMENT = 4.0  # pixels; two thirds of LEVIR-CD's pairs lie below (parallax), unrelated places scatter by 18 or more


@dataclass(frozen=True)
class Shift:
    """The shift of the later date relative to the earlier one.

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
        """Return the length of the shift in pixels."""
        return math.hypot(self.right, self.down)

    @property
    def reliable(self) -> bool:
        """Return whether three or more windows agree within 4 px; otherwise the shift is unknown."""
        return self.windows >= 3 and self.spread <= AGREEMENT

    def warning(self) -> str | None:
        """Return a warning about a shift of more than 2 px."""
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
        MissingPackageError: scikit-image is not installed.
        SceneError: a raster cannot be read.
    """
    registration = require('skimage.registration', 'geo', 'Estimating the shift between the dates')
    estimates = []
    for window in _windows(source, np.random.default_rng(seed)):
        before, after = (_prepared(image, window.valid) for image in window.images)
        if not (before.any() and after.any()):
            continue  # nothing to see, such as open water
        moved_back = registration.phase_cross_correlation(before, after, upsample_factor=PRECISION)[0]
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
    """Return one date in grey ``(h, w)`` with mean 0 and deviation 1, faded out at the sides; all 0 if it is flat."""
    grey = image.mean(axis=0, dtype=np.float64)
    grey = np.where(valid, grey - grey[valid].mean(), 0)
    deviation = grey.std()
    if deviation == 0:
        return grey
    fade = np.outer(np.hanning(grey.shape[0]), np.hanning(grey.shape[1]))
    return grey / deviation * fade
