"""List the files of a data set and pair them by stem (the name without its suffix)."""

from __future__ import annotations

import csv
import os
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence

from schanger_mm.utils.errors import DatasetError
from schanger_mm.utils.text import first_of, is_utf8, printable

IMAGE_SUFFIXES = ('.png', '.jpg', '.jpeg', '.tif', '.tiff', '.bmp')
LEFTOVERS = {'__MACOSX', '@eaDir', '@Recycle', '#recycle', '#snapshot', '$RECYCLE.BIN', 'lost+found'}
"""Folders that archives, network drives and systems leave among data."""
Suffixes = str | Sequence[str] | None


def natural_key(name: str) -> tuple[list, str]:
    """Return a sort key that puts ``tile_2`` before ``tile_10``; ties are broken by the plain name."""
    parts = re.split(r'(\d+)', name)
    return [int(part) if i % 2 else part for i, part in enumerate(parts)], name


def is_leftover(path: str) -> bool:
    """Return whether a path in a data folder is hidden (``.ipynb_checkpoints``, ``._1.png``) or in one of LEFTOVERS."""
    parts = path.replace(os.sep, '/').split('/')
    return any(part.startswith('.') or part in LEFTOVERS for part in parts)


def strip_suffix(name: str, suffixes: Suffixes) -> str | None:
    """Return ``name`` without the longest of ``suffixes`` that ends it (any case), or None if none does."""
    options = IMAGE_SUFFIXES if suffixes is None else (suffixes,) if isinstance(suffixes, str) else suffixes
    hits = [suffix for suffix in options if name.lower().endswith(suffix.lower())]
    return name[:-len(max(hits, key=len))] if hits else None


def join_suffixes(*several: Suffixes) -> Suffixes:
    """Return all endings of several settings; None, which is any image, where one of them is."""
    if any(suffixes is None for suffixes in several):
        return None
    return tuple(suffix for suffixes in several for suffix in ((suffixes,) if isinstance(suffixes, str) else suffixes))


def list_stems(folder: str, suffixes: Suffixes = None, backend_args: dict | None = None) -> dict[str, str]:
    """Map stem to path for the image files under ``folder``, sub-folders included, leftovers not.

    Args:
        folder (str): the folder; a stem keeps the path below it (``city/tile_1``).
        suffixes (str | Sequence[str], optional): take files with these
            endings only; None takes every known image suffix.
        backend_args (dict, optional): as in ``mmengine.fileio``.

    Raises:
        DatasetError: no such file, two files with one stem, or a name that is not UTF-8.
    """
    there = _list_remote(folder, backend_args) if _is_remote(folder, backend_args) else _list_local(folder)
    names = [name for name in there if not is_leftover(name)]
    refuse_other_encodings(folder, names)
    found: dict[str, list[str]] = {}
    for name in names:
        stem = strip_suffix(name.replace(os.sep, '/'), suffixes)
        if stem is not None:
            found.setdefault(stem, []).append(name)
    if not found:
        endings = sorted({os.path.splitext(name)[1] for name in names})
        raise DatasetError(
            f'{os.path.abspath(folder)}: expected files ending in '
            f'{IMAGE_SUFFIXES if suffixes is None else suffixes}, found {len(names)} other files'
            f'{f" ({first_of(endings)})" if names else ""}. Fill the folder, or name its suffix in '
            '`img_suffix` or `seg_map_suffix`.')
    twins = [' and '.join(sorted(group)) for group in found.values() if len(group) > 1]
    if twins:
        raise DatasetError(
            f'{os.path.abspath(folder)}: {len(twins)} stems have more than one file, so pairing by stem is '
            f'not possible: {first_of(sorted(twins))}. Remove one of each, or name the suffix to use in '
            '`img_suffix` or `seg_map_suffix`.')
    if _is_remote(folder, backend_args):
        from mmengine.fileio import join_path
        return {stem: join_path(folder, group[0]) for stem, group in found.items()}
    return {stem: os.path.join(folder, group[0]) for stem, group in found.items()}


def refuse_other_encodings(folder: str, names: Iterable[str]) -> None:
    """Raise if names are not UTF-8: reports and lists could not be written with them, which shows at the very end.

    Raises:
        DatasetError: naming the files.
    """
    if wrong := [printable(name) for name in names if not is_utf8(name)]:
        raise DatasetError(f'{os.path.abspath(folder)}: the names of {len(wrong)} files are not UTF-8: '
                           f'{first_of(wrong)}. Rename them, for example with `convmv -f latin1 -t utf8`.')


def _is_remote(path: str, backend_args: dict | None) -> bool:
    """Return whether mmengine.fileio has to read a path; it is imported only then."""
    return bool(backend_args) or '://' in str(path)


