"""Files of polygons: which ones are read, known by what they hold before GDAL sees them.

GDAL opens polygons by content as it does rasters: a text named ``.geojson``
can make it run SQL or fetch from servers. Only files of formats that hold
nothing but features are handed to it, under a name that means that file.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any
from zipfile import BadZipFile, ZipFile

from schanger_mm.datasets.errors import first_of
from schanger_mm.scene.errors import SceneError
from schanger_mm.scene.polygons import check_name

EXPECTED = 'expected polygons as GeoPackage, GeoJSON, Shapefile, FlatGeobuf or a File Geodatabase'
SUFFIXES = ('.gpkg', '.geojson', '.json', '.shp', '.fgb')
SHAPEFILE = ('.shp', '.shx', '.dbf', '.prj', '.cpg')
GEOJSON_TYPES = ('FeatureCollection', 'Feature', 'GeometryCollection', 'Polygon', 'MultiPolygon', 'Point', 'MultiPoint',
                 'LineString', 'MultiLineString')
CRS_NAMES = ('urn:', 'epsg:', 'ogc:', 'http://www.opengis.net/', 'https://www.opengis.net/')
ZIP = '/vsizip/'


@dataclass(frozen=True)
class PolygonFile:
    """Polygons on this disk.

    Args:
        name: what GDAL is to open.
        files: all that they are made of.
    """

    name: str
    files: tuple[Path, ...]

    def sha256(self) -> str:
        """Of the file; of the names and hashes of several."""
        hashes = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in self.files}
        if len(hashes) == 1:
            return next(iter(hashes.values()))
        return hashlib.sha256(json.dumps(hashes, sort_keys=True).encode()).hexdigest()


def find_polygons(path: str | Path, layer: str | None = None) -> PolygonFile:
    """Find the files of polygons and look into them.

    Args:
        path: a file; a folder of Shapefiles, or one that is a File
            Geodatabase (``.gdb``); or a file in an archive: ``FILE.zip`` or
            ``/vsizip/FILE.zip/NAME``.
        layer: which Shapefile of a folder.

    Raises:
        SceneError: no such file, another format, a name that would be read as
            another one, or a GeoJSON file that leads elsewhere.
    """
    text = str(path)
    if text.startswith(ZIP) or (text.lower().endswith('.zip') and os.path.isfile(text)):
        return _in_archive(text)
    check_name(text)
    if not os.path.exists(text):
        raise SceneError(f'{path}: no such file; {EXPECTED}.')
    if os.path.isdir(text):
        if text.rstrip('/').lower().endswith('.gdb') and os.path.isfile(os.path.join(text, 'a00000001.gdbtable')):
            return PolygonFile(_local(text), tuple(file for file in sorted(Path(text).iterdir())
                                                   if file.is_file() and file.suffix != '.lock'))
        text = _in_folder(text, layer)
    try:
        with open(text, 'rb') as file:
            kind = _kind(file, path)
    except OSError as error:
        raise SceneError(f'{path}: cannot be read ({error.strerror}).') from error
    return PolygonFile(kind + _local(text), _parts(Path(text)))


def _in_folder(folder: str, layer: str | None) -> str:
    names = sorted(name for name in os.listdir(folder) if name.lower().endswith('.shp'))
    layers = [name[:-len('.shp')] for name in names]
    if not names:
        raise SceneError(f'{folder}: {EXPECTED}, found a folder without any.')
    check_layer(folder, layers, layer)
    return os.path.join(folder, names[0 if layer is None else layers.index(layer)])


def check_layer(path: str | Path, layers: Sequence[str], layer: str | None) -> None:
    """Refuse a layer that is not there, and no name where there are several.

    Raises:
        SceneError: naming those that there are.
    """
    if layer is None and len(layers) > 1:
        raise SceneError(f'{path}: it has {len(layers)} layers; name one by --layer: {", ".join(layers)}')
    if layer is not None and layer not in layers:
        raise SceneError(f'{path}: no layer {layer!r} (--layer); it has {", ".join(layers)}')


def _parts(path: Path) -> tuple[Path, ...]:
    """The file and those beside it that belong to it."""
    if path.suffix.lower() == '.shp':
        return tuple(file for file in sorted(path.parent.iterdir())
                     if file.stem == path.stem and file.suffix.lower() in SHAPEFILE)
    waiting = Path(f'{path}-wal')  # of a GeoPackage that a GIS has open: the latest edits
    return (path, waiting) if waiting.is_file() and waiting.stat().st_size else (path, )


def _in_archive(path: str) -> PolygonFile:
    inside, end = path.removeprefix(ZIP), 0
    while end >= 0 and not os.path.isfile(inside[:end]):
        end = inside.lower().find('.zip', end)
        end = end if end < 0 else end + len('.zip')
    archive, wanted = (inside, '') if end < 0 else (inside[:end], inside[end:].strip('/'))
    check_name(archive.removesuffix('.zip'))
    try:
        with ZipFile(archive) as file:
            members = [name for name in file.namelist() if name.lower().endswith(SUFFIXES)]
            if len(found := [name for name in members if wanted in ('', name)]) != 1:
                raise SceneError(f'{path}: {EXPECTED}, one of its kind; found {first_of(members) or "none"}. Name one: '
                                 f'{ZIP}{archive}/NAME, or unpack it.')
            with file.open(found[0]) as member:
                kind = _kind(member, path)
    except (OSError, BadZipFile, RuntimeError, NotImplementedError) as error:
        raise SceneError(f'{path}: not readable as an archive ({error}); unpack it first.') from error
    return PolygonFile(f'{kind}{ZIP}{archive}/{found[0]}', (Path(archive), ))


def _local(path: str) -> str:
    """The same path with a folder before it, so that no beginning of it names a driver."""
    return path if os.path.isabs(path) else os.path.join('.', path)


def _kind(file: IO[bytes], path: str | Path) -> str:
    """Look into an open file; return what forces its driver, where the content alone could mean another."""
    head = file.read(100)
    if (head[:16] == b'SQLite format 3\0' and head[68:72] in (b'GPKG', b'GP10', b'GP11')) or (
            head[:4] == b'\0\0\x27\x0a' or head[:8] in (b'fgb\x03fgb\0', b'fgb\x03fgb\1')):
        return ''
    if head.removeprefix(b'\xef\xbb\xbf').lstrip()[:1] == b'{':
        _check_geojson(head + file.read(), path)
        return 'GeoJSON:'
    raise SceneError(f'{path}: {EXPECTED}, found {"something else" if head else "an empty file"}; convert it first '
                     '(ogr2ogr OUT.gpkg IN).')


def _check_geojson(text: bytes, path: str | Path) -> None:
    def slim(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        """Keep what is looked at; coordinates would fill the memory. A key that comes twice is seen twice."""
        for key, value in pairs:
            if key == 'crs' and isinstance(value, dict):
                _check_crs(value, path)
        return {key: value for key, value in pairs if isinstance(value, str) or key == 'properties'}

    try:
        content = json.loads(text.decode('utf-8-sig'), object_pairs_hook=slim)
    except SceneError:
        raise
    except (ValueError, RecursionError) as error:
        raise SceneError(f'{path}: {EXPECTED}, found damaged GeoJSON ({error}).') from error
    if content.get('type') not in GEOJSON_TYPES:
        raise SceneError(f'{path}: {EXPECTED}, found JSON of the type {content.get("type")!r}; convert it first '
                         '(ogr2ogr OUT.gpkg IN).')


def _check_crs(crs: dict[str, Any], path: str | Path) -> None:
    properties = crs.get('properties')
    named = properties.get('name') if isinstance(properties, dict) and crs.get('type') == 'name' else None
    if not (isinstance(named, str) and named.lower().startswith(CRS_NAMES)):
        raise SceneError(f'{path}: its `crs` leads elsewhere ({str(crs)[:100]}); expected a name such as '
                         'urn:ogc:def:crs:EPSG::32633, or none, which means longitude and latitude.')
