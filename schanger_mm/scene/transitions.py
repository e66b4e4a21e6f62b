"""How much ground changed from which class into which."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import rasterio
import shapely
from rasterio.windows import Window

from schanger_mm.geo.drivers import open_raster
from schanger_mm.geo.errors import SceneError
from schanger_mm.geo.grid import Grid
from schanger_mm.scene.areas import Ground
from schanger_mm.scene.summary import TILE


def measure_transitions(change_tif: str | Path, before_tif: str | Path, after_tif: str | Path,
                        classes: Sequence[str]) -> list[dict]:
    """Measure the changed pixels by their class before and after, square by square as :func:`count_pixels` does.

    Args:
        change_tif: 1 where changed.
        before_tif, after_tif: places in ``classes``, on the same grid.
        classes: their names.

    Returns:
        A dict for each pair of classes that occurs, the largest area first: ``from``, ``to``, ``pixels`` and
        ``area_m2``, or ``area_px`` without a CRS.

    Raises:
        SceneError: not readable as rasters.
    """
    count = len(classes)
    pixels, areas = np.zeros(count * count, np.int64), np.zeros(count * count)
    try:
        with ExitStack() as stack:
            rasters = [stack.enter_context(open_raster(path)) for path in (change_tif, before_tif, after_tif)]
            grid = Grid.of(rasters[0])
            ground = Ground(grid)
            for row in range(0, grid.height, TILE):
                strip = Window(0, row, grid.width, min(TILE, grid.height - row))
                change, before, after = (raster.read(1, window=strip) for raster in rasters)
                for col in range(0, grid.width, TILE):
                    tile = np.s_[:, col:col + TILE]
                    changed = change[tile] == 1
                    if changed.any():
                        pair = before[tile][changed].astype(np.int64) * count + after[tile][changed]
                        here = np.bincount(pair, minlength=count * count)
                        height, width = changed.shape
                        square = shapely.box(col, row, col + width, row + height)
                        pixels += here
                        areas += here * (ground.areas([square])[0] / changed.size)
    except rasterio.errors.RasterioError as error:
        raise SceneError(f'{change_tif}, {before_tif}, {after_tif}: not readable as rasters: {error}') from error
    return [{'from': classes[i // count], 'to': classes[i % count], 'pixels': int(pixels[i]),
             f'area_{ground.unit}': float(areas[i])} for i in np.argsort(-areas, kind='stable') if pixels[i]]
