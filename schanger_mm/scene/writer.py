"""Rasters of a scene: tiled, compressed GeoTIFFs with overviews (cloud-optimised layout)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import rasterio
from rasterio import shutil
from rasterio._err import CPLE_BaseError  # what shutil.copy raises; no public name
from rasterio.errors import RasterioError
from rasterio.windows import Window

from schanger_mm.geo.drivers import open_raster
from schanger_mm.geo.grid import Grid
from schanger_mm.geo.raster import limit_cache
from schanger_mm.scene.block import NODATA
from schanger_mm.scene.plan import Block
from schanger_mm.scene.run_folder import disk_errors

TILE = 512


def write_cog(path: Path, grid: Grid, blocks: Iterable[Block], pixels: Callable[[Block], np.ndarray],
              description: str, average: bool, tags: dict[str, str], classes: Sequence[str] = (),
              colours: Sequence[tuple[int, int, int]] = ()) -> None:
    """Write a one-band uint8 raster with nodata 255 as a cloud-optimised GeoTIFF.

    Pixels go through an uncompressed file next to ``path``, since the layout
    puts overviews first. Only one block is in memory at a time, and the result
    is read back and compared, because GDAL reports some write errors late.
    The same pixels and tags give the same bytes.

    Args:
        path: file to write; what is there is replaced.
        grid: size, transform and CRS.
        blocks: cover the grid.
        pixels: returns a block's ``(h, w)`` uint8.
        description: what the band holds.
        average: overviews hold means of values; False: the nearest value.
        tags: kept in the file's metadata.
        classes: names of the values from 0, kept in the metadata of the band as ``CLASS_0`` and so on.
        colours: RGB of the same values; the raster then has a colour table.

    Raises:
        SceneError: the disk is full, or the folder not writable.
    """
    plain = path.with_name(f'.{path.stem}.plain.tif')
    blocks = list(blocks)
    limit_cache()
    profile = dict(driver='GTiff', width=grid.width, height=grid.height, count=1, dtype='uint8', nodata=NODATA,
                   crs=grid.crs, transform=grid.affine if grid.georeferenced else None, tiled=True,
                   blockxsize=TILE, blockysize=TILE, BIGTIFF='IF_SAFER')
    try:
        with _gdal_errors(path):
            with rasterio.open(plain, 'w', **profile) as raster:
                raster.set_band_description(1, description)
                raster.update_tags(**tags)
                if colours:
                    raster.write_colormap(1, dict(enumerate(colours)))
                    raster.update_tags(1, **{f'CLASS_{value}': name for value, name in enumerate(classes)})
                for block in blocks:
                    raster.write(pixels(block), 1, window=_window(block))
            _check_size(plain, grid)
            shutil.copy(plain, path, driver='COG', BLOCKSIZE=TILE, COMPRESS='DEFLATE', PREDICTOR='YES',
                        OVERVIEW_RESAMPLING='AVERAGE' if average else 'NEAREST', BIGTIFF='IF_SAFER')
            _verify(path, blocks, pixels)
    finally:
        plain.unlink(missing_ok=True)


def _window(block: Block) -> Window:
    return Window(block.col, block.row, block.width, block.height)


def _check_size(plain: Path, grid: Grid) -> None:
    """Refuse a file that lacks pixels: GDAL only prints a warning where the disk is full."""
    found, expected = plain.stat().st_size, grid.width * grid.height
    if found < expected:
        raise OSError(f'{found:,} of at least {expected:,} bytes of {plain.name} arrived; is the disk full?')


def _verify(path: Path, blocks: list[Block], pixels: Callable[[Block], np.ndarray]) -> None:
    with open_raster(path) as raster:
        for block in blocks:
            if not np.array_equal(raster.read(1, window=_window(block)), pixels(block)):
                raise OSError(f'rows {block.row} to {block.row + block.height} came out wrong; is the disk full?')


@contextmanager
def _gdal_errors(path: Path) -> Iterator[None]:
    with disk_errors(path):
        try:
            yield
        except (RasterioError, CPLE_BaseError) as error:
            raise OSError(f'{error}; is the disk full?') from error
