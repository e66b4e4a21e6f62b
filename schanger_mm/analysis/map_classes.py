"""The classes of a change map, pixel by pixel: those of its polygons, and ``unchanged`` everywhere else."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from rasterio.errors import RasterioError

from schanger_mm.data_tools.change_polygons import ChangePolygons, features, read_polygons, shapely
from schanger_mm.geo.drivers import open_raster
from schanger_mm.geo.errors import SceneError
from schanger_mm.geo.grid import Grid
from schanger_mm.scene.areas import Ground

CHANGED, UNCHANGED = 'changed', 'unchanged'
NODATA, OUTSIDE = 255, -1
BLOCK = 512
"""Side in px of the squares that are in memory at a time."""


@dataclass(frozen=True)
class MapClasses:
    """A map whose pixels have a class.

    Args:
        raster: change map, of which only the pixels without data (255) are looked at.
        grid: its place.
        polygons: the changes, in its pixel coordinates.
        names: the classes; the last one is ``unchanged``.
        codes: index into ``names`` of each polygon.
    """

    raster: Path
    grid: Grid
    polygons: ChangePolygons
    names: tuple[str, ...]
    codes: np.ndarray

    @cached_property
    def ground(self) -> Ground:
        """Return what measures areas of the map."""
        return Ground(self.grid)

    @classmethod
    def read(cls, polygons: str | Path, raster: str | Path | None = None, column: str | None = None,
             layer: str | None = None) -> MapClasses:
        """Read the polygons and the raster of a result.

        Args:
            polygons: what ``schanger predict`` wrote, or any polygons of changes.
            raster: the change map; None: ``change.tif`` next to the polygons.
            column: attribute with the class of each polygon; None: all are ``changed``.
            layer: of ``polygons``, where it has several.

        Raises:
            SceneError: a file that cannot be read, or a polygon without a class or with the class ``unchanged``.
        """
        raster = Path(polygons).with_name('change.tif') if raster is None else Path(raster)
        if not raster.is_file():
            raise SceneError(f'{raster}: no such file; expected the change map of the polygons, which says where there '
                             'are data. Name it with --map.')
        try:
            with open_raster(raster) as dataset:
                grid = Grid.of(dataset)
        except RasterioError as error:
            raise SceneError(f'{raster}: not readable as a raster: {error}') from error
        found = read_polygons(polygons, grid, layer, column)
        if column is None:
            return cls(raster, grid, found, (CHANGED, UNCHANGED), np.zeros(len(found.geometries), int))
        values = ['' if value is None or value != value else str(value) for value in found.values]
        if bad := sorted({UNCHANGED, ''} & set(values)):
            raise SceneError(f'{polygons}: column {column!r} of {values.count(bad[0])} polygons is {bad[0]!r}; '
                             'expected the name of a class of changes.')
        names = sorted(set(values))
        return cls(raster, grid, found, (*names, UNCHANGED), np.array([names.index(value) for value in values]))

    def blocks(self) -> Iterator[tuple[int, int, np.ndarray]]:
        """Yield column and row of each square of pixels, and its classes ``(h, w)``: -1 without data."""
        tree = shapely.STRtree(self.polygons.geometries)
        with open_raster(self.raster) as dataset:
            for row in range(0, self.grid.height, BLOCK):
                height = min(BLOCK, self.grid.height - row)
                strip = dataset.read(1, window=((row, row + height), (0, self.grid.width)))
                for col in range(0, self.grid.width, BLOCK):
                    valid = strip[:, col:col + BLOCK] != NODATA
                    hits = np.sort(tree.query(shapely.box(col, row, col + valid.shape[1], row + height)))
                    yield col, row, np.where(valid, self._burn(hits, col, row, valid.shape), OUTSIDE)

    def areas(self) -> tuple[np.ndarray, np.ndarray]:
        """Return number of pixels and area of each class, in the unit of ``ground``."""
        pixels, areas = np.zeros(len(self.names), int), np.zeros(len(self.names))
        for col, row, classes in self.blocks():
            height, width = classes.shape
            here = np.bincount(classes[classes >= 0], minlength=len(self.names))
            if here.any():
                square = shapely.box(col, row, col + width, row + height)
                areas += here * (self.ground.areas([square])[0] / classes.size)
                pixels += here
        return pixels, areas

    def at(self, cols: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Return the classes of pixels ``(N, )``: -1 without data or outside the map."""
        found = np.full(len(cols), OUTSIDE)
        for col, row, classes in self.blocks():
            height, width = classes.shape
            inside = (cols >= col) & (cols < col + width) & (rows >= row) & (rows < row + height)
            found[inside] = classes[rows[inside] - row, cols[inside] - col]
        return found

    def _burn(self, hits: np.ndarray, col: int, row: int, shape: tuple[int, int]) -> np.ndarray:
        """Return the class of each pixel by its centre; where polygons overlap, that of the later one."""
        if not len(hits):
            return np.full(shape, len(self.names) - 1)
        shapes = zip(self.polygons.geometries[hits], self.codes[hits].tolist())
        return features.rasterize(shapes, shape, fill=len(self.names) - 1, transform=(1, 0, col, 0, 1, row),
                                  dtype='int32')
