"""Training tiles of any number of bands, as small GeoTIFFs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from rasterio.io import MemoryFile
from rasterio.transform import Affine

from schanger_mm.geo.drivers import switch_off_drivers
from schanger_mm.geo.grid import Grid
from schanger_mm.geo.pair import PairSource
from schanger_mm.geo.raster import BANDS

SUFFIX = '.tif'


@dataclass(frozen=True)
class TileForm:
    """What all GeoTIFF tiles of a scene have in common.

    Args:
        dtype: of the values.
        grid: of the scene.
        names: descriptions of the bands of each date, None for a band without.
    """

    dtype: str
    grid: Grid
    names: tuple[tuple[str | None, ...], ...]

    @classmethod
    def of(cls, source: PairSource) -> TileForm | None:
        """Return the form of a pair's tiles; None: three bands of 8 bits, which are PNGs."""
        if source.bands == BANDS and not source.as_stored:
            return None
        dtype = source.before.dtype if source.as_stored else 'uint8'
        return cls(dtype, source.grid, (source.before.names, source.after.names))

    def describe(self) -> dict[str, Any]:
        """Return what ``tiles.json`` says of them."""
        return dict(format='GeoTIFF', bands=len(self.names[0]), dtype=self.dtype,
                    values='0..255' if self.dtype == 'uint8' else 'stored')

    def advice(self) -> str:
        """Say what a training needs to read them."""
        numbers = ', '.join(str(band + 1) for band in range(len(self.names[0])))
        scale = '' if self.dtype == 'uint8' else ' and scale=\'MIN:MAX\', the values that become 0 and 255,'
        return (f'Images are GeoTIFFs of {len(self.names[0])} bands, {self.dtype}: set bands=({numbers}){scale} in '
                'LoadBiTemporalImages of every pipeline.')

    def encode(self, array: np.ndarray, date: int, col: int, row: int) -> bytes:
        """Encode the tile ``(C, h, w)`` of a date (0 or 1) whose first pixel is (col, row) of the scene."""
        switch_off_drivers()
        count, height, width = array.shape
        profile: dict[str, Any] = dict(
            driver='GTiff', width=width, height=height, count=count, dtype=self.dtype, compress='deflate',
            predictor=3 if array.dtype.kind == 'f' else 2, interleave='pixel', photometric='minisblack', alpha='no',
            crs=self.grid.crs)
        if self.grid.georeferenced:
            profile['transform'] = self.grid.affine @ Affine.translation(col, row)
        with MemoryFile() as memory:
            with memory.open(**profile) as tile:
                tile.write(array)
                tile.descriptions = self.names[date]
            return memory.read()
