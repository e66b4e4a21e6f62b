"""Polygons in longitude and latitude as RFC 7946 requires: nothing beyond 180 degrees, poles closed."""

from __future__ import annotations

import math

import numpy as np
import pyproj
import shapely

from schanger_mm.geo.errors import SceneError
from schanger_mm.scene.areas import Ground

WORLD = shapely.box(-180, -90, 180, 90)
AT_POLE = 90 - 1e-9
"""Degrees of latitude from which a point counts as the pole, whose longitude is meaningless."""
EARTH = 6.4e6  # metres
DIGITS = 8
"""Decimals of a degree: about a millimetre."""


class LonLat:
    """Turns polygons in pixel coordinates (column, row) into WGS 84, split where they cross 180 degrees.

    Args:
        ground: the raster's place; with a CRS.

    Raises:
        SceneError: a CRS that has no way to WGS 84: a local one, or one of another planet.
    """

    def __init__(self, ground: Ground):
        try:
            self._transform = pyproj.Transformer.from_crs(ground.crs, 4326, always_xy=True).transform
        except pyproj.exceptions.ProjError as error:
            raise SceneError(f'its CRS, {ground.crs.name}, cannot be turned into the longitude and latitude that '
                             'GeoJSON consists of; write a GeoPackage (--format gpkg), which keeps the CRS.') from error
        self._ground = ground
        self._bent = ground.crs.is_projected

    def __call__(self, outlines: list[shapely.Geometry]) -> tuple[np.ndarray, np.ndarray]:
        """Transform polygons and multi-polygons.

        Returns:
            The shapes, and ``(N, 4)`` bounding boxes: west, south, east, north. As in RFC 7946, west is greater than
            east where a polygon crosses 180 degrees.

        Raises:
            SceneError: a polygon lies outside the area of the CRS.
        """
        shapes = shapely.transform(outlines, self._points)
        boxes = shapely.bounds(shapes).reshape(-1, 4)
        if self._bent and len(boxes):
            fine = shapely.segmentize(outlines, self._longest(np.abs(boxes[:, 1::2]).max()))
            shapes = shapely.transform(fine, self._points)
            boxes = shapely.bounds(shapes).reshape(-1, 4)
        if not np.isfinite(boxes).all():
            raise SceneError('a change lies beyond where its CRS is defined, so it has no longitude and latitude; '
                             'write a GeoPackage (--format gpkg).')
        across = (boxes[:, 0] < -180) | (boxes[:, 2] > 180) | (boxes[:, 2] - boxes[:, 0] > 180)
        for index in np.flatnonzero(across):
            shapes[index], boxes[index] = self._split(outlines[index])
        return shapes, boxes

    def _points(self, points: np.ndarray) -> np.ndarray:
        return np.column_stack(self._transform(*self._ground.points(points).T))

    def _longest(self, latitude: float) -> float:
        """Return the longest side, px, that stays within a tenth of a pixel if only its ends are transformed."""
        bend = max(math.tan(math.radians(min(latitude, 89.9))), 1e-3) / (8 * EARTH)  # the arc's height by length ** 2
        return max(1.0, math.sqrt(0.1 / (bend * self._ground.pixel_size)))

    def _split(self, outline: shapely.Geometry) -> tuple[shapely.Geometry, tuple[float, float, float, float]]:
        """Cut one shape at 180 degrees, with a point at each corner of a pixel, one of which may be a pole."""
        fine = shapely.segmentize(outline, 1)
        parts, boxes = [], []
        for polygon in shapely.get_parts(fine):
            exterior, box = self._fold(polygon.exterior)
            holes = [self._fold(ring)[0] for ring in polygon.interiors]
            parts.append(shapely.difference(exterior, shapely.union_all(holes)))
            boxes.append(box)
        shape = shapely.set_precision(shapely.union_all(parts), 10.0 ** -DIGITS)  # valid when it is rounded, too
        west, south, east, north = np.array(boxes).T
        east = east + 360 * np.round((west[0] - west) / 360)
        west = west + 360 * np.round((west[0] - west) / 360)
        low, high = west.min(), east.max()
        if high - low > 360 - 1e-6:
            low, high = -180.0, 180.0
        return shape, (_wrap(low), south.min(), _wrap(high), north.max())

    def _fold(self, ring: shapely.LinearRing) -> tuple[shapely.Geometry, tuple[float, float, float, float]]:
        """Return what a ring encloses, between -180 and 180 degrees, and its bounds before it was cut."""
        points = self._points(shapely.get_coordinates(ring))[:-1]  # the last one is the first
        shape = shapely.make_valid(shapely.Polygon(_unwrapped(points)))
        west, south, east, north = shapely.bounds(shape)
        turns = range(int(np.floor((west + 180) / 360)), int(np.ceil((east + 180) / 360)))
        pieces = [shapely.intersection(shapely.transform(shape, lambda xy: xy - (360 * turn, 0)), WORLD)  # noqa: B023
                  for turn in turns]
        return shapely.union_all(pieces), (west, south, east, north)


def _unwrapped(points: np.ndarray) -> np.ndarray:
    """Continue the longitudes of a ring beyond 180 degrees where it crosses, and close it along a pole inside it.

    A corner at a pole becomes two: the sides that meet there run along their own longitudes.
    """
    poles = np.flatnonzero(np.abs(points[:, 1]) >= AT_POLE)
    if not len(poles):
        lon, lat = points.T
        lon = np.unwrap(np.append(lon, lon[0]), period=360)
        unwrapped = np.column_stack([lon[:-1], lat])
        if abs(lon[-1] - lon[0]) < 180:
            return unwrapped
        pole = np.copysign(90.0, lat.mean())
        return np.vstack([unwrapped, (lon[-1], lat[0]), (lon[-1], pole), (lon[0], pole)])
    pole = np.copysign(90.0, points[poles[0], 1])
    points = np.roll(points, -poles[0], axis=0)  # begins at a pole
    parts = []
    for run in np.split(points, np.flatnonzero(np.abs(points[:, 1]) >= AT_POLE))[1:]:
        lon = np.unwrap(run[1:, 0], period=360)
        if len(lon):
            parts += [(lon[0], pole), *zip(lon, run[1:, 1]), (lon[-1], pole)]
    return np.array(parts)


def _wrap(longitude: float) -> float:
    return longitude if -180 <= longitude <= 180 else (longitude + 180) % 360 - 180
