"""Find pairs of rasters: two files, two folders, or a table."""

from __future__ import annotations

import csv
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from schanger_mm.geo.addresses import approve, is_network, shown
from schanger_mm.geo.errors import SceneError
from schanger_mm.geo.pair import PairSpec
from schanger_mm.utils.names import natural_key, refuse_other_encodings
from schanger_mm.utils.text import first_of

SUFFIXES = ('.tif', '.tiff', '.vrt', '.png', '.jpg', '.jpeg', '.jp2', '.j2k', '.webp', '.bmp', '.img')
COLUMNS = ('before', 'after', 'name')


@dataclass(frozen=True)
class NamedPair:
    """A pair, and the name of its outputs."""

    name: str
    spec: PairSpec


@dataclass(frozen=True)
class Pairs:
    """The pairs found, and notes about what was skipped."""

    pairs: list[NamedPair]
    notes: list[str]


def find_pairs(before: str, after: str | None = None, outside: bool = False, remote: bool = False,
               **settings: Any) -> Pairs:
    """List the pairs given by two arguments of a command line.

    Two rasters are one pair, named after the earlier date. In two folders,
    files of one stem (the name without its suffix) are a pair. A table
    (``.csv``) stands alone and has the columns ``before,after`` and, if
    wanted, ``name``; its paths are relative to its folder.

    Args:
        before: raster, folder or table.
        after: raster or folder; None for a table.
        outside: let a table name rasters that are not below its folder: absolute paths, ``..``. Links below the
            folder may lead anywhere.
        remote: allow addresses, in a table too.
        **settings: the other arguments of :class:`~schanger_mm.geo.pair.PairSpec`.

    Raises:
        SceneError: a raster and a folder, no pair, two pairs of the same name,
            or a table that cannot be read or names rasters elsewhere.
    """
    settings['remote'] = remote
    if before.lower().endswith('.csv'):
        if after is not None:
            raise SceneError(f'{before}: a table of pairs is used alone, found also {after}.')
        return Pairs(_from_table(Path(before), settings, outside), [])
    if after is None:
        raise SceneError(f'{before}: expected a second raster or folder after it, or a table of pairs (.csv).')
    folders = os.path.isdir(before), os.path.isdir(after)
    if all(folders):
        return _from_folders(before, after, settings)
    if any(folders):
        folder, other = (before, after) if folders[0] else (after, before)
        raise SceneError(f'expected two rasters or two folders, found the folder {folder} beside {other}.')
    return Pairs([NamedPair(_stem(before), PairSpec(before, after, **settings))], [])


def _from_folders(before: str, after: str, settings: dict[str, Any]) -> Pairs:
    dates = [_rasters(folder) for folder in (before, after)]
    both = sorted(dates[0].keys() & dates[1].keys(), key=natural_key)
    if not both:
        examples = ' and '.join(sorted(date.values(), key=natural_key)[0] for date in dates)
        raise SceneError(f'{before} and {after}: no two files have one name ({examples}, for example); rename them, or '
                         'write a table of pairs (.csv).')
    notes = []
    for folder, own, other in ((before, dates[0], dates[1]), (after, dates[1], dates[0])):
        alone = sorted((own[stem] for stem in own.keys() - other.keys()), key=natural_key)
        if alone:
            notes.append(f'{folder}: {len(alone)} of {len(own)} rasters have no file of that name in the other folder '
                         f'and are skipped: {first_of(alone)}.')
    return Pairs([NamedPair(stem, PairSpec(os.path.join(before, dates[0][stem]), os.path.join(after, dates[1][stem]),
                                           **settings)) for stem in both], notes)


def _rasters(folder: str) -> dict[str, str]:
    found: dict[str, str] = {}
    names = [name for name in sorted(os.listdir(folder)) if name.lower().endswith(SUFFIXES) and name[0] != '.']
    refuse_other_encodings(folder, names)
    for name in names:
        twin = found.setdefault(_stem(name), name)
        if twin != name:
            raise SceneError(f'{folder}: {twin} and {name} have one stem, so pairing by name is not possible; move one '
                             'away, or write a table of pairs (.csv).')
    if not found:
        raise SceneError(f'{folder}: expected rasters ({", ".join(SUFFIXES)}), found none.')
    return found


def _from_table(table: Path, settings: dict[str, Any], outside: bool) -> list[NamedPair]:
    try:
        with table.open(encoding='utf-8-sig', newline='') as file:
            reader = csv.DictReader(file, strict=True)
            rows = [(reader.line_num, row) for row in reader]
            header = [column.strip() for column in reader.fieldnames or []]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise SceneError(f'{table}: expected a table of pairs in UTF-8, with commas ({error}).') from error
    unknown = [column for column in header if column not in COLUMNS]
    if unknown or not {'before', 'after'} <= set(header) or len(set(header)) < len(header):
        raise SceneError(f'{table}: expected the columns before,after or before,after,name in its first line, found '
                         f'{",".join(header) or "nothing"}.')
    if not rows:
        raise SceneError(f'{table}: expected a line for each pair, found none.')
    pairs: dict[str, NamedPair] = {}
    lines: dict[str, int] = {}
    for line, row in rows:
        where = f'{table}, line {line}'
        cells = _cells(row, header, where)
        before, after = (_located(cells[column], table.parent, where, outside, settings['remote'])
                         for column in ('before', 'after'))
        name = cells.get('name') or _stem(before)
        _check_name(name, where)
        key = name.lower()  # some file systems take a.tif and A.tif for one
        if key in pairs:
            raise SceneError(f'{where}: the name {name} is that of line {lines[key]} too, so one result would replace '
                             'the other; give each pair its own in a column `name`.')
        pairs[key], lines[key] = NamedPair(name, PairSpec(before, after, **settings)), line
    return list(pairs.values())


def _cells(row: dict[Any, Any], header: list[str], where: str) -> dict[str, str]:
    if None in row or None in row.values():
        raise SceneError(f'{where}: expected {len(header)} cells, as in the first line; found another number.')
    cells = dict(zip(header, (cell.strip() for cell in row.values())))
    empty = [column for column in ('before', 'after') if not cells[column]]
    if empty:
        raise SceneError(f'{where}: the cell `{empty[0]}` is empty; expected a raster.')
    return cells


def _located(path: str, folder: Path, where: str, outside: bool, remote: bool) -> str:
    if '<' in path or any(mark < ' ' for mark in path):  # GDAL finds <VRTDataset...> behind any folder
        raise SceneError(f'{where}: {path[:40]!r} is not a name of a raster; expected a path without `<`, control '
                         'characters and line breaks.')
    if is_network(path):
        try:
            return approve(path, remote)
        except SceneError as error:
            raise SceneError(f'{where}: {error}') from error
    elsewhere = os.path.isabs(path) or '://' in path
    if not outside and (elsewhere or os.path.normpath(path).split(os.sep)[0] == os.pardir):
        raise SceneError(f'{where}: {path} does not lie below {folder.absolute()}, the folder of the table. If you '
                         'know where it comes from, pass --outside; or link the raster into that folder.')
    # with a folder before it, not even `.` left away, no text means a driver of GDAL (HDF5:...)
    return path if elsewhere else os.path.join(folder, path)


def _check_name(name: str, where: str) -> None:
    if name in ('.', '..') or any(mark in name for mark in '/\\\0'):
        raise SceneError(f'{where}: the name {name!r} is to be that of a folder of results; expected one without '
                         'slashes.')


def _stem(path: str) -> str:
    name = shown(path).removesuffix('?...') if is_network(path) else path
    return os.path.splitext(os.path.basename(name))[0]
