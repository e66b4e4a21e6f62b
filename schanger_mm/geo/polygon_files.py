"""Files of polygons, recognised by their content before GDAL opens them.

GDAL opens polygons by content as it does rasters: a text named ``.geojson``
can make it run SQL or fetch from servers. Only files of formats that hold
nothing but features are passed to it, under a name that can only mean that file.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any
from zipfile import BadZipFile, ZipFile

from schanger_mm.geo.errors import SceneError
from schanger_mm.utils.files import sha256_of
from schanger_mm.utils.text import first_of

EXPECTED = 'expected polygons as GeoPackage, GeoJSON, Shapefile, FlatGeobuf or a File Geodatabase'
SUFFIXES = ('.gpkg', '.geojson', '.json', '.shp', '.fgb')
SHAPEFILE = ('.shp', '.shx', '.dbf', '.prj', '.cpg')
GEOJSON_TYPES = ('FeatureCollection', 'Feature', 'GeometryCollection', 'Polygon', 'MultiPolygon', 'Point', 'MultiPoint',
                 'LineString', 'MultiLineString')
CRS_NAMES = ('urn:', 'epsg:', 'ogc:', 'http://www.opengis.net/', 'https://www.opengis.net/')
ZIP = '/vsizip/'
_PLAIN = re.compile(r'[\w./-]+(?<!\.zip)')  # of these no path means another one to pyogrio


@dataclass(frozen=True)
class PolygonFile:
    """Polygons on a local disk.

    Args:
        name: the name that GDAL opens.
        files: all of their files.
    """

    name: str
    files: tuple[Path, ...]

    def sha256(self) -> str:
        """Return the SHA-256 of the file, or of the names and hashes of several files."""
        hashes = {path.name: sha256_of(path) for path in self.files}
        if len(hashes) == 1:
            return next(iter(hashes.values()))
        return hashlib.sha256(json.dumps(hashes, sort_keys=True).encode()).hexdigest()


def find_polygons(path: str | Path, layer: str | None = None) -> PolygonFile:
    """Find the files of polygons and check their content.

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
    names = sorted(name for name in os.listdir(folder) if name.lower().endswith('.shp') and name[0] != '.')
    layers = [name[:-len('.shp')] for name in names]
    if not names:
        raise SceneError(f'{folder}: {EXPECTED}, found a folder without any.')
    check_layer(folder, layers, layer)
    return os.path.join(folder, names[0 if layer is None else layers.index(layer)])


def check_layer(path: str | Path, layers: Sequence[str], layer: str | None) -> None:
    """Reject a missing layer, and a missing name if there are several layers.

    Raises:
        SceneError: naming the available layers.
    """
    if layer is None and len(layers) > 1:
        raise SceneError(f'{path}: it has {len(layers)} layers; choose one with --layer: {", ".join(layers)}')
    if layer is not None and layer not in layers:
        raise SceneError(f'{path}: no layer {layer!r} (--layer); it has {", ".join(layers)}')


def _parts(path: Path) -> tuple[Path, ...]:
    """Return the file and the files next to it that belong to it."""
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
    """Return the path with a folder in front, so that its beginning cannot name a driver."""
    return path if os.path.isabs(path) else os.path.join('.', path)


def _kind(file: IO[bytes], path: str | Path) -> str:
    """Check an open file; return the prefix that forces its driver, if the content is ambiguous."""
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


def check_name(path: str | Path) -> None:
    """Reject a path that pyogrio would read or write as another one: ``!`` and ``;`` are special to it.

    Raises:
        SceneError: such a path.
    """
    if _PLAIN.fullmatch(str(path)):
        return  # pyogrio takes a second to import where geopandas is installed
    from pyogrio.util import vsi_path
    if (meant := vsi_path(str(path))) != str(path) or any(mark < ' ' for mark in str(path)):
        raise SceneError(f'{str(path)!r}: would be taken for {meant!r} where polygons are read and written; choose a '
                         'path without `!`, `;`, control characters, and blanks or `?` at the ends.')
