"""Read which images of a folder a list or a table of splits contains."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from pathlib import Path

from schanger_mm.utils.errors import DatasetError, MissingFileError, SettingError
from schanger_mm.utils.names import natural_key, read_names
from schanger_mm.utils.text import first_of


def listed_names(list_file: str | Path, known: Collection[str], where: str | Path,
                 list_split: str | None = None, suffixes: Sequence[str] = ()) -> list[str]:
    """Read the stems that a list names, in natural order.

    Args:
        list_file: one name per line, or a table with lines ``name,split``.
        known: the stems there are.
        where: the folder that has them, for messages.
        list_split: take the lines of this split of a table.
        suffixes: endings that names may have besides those of images.

    Raises:
        FileNotFoundError: no such list.
        DatasetError: names that are not there; and as
            :func:`~schanger_mm.utils.names.read_names`.
    """
    if not Path(list_file).is_file():
        raise MissingFileError(f'no list {list_file}; expected a text file with one name per line.')
    names = read_names(str(list_file), known, tuple(suffixes) or None, split=list_split)
    absent = [name for name in names if name not in known]
    if absent:
        table = list_split is None and any(mark in name for name in absent for mark in ',\t')
        raise DatasetError(f'{list_file}: {len(absent)} of {len(names)} names have no image in {where}: '
                           f'{first_of(absent)}.' + (' Of a table with lines `name,split`, name the split by '
                                                     '--list-split.' if table else ''))
    return sorted(names, key=natural_key)


def splits_of_lists(lists: Sequence[str | Path],
                    list_splits: Sequence[str] | None = None) -> dict[str, tuple[Path, str | None]]:
    """Name the splits that lists make: a list file by its stem, a table by the splits asked for.

    Returns:
        List file and split of the table, by name of the split.

    Raises:
        ValueError: two splits of the same name, or splits of several tables.
    """
    if list_splits and len(lists) != 1:
        raise SettingError(f'--list-split: expected one table in --list, found {len(lists)} files.')
    names = list(list_splits or [Path(file).stem for file in lists])
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise SettingError(f'--list: expected lists of different names, found {first_of(twice)} twice.')
    if list_splits:
        return {name: (Path(lists[0]), name) for name in names}
    return {name: (Path(file), None) for name, file in zip(names, lists, strict=True)}
