"""Checks of the entries of a card: an exported file may come from an untrusted source."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from schanger_mm.geo.reading import valid_bands, valid_scale

MOST = 1e9
"""No number of a card can reasonably be larger."""
MOST_CLASSES = 254


def wrong_entries(facts: dict[str, Any]) -> list[str]:
    """List the entries that are missing, unknown, or invalid."""
    wrong = [f'{key} is missing' for key in ENTRIES if key not in facts and key not in OPTIONAL]
    wrong += [f'{key[:40]!r} is unknown' for key in facts if key not in ENTRIES]
    wrong += [f'{key} is {str(facts[key])[:40]}, expected {words}'
              for key, (words, fits) in ENTRIES.items() if key in facts and not fits(facts[key])]
    return wrong or _other_numbers(facts)


def _other_numbers(facts: dict[str, Any]) -> list[str]:
    """List what is not of as many bands as the means of the earlier date."""
    count = len(facts['mean'][0])
    lists = dict(mean=facts['mean'], std=facts['std'], bands=[facts['bands']] if 'bands' in facts else [])
    return [f'{key} has {len(values)} numbers, expected {count}, as many as mean has for the earlier date'
            for key, several in lists.items() for values in several if len(values) != count]


def _number(value: Any, least: float = -MOST) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and least <= value <= MOST  # nan is not


def _count(value: Any) -> bool:
    return isinstance(value, int) and _number(value, 1)


def _texts(value: Any, *lengths: int) -> bool:
    return isinstance(value, list) and len(value) in lengths and all(isinstance(item, str) for item in value)


def _statistics(value: Any, least: float = -MOST) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(
        isinstance(date, list) and date and all(_number(item, least) for item in date) for date in value)


def _names(value: Any) -> bool:
    return isinstance(value, list) and 2 <= len(value) <= MOST_CLASSES and _texts(value, len(value))


def _is(*kinds: type) -> Callable[[Any], bool]:
    return lambda value: type(value) in kinds


_TEXT = ('a text', _is(str))
ENTRIES: dict[str, tuple[str, Callable[[Any], bool]]] = dict(
    inputs=('two names', lambda value: _texts(value, 2)),
    classes=('two names', lambda value: _texts(value, 2)),
    mean=('one number per band and date', _statistics),
    std=('one number above 0 per band and date', lambda value: _statistics(value, 1e-9)),
    normalisation=('inside or outside', lambda value: value in ('inside', 'outside')),
    threshold=('a number from 0 to 1', lambda value: _number(value, 0) and value <= 1),
    tile=('a number of pixels', _count),
    fixed_size=('true or false', _is(bool)),
    gsd=('metres or null', lambda value: value is None or _number(value, 1e-9)),
    align_corners=('true or false', _is(bool)),
    config=_TEXT, checkpoint=_TEXT, checkpoint_sha256=_TEXT,
    versions=('texts by name', lambda value: isinstance(value, dict) and _texts(list(value.values()), len(value))),
    temperature=('a number above 0', lambda value: _number(value, 1e-9)),
    format=('a number', _count),
    semantic_classes=('two names or more', _names),
    scale=('MIN:MAX, such as 0:3000', valid_scale),
    bands=('numbers from 1 up', valid_bands))
"""Description of a valid entry, and its check."""
OPTIONAL = ('semantic_classes', 'scale', 'bands')
"""Entries that a card may lack."""
