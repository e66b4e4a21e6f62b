"""What can be known of a scene's files before the first block is predicted."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import numpy as np
from rasterio.transform import Affine

from schanger_mm.geo.errors import SceneError
from schanger_mm.geo.grid import Grid
from schanger_mm.scene.plan import POLYGONS, Block, Settings
from schanger_mm.scene.polygons import write_polygons
from schanger_mm.scene.run_folder import CHANGE, PROBABILITY
from schanger_mm.scene.summary import count_pixels
from schanger_mm.scene.writer import write_cog


def check_products(grid: Grid, settings: Settings) -> None:
    """Write rasters and polygons of the scene's middle pixel and throw them away.

    A CRS that a format cannot hold is found so before the first block is predicted.

    Raises:
        SceneError: such a CRS: GeoTIFF has no rotated poles, GeoJSON no local CRSs and no other planets.
    """
    affine = grid.affine @ Affine.translation(grid.width // 2, grid.height // 2)
    middle, blocks = Grid(1, 1, tuple(affine[:6]), grid.crs), [Block(0, 0, 0, 1, 1)]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for file in (CHANGE, PROBABILITY):
            write_cog(folder / file, middle, blocks, lambda block: np.ones((1, 1), np.uint8), '', False, {})
            if (folder / f'{file}.aux.xml').exists():  # where GDAL puts what does not go into a GeoTIFF
                raise SceneError(f'its CRS, {grid.crs_name}, cannot be written into a GeoTIFF; warp it first into one '
                                 'that can (gdalwarp -t_srs EPSG:...).')
        try:
            count_pixels(folder / CHANGE)
            write_polygons(folder / CHANGE, folder / PROBABILITY, folder / POLYGONS[settings.format])
        except SceneError as error:
            raise SceneError(str(error).replace(f'{folder}{os.sep}', '')) from error
