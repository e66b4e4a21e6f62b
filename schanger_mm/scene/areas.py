"""Areas on the ground of shapes drawn in pixels."""

from __future__ import annotations

import numpy as np
import pyproj
import shapely

from schanger_mm.geo.grid import Grid, read_crs, to_degrees

TRUE_TO = 0.01
"""A projection whose areas are off by more than this share is not measured on."""
EDGE = 64
"""Longest edge, px, that is taken for the shortest way between its ends on the ellipsoid."""


class Ground:
    """Turns pixel coordinates (column, row) into ground coordinates and areas.

    Areas are measured on the plane of the CRS where that is true to area
    within 1 % at the scene's centre (UTM and national grids; feet are turned
    into metres), and on its ellipsoid, by pyproj, everywhere else: geographic
    CRSs, Web Mercator. Without a CRS there are no metres, and areas are in px.

    Args:
        grid: the raster's place.

    Raises:
        SceneError: a CRS that pyproj does not read, or that has no way back to the ellipsoid.
    """

    def __init__(self, grid: Grid):
        width, height = grid.width, grid.height
        self.affine = grid.affine
        self._plane, self._geod = 1.0, None
        centre = self.affine @ (width / 2, height / 2)
        self.crs = None if grid.crs is None else read_crs(grid.crs)
        if self.crs is not None:
            self._plane = abs(self.affine.determinant) * self.crs.axis_info[0].unit_conversion_factor ** 2
            if self.crs.is_geographic or not self._true_to_area(centre):
                self._to_lonlat = to_degrees(self.crs)
                self._geod = self.crs.get_geod()
        self.pixel_area = float(self.areas([shapely.box(*(s // 2 for s in (width, height)),
                                                        *(s // 2 + 1 for s in (width, height)))])[0])

    @property
    def unit(self) -> str:
        """Return ``'m2'``, or ``'px'`` without a CRS: the suffix of columns and keys that hold areas."""
        return 'px' if self.crs is None else 'm2'

    @property
    def method(self) -> str:
        """Return how areas are measured: ``'planar'``, ``'ellipsoidal'`` or ``'pixels'``."""
        if self.crs is None:
            return 'pixels'
        return 'planar' if self._geod is None else 'ellipsoidal'

    @property
    def pixel_size(self) -> float:
        """Return the side in metres of a square as large as the pixel at the scene's centre; 1 without a CRS."""
        return self.pixel_area ** 0.5

    def areas(self, outlines: list[shapely.Geometry]) -> np.ndarray:
        """Return the areas of polygons in pixel coordinates, in m2, or in px without a CRS."""
        if self._geod is None:
            return shapely.area(outlines) * self._plane
        return np.array([abs(self._geod.geometry_area_perimeter(shape)[0]) for shape in shapely.transform(
            shapely.orient_polygons(shapely.segmentize(outlines, EDGE)), self._lonlat)])

    def shapes(self, outlines: list[shapely.Geometry]) -> np.ndarray:
        """Move polygons from pixel to ground coordinates."""
        return shapely.transform(outlines, self.points)

    def points(self, points: np.ndarray) -> np.ndarray:
        """Move points ``(N, 2)`` from pixel to ground coordinates."""
        a, b, c, d, e, f = self.affine[:6]
        x, y = points.T
        return np.column_stack([a * x + b * y + c, d * x + e * y + f])

    def _lonlat(self, points: np.ndarray) -> np.ndarray:
        return np.column_stack(self._to_lonlat(*self.points(points).T))

    def _true_to_area(self, centre: tuple[float, float]) -> bool:
        if not self.crs.is_projected:
            return True  # a local CRS has no place on an ellipsoid
        lon, lat = to_degrees(self.crs)(*centre)  # from the CRS's own meridian, as get_factors counts
        scale = pyproj.Proj(self.crs).get_factors(lon, lat).areal_scale
        return abs(scale - 1) <= TRUE_TO