def _list_remote(folder: str, backend_args: dict | None) -> Iterable[str]:
    from mmengine.fileio import list_dir_or_file
    return list_dir_or_file(folder, list_dir=False, recursive=True, backend_args=backend_args)


def _list_local(folder: str, below: str = '') -> Iterable[str]:
    """Yield the files under a folder except hidden ones, as mmengine.fileio does."""
    with os.scandir(os.path.join(folder, below) if below else folder) as entries:
        for entry in entries:
            if not entry.name.startswith('.') and entry.is_file():
                yield os.path.join(below, entry.name)
            elif entry.is_dir():
                yield from _list_local(folder, os.path.join(below, entry.name))


def read_names(ann_file: str, known: Collection[str], suffixes: Suffixes = None,
               backend_args: dict | None = None, split: str | None = None) -> list[str]:
    """Read the stems that a list file names, in its order.

    Args:
        ann_file (str): one name per line, with or without suffix; blank
            lines are ignored.
        known (Collection[str]): the existing stems, so that ``x.tif``
            of ``x.tif.png`` is not mistaken for ``x``.
        suffixes (str | Sequence[str], optional): as in :func:`list_stems`.
        backend_args (dict, optional): as in ``mmengine.fileio``.
        split (str, optional): the lines are ``name,split`` (or with a tab);
            take those of this split, upper or lower case. A name with a comma
            is put in double quotes.

    Raises:
        DatasetError: the file is not UTF-8, names nothing, something twice, in
            two splits or outside of the folders (an absolute path, ``..``), or
            has no line of this split.
    """
    where = os.path.abspath(ann_file)
    try:
        lines = _read_lines(ann_file, backend_args)
    except UnicodeDecodeError as error:
        raise DatasetError(f'{where}: expected a list of file names in UTF-8 ({error}); save it as such.') from error
    lines = [line for line in (line.strip().replace('\\', '/') for line in lines) if line]

    def stem_of(name: str) -> str:
        quoted = len(name) > 2 and name[0] == name[-1] == '"'
        if quoted and name not in known:
            name = name[1:-1].replace('""', '"')
        bare = strip_suffix(name, suffixes) or strip_suffix(name, None)
        return name if name in known or bare is None else bare

    stems = [stem_of(line) for line in lines] if split is None else _stems_of_split(split, lines, where, stem_of)
    if outside := [stem for stem in stems if _leads_out(stem)]:
        raise DatasetError(f'{where}: {len(outside)} names are outside the data root: {first_of(outside)}. A list '
                           'chooses among the files below the folders of `data_prefix`: name other folders there, or '
                           'link the files into them.')
    if not stems:
        raise DatasetError(f'{where}: expected one file name per line, found none.')
    twice = sorted(stem for stem, count in Counter(stems).items() if count > 1)
    if twice:
        raise DatasetError(f'{where}: {len(twice)} names occur more than once: {first_of(twice)}. Remove the '
                           'repeats.')
    return stems


def _read_lines(path: str, backend_args: dict | None) -> list[str]:
    if _is_remote(path, backend_args):
        from mmengine import list_from_file
        return list_from_file(path, encoding='utf-8-sig', backend_args=backend_args)
    with open(path, encoding='utf-8-sig') as file:
        return list(file)


def _leads_out(name: str) -> bool:
    return name.startswith('/') or re.match('[A-Za-z]:', name) is not None or '..' in name.split('/')


def _stems_of_split(split: str, lines: list[str], where: str, stem_of: Callable[[str], str]) -> list[str]:
    """Read a table of names and splits; a name must not occur in two splits, however it is written."""
    rows = [_cells(line) for line in lines]
    wrong = [line for line, row in zip(lines, rows, strict=True) if len(row) != 2]
    if wrong:
        raise DatasetError(f'{where}: expected lines `name,split`, found {len(wrong)} others: {first_of(wrong)}. Put a '
                           'name with a comma in double quotes; for a plain list of names, omit `list_split`.')
    splits: dict[str, set[str]] = {}
    for name, of in rows:
        splits.setdefault(stem_of(name), set()).add(of.casefold())
    shared = [f'{stem} ({", ".join(sorted(found))})' for stem, found in splits.items() if len(found) > 1]
    if shared:
        raise DatasetError(f'{where}: {len(shared)} names occur in more than one split: {first_of(shared)}. Keep each '
                           'in one.')
    stems = [stem_of(name) for name, of in rows if of.casefold() == split.casefold()]
    if not stems:
        found = sorted({of for _, of in rows})
        raise DatasetError(f'{where}: no line of split {split!r}; it has {first_of(found)}.')
    return stems


def _cells(line: str) -> list[str]:
    cells = next(csv.reader([line], delimiter='\t' if '\t' in line else ',', skipinitialspace=True))
    return [cell.strip() for cell in cells]
