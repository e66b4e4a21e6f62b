"""Check VRTs: they may name rasters, and nothing that GDAL would execute."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import lru_cache
from typing import Any
from xml.etree import ElementTree

from schanger_mm.geo.addresses import is_network, shown
from schanger_mm.geo.errors import SceneError

SUFFIX = '.vrt'
ROOT = b'<vrtdataset'
HEAD = 4096  # bytes; GDAL looks for the root of a VRT among the first 1024
COMMANDS = {
    b'openoptions': 'options for opening its sources, which can be SQL to run',
    b'pixelfunctioncode': 'a program for its pixels',
    b'pixelfunctionlanguage': 'a program for its pixels',
    b'<!doctype': 'definitions of its own words',
}
_SOURCES = ('sourcefilename', 'sourcedataset')


def check_vrt(path: str, remote: bool = False) -> None:
    """Reject a local VRT that is more than a list of rasters, including nested VRTs. Other rasters pass.

    Args:
        path: of any raster.
        remote: allow sources on the network.

    Raises:
        SceneError: options, programs, a source that is text instead of a name, a VRT under another name or on the
            network, or damaged.
    """
    if os.path.isfile(path):
        state = os.stat(path)
        _check(path, remote, os.getcwd(), state.st_mtime_ns, state.st_size)


@lru_cache(maxsize=64)
def _check(path: str, remote: bool, folder: str, *state: int) -> None:
    """Check once per process: a mosaic of 5,000 files takes half a second, and each piece of a scene opens it."""
    seen: set[str] = set()
    todo = [path]
    while todo:
        name = todo.pop()
        if name in seen or not os.path.isfile(name):  # remote, or missing, which is found when it is opened
            continue
        seen.add(name)
        if _named_vrt(name):
            todo += _sources(name, remote)
        elif _holds_vrt(name):
            raise _misnamed(name)


def check_opened(path: str, dataset: Any) -> None:
    """Check a raster that GDAL has opened, as far as possible: a remote one cannot be checked before.

    Raises:
        SceneError: as :func:`check_vrt`.
    """
    if dataset.driver == 'VRT':
        if not _named_vrt(path):
            raise _misnamed(path)
        if not os.path.isfile(path):
            for text in dataset.tags(ns='xml:VRT').values():
                _refuse_commands(path, text.encode())


def _sources(vrt: str, remote: bool) -> Iterator[str]:
    try:
        with open(vrt, 'rb') as file:
            text = file.read()
    except OSError as error:
        raise SceneError(f'{vrt}: cannot be read ({error.strerror}).') from error
    _refuse_commands(vrt, text)
    try:
        root = ElementTree.fromstring(text)
    except (ElementTree.ParseError, ValueError) as error:
        raise SceneError(f'{vrt}: expected a VRT, found no XML of one ({error}); build it again (gdalbuildvrt).'
                         ) from error
    for element in root.iter():
        values = {_plain(key): value for key, value in element.attrib.items()}  # GDAL treats both alike
        below = values.get('relativetovrt', '0').strip() not in ('', '0')
        named = [value for key, value in values.items() if key in _SOURCES]
        if _plain(element.tag) in _SOURCES:
            named.append(element.text or '')
        for source in map(str.strip, named):
            if any(mark in source for mark in '<\n\r\0') or source.lower().startswith(('mem:', 'vrt:')):
                raise SceneError(f'{vrt}: a source is {source[:60]!r}; expected the name of a raster.')
            if is_network(source) and (not remote or _named_vrt(source)):
                raise SceneError(f'{vrt}: a source is {shown(source)!r}, on the network; '
                                 + ('a VRT there may lead anywhere, so expected a raster.' if remote else
                                    'pass --remote to predict if that is meant, or download it first.'))
            yield os.path.join(os.path.dirname(vrt), source) if below else source


def _plain(name: str) -> str:
    return name.rpartition('}')[2].lower()  # GDAL ignores namespaces and case


def _named_vrt(path: str) -> bool:
    return path.partition('?')[0].lower().endswith(SUFFIX)


def _holds_vrt(path: str) -> bool:
    try:
        with open(path, 'rb') as file:
            return ROOT in file.read(HEAD).lower()
    except OSError:  # GDAL reports it
        return False


def _misnamed(path: str) -> SceneError:
    return SceneError(f'{path}: holds a VRT, which leads to other files, under the name of a raster; if that is meant, '
                      f'rename it to end in {SUFFIX}.')


def _refuse_commands(path: str, text: bytes) -> None:
    text = text.lower()
    for word, what in COMMANDS.items():
        if word in text:
            raise SceneError(f'{path}: holds {what} ({word.decode()}); expected a VRT that only names rasters. Build '
                             'it again without (gdalbuildvrt), or translate it where you trust it (gdal_translate).')
