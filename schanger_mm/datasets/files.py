"""List the files of a data set and pair them by stem (the name without its suffix)."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Collection, Sequence

import mmengine
import mmengine.fileio as fileio

from .errors import DatasetError, first_of

IMAGE_SUFFIXES = ('.png', '.jpg', '.jpeg', '.tif', '.tiff', '.bmp')
Suffixes = str | Sequence[str] | None


def natural_key(name: str) -> tuple[list, str]:
    """Sort key that puts ``tile_2`` before ``tile_10``; ties go by the plain name."""
    parts = re.split(r'(\d+)', name)
    return [int(part) if i % 2 else part for i, part in enumerate(parts)], name


def strip_suffix(name: str, suffixes: Suffixes) -> str | None:
    """``name`` without the longest of ``suffixes`` that ends it (any case), or None if none does."""
    options = IMAGE_SUFFIXES if suffixes is None else (suffixes,) if isinstance(suffixes, str) else suffixes
    hits = [suffix for suffix in options if name.lower().endswith(suffix.lower())]
    return name[:-len(max(hits, key=len))] if hits else None


def list_stems(folder: str, suffixes: Suffixes = None, backend_args: dict | None = None) -> dict[str, str]:
    """Map stem to path for the image files under ``folder``, sub-folders included.

    Args:
        folder (str): the folder; a stem keeps the path below it (``city/tile_1``).
        suffixes (str | Sequence[str], optional): take files with these
            endings only; None takes every known image suffix.
        backend_args (dict, optional): as in ``mmengine.fileio``.

    Raises:
        DatasetError: no such file, or two files with one stem.
    """
    names = list(fileio.list_dir_or_file(folder, list_dir=False, recursive=True, backend_args=backend_args))
    found: dict[str, list[str]] = {}
    for name in names:
        stem = strip_suffix(name, suffixes)
        if stem is not None:
            found.setdefault(stem.replace(os.sep, '/'), []).append(name)
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
    return {stem: fileio.join_path(folder, group[0]) for stem, group in found.items()}


def read_names(ann_file: str, known: Collection[str], suffixes: Suffixes = None,
               backend_args: dict | None = None, split: str | None = None) -> list[str]:
    """Read the stems that a list file names, in its order.

    Args:
        ann_file (str): one name per line, with or without suffix; blank
            lines do not count.
        known (Collection[str]): the stems there are, so that ``x.tif``
            of ``x.tif.png`` is not mistaken for ``x``.
        suffixes (str | Sequence[str], optional): as in :func:`list_stems`.
        backend_args (dict, optional): as in ``mmengine.fileio``.
        split (str, optional): the lines are ``name,split`` (or with a tab);
            take those of this split.

    Raises:
        DatasetError: the file is no UTF-8, names nothing, something twice or
            something outside of the folders (an absolute path, ``..``), or
            has no line of this split.
    """
    try:
        lines = mmengine.list_from_file(ann_file, encoding='utf-8-sig', backend_args=backend_args)
    except UnicodeDecodeError as error:
        raise DatasetError(f'{os.path.abspath(ann_file)}: expected a list of file names in UTF-8 ({error}); save it as '
                           'such.') from error
    lines = [line.strip().replace('\\', '/') for line in lines]
    if split is not None:
        lines = _lines_of(split, [line for line in lines if line], ann_file)
    stems = []
    for line in filter(None, lines):
        bare = strip_suffix(line, suffixes) or strip_suffix(line, None)
        stems.append(line if line in known or bare is None else bare)
    if outside := [stem for stem in stems if _leads_out(stem)]:
        raise DatasetError(f'{os.path.abspath(ann_file)}: {len(outside)} names lead out of the data root: '
                           f'{first_of(outside)}. A list chooses among the files below the folders of `data_prefix`: '
                           'name other folders there, or link the files into them.')
    if not stems:
        raise DatasetError(f'{os.path.abspath(ann_file)}: expected one file name per line, found none.')
    twice = sorted(stem for stem, count in Counter(stems).items() if count > 1)
    if twice:
        raise DatasetError(f'{os.path.abspath(ann_file)}: {len(twice)} names stand in it more than once: '
                           f'{first_of(twice)}. Remove the repeats.')
    return stems


def _leads_out(name: str) -> bool:
    return name.startswith('/') or re.match('[A-Za-z]:', name) is not None or '..' in name.split('/')


def _lines_of(split: str, lines: list[str], ann_file: str) -> list[str]:
    rows = [re.split(r'\s*[,\t]\s*', line) for line in lines]
    wrong = [line for line, row in zip(lines, rows, strict=True) if len(row) != 2]
    if wrong:
        raise DatasetError(f'{os.path.abspath(ann_file)}: expected lines `name,split`, found {len(wrong)} others: '
                           f'{first_of(wrong)}. A plain list of names goes without `list_split`.')
    names = [name for name, of in rows if of == split]
    if not names:
        found = sorted({of for _, of in rows})
        raise DatasetError(f'{os.path.abspath(ann_file)}: no line of split {split!r}; it has {first_of(found)}.')
    return names
