"""What is allowed and yet probably not meant: warnings about a pair, to be given once."""

from __future__ import annotations

import os

from .grid import gsd_warning
from .raster import Raster
from .shift import Shift
from .source import PairSource

BLACK = 0.05  # share of pixels


def pair_warnings(source: PairSource, trained_gsd: float | None = None, shift: Shift | None = None) -> list[str]:
    """Look at a sample of both dates and list what a user should know before predicting.

    Reading the sample, which reaches from corner to corner, also finds a
    truncated file before the work begins.

    Args:
        source: the pair.
        trained_gsd: metres per pixel of the training images, where known.
        shift: as :func:`~schanger_mm.scene.shift.estimate_shift` gives it.

    Raises:
        SceneError: a raster is truncated or damaged.
    """
    spec = source.spec
    found = [_same(spec.before, spec.after), _no_place(source)]
    found += [_black_border(date) for date in (source.before, source.after)]
    found += [gsd_warning(source.grid, trained_gsd), shift.warning() if shift else None]
    return [text for text in found if text]


def _same(before: str, after: str) -> str | None:
    same = before == after or (os.path.exists(before) and os.path.exists(after) and os.path.samefile(before, after))
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
