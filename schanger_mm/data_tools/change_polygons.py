"""Convert polygons of changes, drawn in a GIS, to masks on the pixels of a scene."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from schanger_mm.geo.errors import SceneError
from schanger_mm.geo.grid import Grid
from schanger_mm.utils.optional import require

NEEDS = ('geo', 'Reading polygons of changes')
geopandas, pyogrio, pyproj, shapely, features = (
    require(name, *NEEDS) for name in ('geopandas', 'pyogrio', 'pyproj', 'shapely', 'rasterio.features'))

from schanger_mm.geo.polygon_files import EXPECTED, check_layer, find_polygons  # noqa: E402


@dataclass(frozen=True)
class ChangePolygons:
    """Polygons in pixel coordinates of a scene: x to the right, y down, (0, 0) the corner of the first pixel.

    Args:
        geometries: shapely polygons and multi-polygons.
        count: number of features that were read.
        notes: messages about repaired or skipped polygons.
        values: of the column that was asked for, one for each of ``geometries``.
    """

    geometries: np.ndarray
    count: int
    notes: tuple[str, ...] = ()
    values: np.ndarray | None = None

    def within(self, col: int, row: int, width: int, height: int) -> np.ndarray:
        """Return those whose bounding box intersects a window."""
        hits = shapely.STRtree(self.geometries).query(shapely.box(col, row, col + width, row + height))
        return self.geometries[np.sort(hits)]


def burn(geometries: np.ndarray, col: int, row: int, width: int, height: int) -> np.ndarray:
    """Mark the pixels of a window whose centre lies in a polygon.

    Args:
        geometries: polygons in pixel coordinates of the scene.
        col, row: first pixel of the window.
        width, height: of the window, px.

    Returns:
        (height, width) bool.
    """
    if not len(geometries):
        return np.zeros((height, width), bool)
    # whole-pixel offsets are exact in floating point, so windows agree with each other and with the whole scene
    return features.rasterize(geometries, (height, width), transform=(1, 0, col, 0, 1, row), all_touched=False,
                              dtype='uint8').astype(bool)


def read_polygons(path: str | Path, grid: Grid, layer: str | None = None,
                  column: str | None = None) -> ChangePolygons:
    """Read polygons and convert them to the pixel coordinates of a scene.

    Another coordinate system is reprojected, self-crossing outlines are
    repaired (``shapely.make_valid``), heights are dropped.

    Args:
        path: see :func:`~schanger_mm.geo.polygon_files.find_polygons`.
        grid: of the scene.
        layer: its name, where the file has several.
        column: the attribute to read with them.

    Raises:
        SceneError: unreadable, several layers and none named, no polygons or
            other kinds of features, no such column, a coordinate system on one
            side only, or all polygons outside the scene.
    """
    frame = _read(path, layer, column)
    frame = _on_crs_of(grid, frame, path)
    notes = []
    geometries = shapely.force_2d(frame.geometry.to_numpy())
    there = ~(shapely.is_missing(geometries) | shapely.is_empty(geometries))
    finite = there & np.isfinite(shapely.bounds(geometries)).all(axis=1)
    for lost, why in (((~there).sum(), 'without geometry'), ((there & ~finite).sum(), 'beyond where the scene\'s '
                                                             'coordinate system is defined')):
        if lost:
            notes.append(f'{path}: {lost} of {len(frame)} features {why} were left out.')
    geometries = pixel_coordinates(geometries[finite], grid)
    kinds = shapely.get_type_id(geometries)
    if not np.isin(kinds, (3, 6)).all():
        found = sorted({shape.geom_type for shape in geometries[~np.isin(kinds, (3, 6))]})
        raise SceneError(f'{path}: expected polygons, found {(~np.isin(kinds, (3, 6))).sum()} features of type '
                         f'{", ".join(found)} among {len(frame)}; remove them, or buffer lines and points to areas.')
    invalid = ~shapely.is_valid(geometries)
    if invalid.any():
        geometries[invalid] = [_areas(shape) for shape in shapely.make_valid(geometries[invalid])]
        notes.append(f'{path}: {invalid.sum()} of {len(frame)} polygons cross themselves and were repaired '
                     f'(shapely.make_valid), first number {np.flatnonzero(finite)[invalid.argmax()] + 1}.')
    polygons = ChangePolygons(geometries, len(frame), tuple(notes))
    inside = len(polygons.within(0, 0, grid.width, grid.height))
    if not inside:
        box = ', '.join(f'{value:.10g}' for value in shapely.total_bounds(frame.geometry.to_numpy()[there]))
        ground = ', '.join(f'{value:.10g}' for value in grid.bounds)
        raise SceneError(f'{path}: none of {len(frame)} polygons lies in the scene; they span {box}, the scene '
                         f'{ground} (left, bottom, right, top, in its CRS). The wrong file, or the wrong CRS?')
    if outside := len(geometries) - inside:
        notes.append(f'{path}: {outside} of {len(frame)} polygons lie outside the scene.')
    values = None if column is None else frame[column].to_numpy()[finite]
    return ChangePolygons(geometries, len(frame), tuple(notes), values)


def columns_of(path: str | Path, layer: str | None = None) -> list[str]:
    """Return the names of the attributes of polygons.

    Raises:
        SceneError: unreadable, or several layers and none named.
    """
    name = find_polygons(path, layer).name
    try:
        check_layer(path, [str(name) for name, _ in pyogrio.list_layers(name)], layer)
        return [str(field) for field in pyogrio.read_info(name, layer=layer)['fields']]
    except (pyogrio.errors.DataSourceError, pyogrio.errors.DataLayerError) as error:
        raise SceneError(f'{path}: {EXPECTED}, found what GDAL cannot read ({error}).') from error


def _read(path: str | Path, layer: str | None, column: str | None):
    name = find_polygons(path, layer).name
    try:
        layers = [str(name) for name, _ in pyogrio.list_layers(name)]
        check_layer(path, layers, layer)
        if column is not None and column not in (fields := list(pyogrio.read_info(name, layer=layer)['fields'])):
            raise SceneError(f'{path}: no column {column!r}; it has {", ".join(fields) or "none"}.')
        frame = geopandas.read_file(name, layer=layer, columns=[] if column is None else [column])
    except (pyogrio.errors.DataSourceError, pyogrio.errors.DataLayerError, pyproj.exceptions.CRSError,
            shapely.errors.ShapelyError) as error:
        raise SceneError(f'{path}: {EXPECTED}, found what GDAL cannot read ({error}).') from error
    if not isinstance(frame, geopandas.GeoDataFrame) or not len(frame):
        raise SceneError(f'{path}: expected polygons of what changed, found no features with a geometry.')
    return frame


def _on_crs_of(grid: Grid, frame, path: str | Path):
    if grid.crs is None and frame.crs is None:
        return frame
    if grid.crs is None or frame.crs is None:
        facts = {True: 'no coordinate system', False: 'one'}
        raise SceneError(f'{path}: the polygons have {facts[frame.crs is None]}, the rasters have '
                         f'{facts[grid.crs is None]}; where neither has one, polygons count in pixels. Assign the '
                         'missing one (gdal_edit.py -a_srs, or ogr2ogr -a_srs).')
    try:
        return frame.to_crs(grid.crs)
    except (pyproj.exceptions.ProjError, ValueError) as error:
        raise SceneError(f'{path}: cannot be brought from {frame.crs.name} to {grid.crs_name}, the coordinate system '
                         f'of the rasters ({error}).') from error


def pixel_coordinates(geometries: np.ndarray, grid: Grid) -> np.ndarray:
    """Move geometries from the ground to the pixel coordinates of a scene."""
    a, b, c, d, e, f = tuple(~grid.affine)[:6]
    return shapely.transform(geometries, lambda xy: np.column_stack((
        a * xy[:, 0] + b * xy[:, 1] + c, d * xy[:, 0] + e * xy[:, 1] + f)))


def _areas(shape):
    """Return only geometries with an area: repairing may leave lines and points."""
    parts = shapely.get_parts(shapely.get_parts(shape))
    return shapely.multipolygons(parts[shapely.get_type_id(parts) == 3])
