"""Write polygons batch by batch as GeoPackage or GeoJSON, completely or not at all."""

from __future__ import annotations

import json
import os
import tempfile
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import numpy as np
import shapely

from schanger_mm.geo.errors import SceneError
from schanger_mm.scene.areas import Ground
from schanger_mm.scene.lonlat import DIGITS, LonLat
from schanger_mm.utils.files import move_into_place

LAYER = 'changes'
DRIVERS = {'.gpkg': 'GPKG', '.geojson': 'GeoJSON', '.json': 'GeoJSON'}
SEPARATOR = ',\n'
BOX = ('xmin', 'ymin', 'xmax', 'ymax')

Batch = tuple[list[shapely.Geometry], Mapping[str, np.ndarray]]


def write_layer(path: Path, ground: Ground, batches: Iterable[Batch]) -> list[str]:
    """Write polygons, and with each its bounding box in the CRS of the layer: ``xmin, ymin, xmax, ymax``.

    Args:
        path: ``.gpkg``, in the raster's CRS, or ``.geojson``, in longitude and latitude (RFC 7946); replaced.
        ground: the raster's place.
        batches: outlines in pixel coordinates and columns of as many values; at least one batch, which may be empty.

    Returns:
        The names of the columns.

    Raises:
        SceneError: the folder is not writable, the disk is full, or the format does not support the CRS.
    """
    write = _write_geopackage if DRIVERS[path.suffix.lower()] == 'GPKG' else _write_geojson
    with writing(path), tempfile.TemporaryDirectory(prefix=f'.{path.name}.', dir=path.parent) as folder:
        partial = Path(folder, path.name)  # in a folder, since GDAL needs the right suffix and keeps a journal
        try:
            names = write(partial, ground, batches)
        except SceneError as error:
            raise SceneError(f'{path}: {error}') from error
        move_into_place(partial, path)
    return names


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Create the folder of a file, and raise errors of the system and of GDAL as :class:`SceneError`."""
    from pyogrio.errors import DataLayerError, DataSourceError, FeatureError
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield
    except (OSError, DataSourceError, DataLayerError, FeatureError) as error:
        raise SceneError(f'{path}: not writable: {error}; free some space, or write elsewhere.') from error


def _write_geopackage(path: Path, ground: Ground, batches: Iterable[Batch]) -> list[str]:
    import pyogrio
    count = 0
    crs = None if ground.crs is None else ground.crs.to_wkt()
    for outlines, columns in batches:
        shapes = _multi(ground.shapes(outlines))
        columns = _with_box(columns, shapely.bounds(shapes).reshape(-1, 4))
        with warnings.catch_warnings():
            warnings.filterwarnings('ignore', "'crs' was not provided")  # the name of the area column says so
            pyogrio.raw.write(path, shapely.to_wkb(shapes), list(columns.values()), list(columns), driver='GPKG',
                              layer=LAYER, geometry_type='MultiPolygon', crs=crs, append=path.exists())
        count += len(shapes)
    info = pyogrio.read_info(path, force_feature_count=True)  # GDAL does not report what fails on closing
    if info['features'] != count:
        raise OSError(f'{info["features"]} of {count} polygons arrived')
    if not info['capabilities']['fast_spatial_filter']:
        raise OSError('its spatial index did not arrive')
    return list(columns)


def _write_geojson(path: Path, ground: Ground, batches: Iterable[Batch]) -> list[str]:
    degrees = None if ground.crs is None else LonLat(ground)
    count = 0
    with _collection(path) as file:
        for outlines, columns in batches:
            if degrees is None:
                shapes = ground.shapes(outlines)
                boxes = shapely.bounds(shapes).reshape(-1, 4)
            else:
                shapes, boxes = degrees(outlines)
                shapes, boxes = shapely.transform(shapes, lambda xy: xy.round(DIGITS)), boxes.round(DIGITS)
            columns = _with_box(columns, boxes)
            for text in _features(_multi(shapely.orient_polygons(shapes)), columns):
                file.write(SEPARATOR + text if count else text)
                count += 1
    return list(columns)


@contextmanager
def _collection(path: Path) -> Iterator[IO[str]]:
    with open(path, 'w', encoding='utf-8') as file:
        file.write(f'{{"type": "FeatureCollection", "name": "{LAYER}", "features": [\n')
        yield file
        file.write('\n]}\n')
        file.flush()
        os.fsync(file.fileno())


def _features(shapes: np.ndarray, columns: Mapping[str, np.ndarray]) -> Iterator[str]:
    names = list(columns)
    for geometry, *values in zip(shapely.to_geojson(shapes), *(column.tolist() for column in columns.values())):
        yield f'{{"type": "Feature", "properties": {json.dumps(dict(zip(names, values)))}, "geometry": {geometry}}}'


def _multi(shapes: np.ndarray) -> np.ndarray:
    parts, index = shapely.get_parts(shapes, return_index=True)
    areas = shapely.get_type_id(parts) == shapely.GeometryType.POLYGON  # cutting at 180 degrees may leave lines
    return shapely.multipolygons(parts[areas], indices=index[areas]) if len(parts) else np.array([], object)


def _with_box(columns: Mapping[str, np.ndarray], boxes: np.ndarray) -> dict[str, np.ndarray]:
    """Insert the bounding box after the measurements and before the place in the raster."""
    names = list(columns)
    split = names.index('col')
    return {**{name: columns[name] for name in names[:split]}, **dict(zip(BOX, boxes.T)),
            **{name: columns[name] for name in names[split:]}}
