"""Which of a folder's images a list or a table of splits names."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from pathlib import Path

from schanger_mm.datasets.errors import DatasetError, first_of
from schanger_mm.datasets.files import natural_key, read_names


def listed_names(list_file: str | Path, known: Collection[str], where: str | Path,
                 list_split: str | None = None) -> list[str]:
    """Read the stems that a list names, in natural order.

    Args:
        list_file: one name per line, or a table with lines ``name,split``.
        known: the stems there are.
        where: the folder that has them, for messages.
        list_split: take the lines of this split of a table.

    Raises:
        FileNotFoundError: no such list.
        DatasetError: names that are not there; and as
            :func:`~schanger_mm.datasets.files.read_names`.
    """
    if not Path(list_file).is_file():
        raise FileNotFoundError(f'no list {list_file}; expected a text file with one name per line.')
    names = read_names(str(list_file), known, split=list_split)
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
        ValueError: two splits of one name, or splits of several tables.
    """
    if list_splits and len(lists) != 1:
        raise ValueError(f'--list-split: expected one table in --list, found {len(lists)} files.')
    names = list(list_splits or [Path(file).stem for file in lists])
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise ValueError(f'--list: expected lists of different names, found {first_of(twice)} twice.')
    if list_splits:
        return {name: (Path(lists[0]), name) for name in names}
    return {name: (Path(file), None) for name, file in zip(names, lists, strict=True)}
