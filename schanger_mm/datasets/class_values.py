"""How the classes of a date are stored in its label map: as grey values or as colours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from schanger_mm.datasets.reading import IGNORED, read_pixels
from schanger_mm.utils.errors import DatasetError, SettingError
from schanger_mm.utils.text import first_of

Value = int | tuple[int, int, int]
UNCHANGED = 254
"""What a pixel that a label map marks as unchanged becomes; it has no class."""
COLOURS = ((230, 159, 0), (86, 180, 233), (0, 158, 115), (240, 228, 66), (0, 114, 178), (213, 94, 0), (204, 121, 167))
"""Colours in pictures of classes that are stored as grey values, those of Okabe and Ito; repeated if needed."""


@dataclass(frozen=True)
class ClassValues:
    """The classes of a data set, and the pixel value of each.

    Args:
        names: of the K classes.
        values: of each class: grey values, or colours (R, G, B).
        unchanged: value of pixels at which nothing changed and which have no class, as in SECOND; None: there are none.
        unlabelled: value of pixels that count nowhere, such as nodata; None: there are none.
    """

    names: tuple[str, ...]
    values: tuple[Value, ...]
    unchanged: Value | None = None
    unlabelled: Value | None = None

    @classmethod
    def of(cls, owner: str, names: Sequence[str], values: Sequence | None, unchanged: Value | Sequence | None,
           unlabelled: Value | Sequence | None) -> ClassValues:
        """Make the table from settings of a data set.

        Args:
            owner: name of the data set's class, for messages.
            names: names of the classes.
            values: None: 0, 1, 2 ...
            unchanged, unlabelled: see the class.

        Raises:
            SettingError: fewer than two classes, a name twice, not as many values as classes, a value twice, or one
                that is neither a grey value nor a colour, or colours and grey values mixed.
        """
        names = tuple(map(str, names))
        if not 2 <= len(names) < UNCHANGED or len(set(names)) < len(names):
            raise SettingError(f'{owner}.classes: expected two or more different names, found {list(names)}.')
        given = list(range(len(names))) if values is None else list(values)
        if len(given) != len(names):
            raise SettingError(f'{owner}.values: {len(given)} values for the {len(names)} classes {", ".join(names)}; '
                               'expected one grey value or colour (R, G, B) per class, in their order.')
        table = {f'values[{index}]': value for index, value in enumerate(given)}
        table.update((name, value) for name, value in (('unchanged', unchanged), ('unlabelled', unlabelled))
                     if value is not None)
        plain = {name: _value(f'{owner}.{name}', value) for name, value in table.items()}
        if len({type(value) for value in plain.values()}) > 1:
            raise SettingError(f'{owner}: values, unchanged and unlabelled mix grey values and colours: '
                               f'{list(plain.values())}; expected one of the two kinds.')
        if len(set(plain.values())) < len(plain):
            raise SettingError(f'{owner}: values, unchanged and unlabelled hold a value twice: {list(plain.values())}; '
                               'expected different ones.')
        return cls(names, tuple(plain[f'values[{index}]'] for index in range(len(names))), plain.get('unchanged'),
                   plain.get('unlabelled'))

    @property
    def coloured(self) -> bool:
        """Return whether label maps hold colours."""
        return isinstance(self.values[0], tuple)

    @property
    def palette(self) -> list[list[int]]:
        """Return a colour (R, G, B) for each class: its own, or one of :data:`COLOURS`."""
        if self.coloured:
            return [list(value) for value in self.values]  # type: ignore[arg-type]
        return [list(COLOURS[index % len(COLOURS)]) for index in range(len(self.names))]

    def as_dict(self) -> dict[str, Value]:
        """Return all values by name, the last ones those of ``unchanged`` and ``unlabelled`` where they are set."""
        others = dict(unchanged=self.unchanged, unlabelled=self.unlabelled)
        return {**dict(zip(self.names, self.values)),
                **{name: value for name, value in others.items() if value is not None}}

    def read(self, path: str, backend_args: dict | None = None) -> np.ndarray:
        """Read the label map of a date.

        Returns:
            ``(H, W)`` uint8: the class from 0 to K - 1, :data:`UNCHANGED` (254), or 255 where nothing is labelled.

        Raises:
            DatasetError: an unreadable file, one of the other kind (grey or colour), or with values of no class.
        """
        array, form, _, palette = read_pixels(path, backend_args)
        array = class_pixels(array, palette if self.coloured else None)
        bands = 1 if array.ndim == 2 else array.shape[2]
        if array.dtype != np.uint8 or bands != (3 if self.coloured else 1):
            expected, other = ('a colour image (R, G, B)', 'colours') if self.coloured else (
                'one band of grey values or indices', 'grey values')
            raise DatasetError(f'{path}: expected {expected}, since the classes of the data set are {other}, found a '
                               f'{form} image; correct `values` of the data set, or save the map in that form.')
        codes = class_codes(array)
        known, classes = self._table()
        places = np.searchsorted(known, codes).clip(max=len(known) - 1)
        strange = known[places] != codes
        if strange.any():
            raise DatasetError(self._strange(path, codes[strange]))
        return classes[places]

    def changes(self, before: np.ndarray, after: np.ndarray) -> np.ndarray:
        """Derive the mask of changes from the maps of both dates.

        With an ``unchanged`` value, pixels with a class on both dates changed, and those with a class on one date only
        are ignored, as the maps contradict each other. Without it, changed is where the classes differ. Pixels that a
        date does not label are ignored.

        Returns:
            ``(H, W)`` uint8: 0, 1, or 255 (ignored).
        """
        ignored = (before == IGNORED) | (after == IGNORED)
        if self.unchanged is None:
            changed = before != after
        else:
            changed = (before != UNCHANGED) & (after != UNCHANGED)
            ignored |= (before == UNCHANGED) != (after == UNCHANGED)
        return np.where(ignored, IGNORED, changed).astype(np.uint8)

    def _table(self) -> tuple[np.ndarray, np.ndarray]:
        """Return all codes in ascending order, and the class of each."""
        pairs = [(value, index) for index, value in enumerate(self.values)]
        pairs += [(value, index) for value, index in ((self.unchanged, UNCHANGED), (self.unlabelled, IGNORED))
                  if value is not None]
        pairs = sorted((_code(value), index) for value, index in pairs)
        return np.array([code for code, _ in pairs]), np.array([index for _, index in pairs], np.uint8)

    def _strange(self, path: str, codes: np.ndarray) -> str:
        values, counts = np.unique(codes, return_counts=True)
        found = [f'{self._shown(int(values[index]))} ({counts[index]} px)' for index in np.argsort(-counts)]
        known = [f'{name} {value}' for name, value in self.as_dict().items()]
        return (f'{path}: values of no class: {first_of(found, most=4)}; expected {", ".join(known)}. Both dates have '
                'one list of classes: add the missing ones to `classes` and `values` of the data set, or set '
                '`unlabelled` to the value that does not count. A lossy (JPEG) map cannot be read.')

    def _shown(self, code: int) -> str:
        return str(value_of_code(code, self.coloured))


def class_pixels(array: np.ndarray, palette: Sequence[int] | None) -> np.ndarray:
    """Return ``(H, W)`` indices as their colours ``(H, W, 3)`` if there is a palette (R, G, B of index 0, of 1 ...)."""
    if palette is not None:
        table = np.zeros((256, 3), np.uint8)
        table.reshape(-1)[:len(palette)] = palette[:table.size]
        array = table[array]
    return array.astype(np.uint8) if array.dtype == bool else array


def class_codes(array: np.ndarray) -> np.ndarray:
    """Return one number per pixel, ``(H, W)``: a grey value, or 65536 R + 256 G + B of a colour ``(H, W, 3)``."""
    return array if array.ndim == 2 else array @ np.array([65536, 256, 1], np.int32)


def value_of_code(code: int, coloured: bool) -> Value:
    """Return the grey value or colour that :func:`class_codes` made into a number."""
    return (code >> 16, code >> 8 & 255, code & 255) if coloured else code


def _value(name: str, value: object) -> Value:
    numbers = [value] if isinstance(value, int) else list(value) if isinstance(value, (list, tuple)) else []
    if len(numbers) not in (1, 3) or not all(type(number) is int and 0 <= number <= 255 for number in numbers):
        raise SettingError(f'{name}: expected a grey value of 0 to 255, or a colour (R, G, B), found {value!r}.')
    return numbers[0] if len(numbers) == 1 else (numbers[0], numbers[1], numbers[2])


def _code(value: Value) -> int:
    return value if isinstance(value, int) else (value[0] << 16) + (value[1] << 8) + value[2]
