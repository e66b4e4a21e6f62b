"""Points of a map for a person to check: drawn, written for a GIS, and read again."""

from __future__ import annotations

import csv
import tempfile
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from schanger_mm.analysis.area_estimate import AreaEstimate, estimate_areas
from schanger_mm.analysis.map_classes import MapClasses
from schanger_mm.data_tools.change_polygons import geopandas, pixel_coordinates, pyogrio, pyproj, shapely
from schanger_mm.geo.errors import SceneError
from schanger_mm.geo.polygon_files import check_name, find_polygons
from schanger_mm.scene.polygon_layer import writing
from schanger_mm.utils.errors import SettingError
from schanger_mm.utils.files import move_into_place, refuse_existing
from schanger_mm.utils.text import first_of

LAYER = 'sample'
MAP, TRUTH = 'map', 'truth'
LEAST = 2
"""Points that each class needs: an interval is a spread."""


@dataclass(frozen=True)
class Checked:
    """Checked points of a map.

    Args:
        counts: number of points by class on the map (row) and true class (column), in the order of the map's names.
        unchecked: number of points without a true class, left out.
    """

    counts: np.ndarray
    unchecked: int


def draw_points(classes: MapClasses, count: int, seed: int) -> dict[str, np.ndarray]:
    """Draw pixels without replacement: half of them unchanged, the others shared evenly by the classes of changes.

    A class with fewer pixels than its share gives all it has, and the rest is drawn from the unchanged pixels. The
    points are numbered in random order, so the first ones are a sample, too.

    Args:
        classes: the map.
        count: number of points.
        seed: of the draw.

    Returns:
        Columns ``id``, ``map`` (class), ``col``, ``row``.

    Raises:
        SettingError: too few points, or more than there are pixels.
    """
    pixels, _ = classes.areas()
    kinds = len(pixels) - 1
    if (pixels < LEAST).any():
        short = int(np.argmax(pixels < LEAST))
        raise SettingError(f'{classes.raster}: class {classes.names[short]!r} has {pixels[short]} pixels; expected at '
                           f'least {LEAST} of each, or areas cannot be estimated.')
    if count < 2 * LEAST * kinds or count > pixels.sum():
        raise SettingError(f'--draw {count}: expected {2 * LEAST * kinds} to {pixels.sum()} points for '
                           f'{kinds + 1} classes; about 50 for each class of changes are common.')
    wanted = np.minimum(pixels, np.array([count // 2 // kinds] * kinds + [0]))
    wanted[-1] = min(pixels[-1], count - wanted.sum())
    rng = np.random.default_rng(seed)
    ranks = [np.sort(rng.choice(total, number, replace=False)) for total, number in zip(pixels, wanted)]
    found: list[np.ndarray] = []
    seen = np.zeros(len(pixels), int)
    for col, row, block in classes.blocks():
        for code, rank in enumerate(ranks):
            places = np.flatnonzero(block == code)
            here = rank[np.searchsorted(rank, seen[code]):np.searchsorted(rank, seen[code] + len(places))] - seen[code]
            rows, cols = np.divmod(places[here], block.shape[1])
            found += [np.column_stack((np.full(len(here), code), col + cols, row + rows))]
            seen[code] += len(places)
    points = rng.permutation(np.concatenate(found))
    return {'id': np.arange(1, len(points) + 1), MAP: np.array(classes.names, object)[points[:, 0]],
            'col': points[:, 1], 'row': points[:, 2]}


def write_points(path: str | Path, classes: MapClasses, points: dict[str, np.ndarray]) -> None:
    """Write a GeoPackage with a point at the centre of each pixel and an empty column ``truth``.

    Raises:
        SceneError: the suffix is another one, or the file is not writable.
        ExistsError: ``path`` exists; it may hold a day of work.
    """
    path = Path(path)
    check_name(path)
    if path.suffix.lower() != '.gpkg':
        raise SceneError(f'{path}: points are written as .gpkg, found the suffix {path.suffix!r}.')
    refuse_existing(path, overwrite=None)
    places = classes.ground.points(np.column_stack((points['col'], points['row'])) + 0.5)
    columns = {'id': points['id'], MAP: points[MAP], TRUTH: np.full(len(places), '', object),
               'x': places[:, 0], 'y': places[:, 1], 'col': points['col'], 'row': points['row']}
    crs = None if classes.ground.crs is None else classes.ground.crs.to_wkt()
    with writing(path), warnings.catch_warnings(), tempfile.TemporaryDirectory(
            prefix=f'.{path.name}.', dir=path.parent) as folder:
        warnings.filterwarnings('ignore', "'crs' was not provided")
        partial = Path(folder, path.name)  # in a folder, as write_layer's
        pyogrio.raw.write(partial, shapely.to_wkb(shapely.points(places)), list(columns.values()), list(columns),
                          driver='GPKG', layer=LAYER, geometry_type='Point', crs=crs)
        move_into_place(partial, path)


def read_checked(path: str | Path, classes: MapClasses) -> Checked:
    """Read checked points and look up their classes on the map.

    Args:
        path: the GeoPackage of :func:`write_points` with ``truth`` filled in; or a CSV file with columns ``x``, ``y``
            (coordinates in the map's CRS) and ``truth``.
        classes: the map.

    Raises:
        SceneError: unreadable, columns are missing, a point lies where the map has no data, or ``map`` is not what the
            map says there.
        SettingError: a true class that the map does not have, or too few points of one.
    """
    places, truth, stated = (_read_csv if str(path).lower().endswith('.csv') else _read_layer)(path, classes)
    filled = np.array([value not in (None, '') for value in truth], bool)
    pixels = shapely.get_coordinates(pixel_coordinates(shapely.points(places), classes.grid))
    cols, rows = np.floor(pixels).astype(int).T
    codes = classes.at(cols, rows)
    if (codes < 0).any():
        bad = int(np.argmax(codes < 0))
        raise SceneError(f'{path}: point {bad + 1} at {places[bad, 0]:.10g}, {places[bad, 1]:.10g} lies where '
                         f'{classes.raster} has no data; expected x and y in {classes.grid.crs_name}.')
    for number, (code, name) in enumerate(zip(codes, stated), 1):
        if name not in (None, '', classes.names[code]):
            raise SceneError(f'{path}: point {number} was drawn as {name!r}, and the map says {classes.names[code]!r} '
                             'there; it belongs to another map, or to another --by.')
    if unknown := sorted({str(value) for value in truth[filled]} - set(classes.names)):
        raise SettingError(f'{path}: truth {first_of(list(map(repr, unknown)))}; expected one of the map\'s classes: '
                           f'{", ".join(classes.names)}.')
    counts = np.zeros((len(classes.names), ) * 2, int)
    for code, name in zip(codes[filled], truth[filled]):
        counts[code, classes.names.index(str(name))] += 1
    if (counts.sum(axis=1) < LEAST).any():
        short = int(np.argmax(counts.sum(axis=1) < LEAST))
        raise SettingError(f'{path}: {counts.sum(axis=1)[short]} checked points where the map says '
                           f'{classes.names[short]!r}; expected {LEAST} or more of each class. Check more of them, or '
                           'draw a sample (--draw).')
    return Checked(counts, int((~filled).sum()))


def estimate(classes: MapClasses, checked: Checked) -> AreaEstimate:
    """Estimate the areas of a map's classes."""
    return estimate_areas(checked.counts, classes.areas()[1])


def _read_csv(path: str | Path, classes: MapClasses) -> tuple[np.ndarray, np.ndarray, Sequence[Any]]:
    try:
        with open(path, newline='', encoding='utf-8-sig') as file:
            lines = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise SceneError(f'{path}: not readable as CSV ({error}).') from error
    if missing := [name for name in ('x', 'y', TRUTH) if not lines or lines[0].get(name) is None]:
        raise SceneError(f'{path}: expected lines with the columns x, y and truth, found no '
                         f'{", ".join(missing) if lines else "line"}.')
    try:
        places = np.array([[float(line['x']), float(line['y'])] for line in lines])
    except (TypeError, ValueError) as error:
        raise SceneError(f'{path}: x and y are not numbers ({error}).') from error
    truth = np.array([(line[TRUTH] or '').strip() for line in lines], object)
    return places, truth, [line.get(MAP) for line in lines]


def _read_layer(path: str | Path, classes: MapClasses) -> tuple[np.ndarray, np.ndarray, Sequence[Any]]:
    name = find_polygons(path).name
    try:
        fields = list(pyogrio.read_info(name)['fields'])
        if TRUTH not in fields:
            raise SceneError(f'{path}: no column {TRUTH!r}; it has {", ".join(fields) or "none"}. Expected the file of '
                             '--draw, with the true class of each point.')
        frame = geopandas.read_file(name, columns=[MAP, TRUTH])
        if frame.crs is not None and classes.grid.crs is not None:
            frame = frame.to_crs(classes.grid.crs)
    except (pyogrio.errors.DataSourceError, pyogrio.errors.DataLayerError, pyproj.exceptions.ProjError) as error:
        raise SceneError(f'{path}: expected points, found what GDAL cannot read ({error}).') from error
    shapes = frame.geometry.to_numpy()
    if not len(shapes) or not (shapely.get_type_id(shapes) == shapely.GeometryType.POINT).all():
        raise SceneError(f'{path}: expected points, found {len(shapes)} features, not all of them points.')
    truth = np.array([None if value is None or value != value else str(value).strip() for value in frame[TRUTH]],
                     object)
    stated = [None if value is None or value != value else str(value) for value in frame.get(MAP, [None] * len(frame))]
    return shapely.get_coordinates(shapes), truth, stated
