"""Where the pixels of a coarser band lie on the grid of the finest band of its image."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from schanger_mm.utils.errors import DatasetError

if TYPE_CHECKING:
    from schanger_mm.geo.grid import Grid  # which needs the [geo] extra

SHIFT = 0.1
"""Pixels by which bands of one size may lie beside each other, and by which one may be turned against another."""
Places = tuple[np.ndarray, np.ndarray]
"""Rows and columns of a band under the pixel centres of another one; 0 is the centre of the first pixel."""


def places_of(paths: Sequence[str], grids: Sequence[Grid]) -> tuple[Grid, list[Places | None]]:
    """Return the grid with the most pixels, and where each band lies under its pixel centres.

    Files with a place on the ground lie where that is. Others begin at the same corner; a pixel of the coarser band is
    a whole number of pixels of the finer one if only one number fits the sizes, so that a last pixel may stick out or
    be missing.

    Args:
        paths: the files of an image, one band each.
        grids: their grids.

    Returns:
        The grid, and for each file the places, None where its pixels are those of the grid.

    Raises:
        DatasetError: they do not show the same ground.
    """
    finest = max(grids, key=lambda grid: grid.width * grid.height)
    return finest, [_places(path, grid, finest) for path, grid in zip(paths, grids)]


def _places(path: str, own: Grid, finest: Grid) -> Places | None:
    sizes = (own.height, own.width), (finest.height, finest.width)
    if own.affine.is_identity or finest.affine.is_identity:
        if sizes[0] == sizes[1]:
            return None
        steps, starts = _steps(path, own, finest), (0.0, 0.0)
    else:
        from schanger_mm.geo.grid import same_crs
        if own.crs and finest.crs and not same_crs(own.crs, finest.crs):
            raise _other_ground(path, own, finest, f'its CRS is {own.crs_name}, not {finest.crs_name}')
        pixels = ~own.affine @ finest.affine
        if max(abs(pixels.b) * finest.height, abs(pixels.d) * finest.width) > SHIFT or min(pixels.a, pixels.e) <= 0:
            raise _other_ground(path, own, finest, 'its pixels have other axes')
        steps, starts = (pixels.e, pixels.a), (pixels.f, pixels.c)
        beyond = [start + step * count - own_count for start, step, own_count, count in zip(starts, steps, *sizes)]
        if sizes[0] == sizes[1] and max(map(abs, (*starts, *beyond))) < SHIFT:
            return None
        if min(starts) <= -1 or max(beyond) >= 1:
            raise _other_ground(path, own, finest, 'by their coordinates, it does not cover that')
    rows, columns = (start + step * (np.arange(count) + 0.5) - 0.5
                     for start, step, count in zip(starts, steps, sizes[1]))
    return rows, columns


def interpolated(layer: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Return a band ``(h, w)`` at these rows and columns, bilinearly, in its own type; outside, its border."""
    values = layer.astype(np.float32 if layer.dtype.itemsize <= 2 else np.float64)
    for axis, places in enumerate((rows, columns)):
        places = places.clip(0, layer.shape[axis] - 1)
        before = places.astype(int)
        share = np.expand_dims((places - before).astype(values.dtype), 1 - axis)
        after = values.take(np.minimum(before + 1, layer.shape[axis] - 1), axis)
        values = values.take(before, axis)
        after -= values
        after *= share
        values += after
    return (np.rint(values) if layer.dtype.kind in 'iu' else values).astype(layer.dtype)


def nearest(layer: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Return the pixels ``(h, w)`` that are nearest to these rows and columns."""
    found = (np.rint(places).astype(int).clip(0, count - 1) for places, count in zip((rows, columns), layer.shape))
    return layer[np.ix_(*found)]


def _steps(path: str, own: Grid, finest: Grid) -> tuple[float, float]:
    """Return the height and width of a pixel of the finest band in pixels of the band."""
    fitting = [factor for factor in range(1, max(finest.height, finest.width) + 1)
               if max(abs(factor * own.width - finest.width), abs(factor * own.height - finest.height)) < factor]
    if len(fitting) == 1:
        return 1 / fitting[0], 1 / fitting[0]
    if abs(own.height - finest.height * own.width / finest.width) > 1:
        raise _other_ground(path, own, finest, 'it does not have its proportions')
    return own.height / finest.height, own.width / finest.width


def _other_ground(path: str, own: Grid, finest: Grid, why: str) -> DatasetError:
    return DatasetError(f'{path}: {own.width}x{own.height} (width x height) does not show the ground of the largest '
                        f'band of its image, {finest.width}x{finest.height}: {why}. Cut the files of an image to the '
                        'same ground; if the coordinates are wrong, remove them (gdal_edit.py -unsetgt).')
