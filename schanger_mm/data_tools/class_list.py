"""The list of classes of a data set with class maps: as the user names it, or as its maps say."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from schanger_mm.datasets.class_values import UNCHANGED, ClassValues, class_codes, class_pixels, value_of_code
from schanger_mm.datasets.reading import read_pixels
from schanger_mm.utils.errors import DatasetError, SettingError

from .parallel import run_parallel

OPTION = '--classes'
SPECIAL = ('unchanged', 'unlabelled')
"""Names in the list that are no classes, see :class:`~schanger_mm.datasets.class_values.ClassValues`."""
MOST = UNCHANGED - 1
"""More classes than that are not possible."""
AGREED = 0.99
"""Share of the pixels without the value of "unchanged" that have two different classes."""


@dataclass(frozen=True)
class PairValues:
    """The values in both maps of a pair: pixels by the values before and after, as numbers of ``class_codes``."""

    file: Path
    coloured: bool
    pixels: dict[tuple[int, int], int]


def parse_classes(words: Sequence[str] | None) -> ClassValues | None:
    """Read classes as ``water=1`` or ``water=0,0,255``; ``unchanged`` and ``unlabelled`` are no classes.

    Returns:
        The list; None without words.

    Raises:
        SettingError: another form, or what ``ClassValues.of`` rejects.
    """
    if not words:
        return None
    table = []
    for word in words:
        match = re.fullmatch(r'([^=]*[^=\s])=(\d+|\d+,\d+,\d+)', word)
        if match is None:
            raise SettingError(f'{OPTION} {word}: expected NAME=VALUE with a grey value or a colour R,G,B, for example '
                               'water=1 or water=0,0,255.')
        numbers = tuple(map(int, match[2].split(',')))
        table.append((match[1], numbers[0] if len(numbers) == 1 else numbers))
    special = {name: value for name, value in table if name in SPECIAL}
    classes = [(name, value) for name, value in table if name not in SPECIAL]
    return ClassValues.of(OPTION, [name for name, _ in classes], [value for _, value in classes],
                          special.get('unchanged'), special.get('unlabelled'))


def find_classes(pairs: Sequence[tuple[Path, Path]], workers: int | None = None) -> ClassValues:
    """Take the values in all maps for classes, ``class_0`` and so on, in ascending order.

    A palette's colours are the values, as its indices can differ from file to
    file. A value that both dates have at the same pixels is "unchanged" if
    (nearly) all other pixels have two different classes.

    Args:
        pairs: the maps before and after; pairs that cannot be read, or of two sizes, are left out.
        workers: number of processes.

    Raises:
        DatasetError: the values are no classes: of a JPEG, too many, or of two kinds; or there are fewer than two.
    """
    found = [values for values in run_parallel(pair_values, pairs, workers, 'reading class maps') if values]
    kinds = {values.coloured: values.file for values in found}
    if len(kinds) == 2:
        raise DatasetError(f'{kinds[False]} has grey values and {kinds[True]} has colours; expected class maps of one '
                           'kind.')
    pixels: Counter[tuple[int, int]] = Counter()
    for values in found:
        pixels.update(values.pixels)
    codes = sorted({code for both in pixels for code in both})
    unchanged = next((code for code in codes if _marks_unchanged(code, pixels)), None)
    classes = [value_of_code(code, True in kinds) for code in codes if code != unchanged]
    if not 2 <= len(classes) <= MOST:
        where = f'{pairs[0][0].parent} and {pairs[0][1].parent}' if pairs else 'the folders of class maps'
        raise DatasetError(f'{where}: expected 2 to {MOST} values of classes in the maps, found '
                           f'{len(classes)}{f": {classes[0]}" if len(classes) == 1 else ""}; name the classes with '
                           f'{OPTION}, or {OPTION.replace("classes", "label-before")} none if these are no class maps.')
    return ClassValues.of(OPTION, [f'class_{place}' for place in range(len(classes))], classes,
                          None if unchanged is None else value_of_code(unchanged, True in kinds), None)


def pair_values(pair: tuple[Path, Path]) -> PairValues | None:
    """Count the values in both maps of a pair; None if they cannot be read or have two sizes.

    Raises:
        DatasetError: a map is a JPEG, has more values than there can be classes, or the maps are of two kinds.
    """
    maps = []
    for path in pair:
        try:
            array, _, lossy, palette = read_pixels(str(path))
        except DatasetError:  # is said where samples are checked
            return None
        array = class_pixels(array, palette)
        if array.dtype != np.uint8 or (array.ndim == 3 and array.shape[2] != 3):
            return None
        codes = class_codes(array)
        if lossy or len(np.unique(codes)) > MOST:
            raise DatasetError(f'{path}: its values are no classes, since '
                               + ('it is a lossy (JPEG) file' if lossy else f'there are more than {MOST}')
                               + '; write lossless class maps of one value or colour per class.')
        maps.append((array.ndim == 3, codes.astype(np.int64)))
    (coloured, before), (other, after) = maps
    if coloured != other:
        raise DatasetError(f'{pair[0]} and {pair[1]}: one has grey values and the other colours; expected class maps '
                           'of one kind.')
    if before.shape != after.shape:
        return None
    both, counts = np.unique(before << 24 | after, return_counts=True)
    return PairValues(pair[0], coloured, {(int(code) >> 24, int(code) & 0xffffff): int(count)
                                          for code, count in zip(both, counts, strict=True)})


def _marks_unchanged(code: int, pixels: Counter[tuple[int, int]]) -> bool:
    """Return whether both dates have this value at the same pixels, and nearly all others two different classes."""
    others = {both: count for both, count in pixels.items() if both != (code, code)}
    changed = sum(count for (before, after), count in others.items() if before != after and code not in (before, after))
    return 0 < changed and (code, code) in pixels and changed >= AGREED * sum(others.values())
