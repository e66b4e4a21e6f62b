"""Where the pixels of a coarser band lie on the grid of the finest band of its image."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from schanger_mm.utils.errors import DatasetError

Size = tuple[int, int]
Grid = tuple[Size, Any, Any]
"""Size ``(h, w)``, transform to coordinates on the ground, and their system; None where the file has none."""
SHIFT = 0.1
"""Pixels by which bands of one size may lie beside each other, and by which one may be turned against another."""


def grid_of(data: Any) -> Grid:
    """Return the grid of an open raster."""
    return (data.height, data.width), None if data.transform.is_identity else data.transform, data.crs


def finest_of(grids: Iterable[Grid]) -> Grid:
    """Return the grid with the most pixels."""
    return max(grids, key=lambda grid: math.prod(grid[0]))


def positions(path: str, own: Grid, finest: Grid) -> tuple[np.ndarray, np.ndarray] | None:
    """Return the rows and the columns of a band under the pixel centres of the finest one; 0 is its first centre.

    Files with a place on the ground lie where that is. Others begin at the same corner; a pixel of the coarser band is
    a whole number of pixels of the finer one if only one number fits the sizes, so that a last pixel may stick out or
    be missing.

    Returns:
        None where both have the same pixels.

    Raises:
        DatasetError: they do not show the same ground.
    """
    size, (height, width) = own[0], finest[0]
    if own[1] is None or finest[1] is None:
        if size == (height, width):
            return None
        steps, starts = _steps(path, size, finest[0]), (0.0, 0.0)
    else:
        if own[2] and finest[2] and own[2] != finest[2]:
            raise _other_ground(path, size, finest[0], f'its coordinates are those of {own[2]}, not of {finest[2]}')
        across = ~own[1] * finest[1]
        if max(abs(across.b) * height, abs(across.d) * width) > SHIFT or across.a <= 0 or across.e <= 0:
            raise _other_ground(path, size, finest[0], 'its pixels have other axes')
        steps, starts = (across.e, across.a), (across.f, across.c)
        ends = [start + step * count - own_count
                for start, step, count, own_count in zip(starts, steps, finest[0], size)]
        if size == (height, width) and max(map(abs, (*starts, *ends))) < SHIFT:
            return None
        if min(starts) <= -1 or max(ends) >= 1:
            raise _other_ground(path, size, finest[0], 'by their coordinates, it does not cover that')
    rows, columns = (start + step * (np.arange(count) + 0.5) - 0.5
                     for start, step, count in zip(starts, steps, finest[0]))
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


def _steps(path: str, size: Size, finest: Size) -> tuple[float, float]:
    """Return the height and width of a fine pixel in pixels of the band."""
    (h, w), (height, width) = size, finest
    fitting = [factor for factor in range(1, max(height, width) + 1)
               if max(abs(factor * w - width), abs(factor * h - height)) < factor]
    if len(fitting) == 1:
        return 1 / fitting[0], 1 / fitting[0]
    if abs(h - height * w / width) > 1:
        raise _other_ground(path, size, finest, 'it does not have its proportions')
    return h / height, w / width


def _other_ground(path: str, size: Size, finest: Size, why: str) -> DatasetError:
    return DatasetError(f'{path}: {size[1]}x{size[0]} (width x height) does not show the ground of the largest band of '
                        f'its image, {finest[1]}x{finest[0]}: {why}. Cut the files of an image to the same ground; if '
                        'the coordinates are wrong, remove them (gdal_edit.py -unsetgt).')
