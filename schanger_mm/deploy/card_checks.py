"""Checks of the entries of a card: an exported file may come from an untrusted source."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

MOST = 1e9
"""No number of a card can reasonably be larger."""
MOST_CLASSES = 254


def wrong_entries(facts: dict[str, Any]) -> list[str]:
    """List the entries that are missing, unknown, or invalid."""
    wrong = [f'{key} is missing' for key in ENTRIES if key not in facts and key not in OPTIONAL]
    wrong += [f'{key[:40]!r} is unknown' for key in facts if key not in ENTRIES]
    return wrong + [f'{key} is {str(facts[key])[:40]}, expected {words}'
                    for key, (words, fits) in ENTRIES.items() if key in facts and not fits(facts[key])]


def _number(value: Any, least: float = -MOST) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and least <= value <= MOST  # nan is not


def _count(value: Any) -> bool:
    return isinstance(value, int) and _number(value, 1)


def _texts(value: Any, *lengths: int) -> bool:
    return isinstance(value, list) and len(value) in lengths and all(isinstance(item, str) for item in value)


def _statistics(value: Any, least: float = -MOST) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(
        isinstance(date, list) and len(date) == 3 and all(_number(item, least) for item in date) for date in value)


def _names(value: Any) -> bool:
    return isinstance(value, list) and 2 <= len(value) <= MOST_CLASSES and _texts(value, len(value))


def _is(*kinds: type) -> Callable[[Any], bool]:
    return lambda value: type(value) in kinds


_TEXT = ('a text', _is(str))
ENTRIES: dict[str, tuple[str, Callable[[Any], bool]]] = dict(
    inputs=('two names', lambda value: _texts(value, 2)),
    classes=('two names', lambda value: _texts(value, 2)),
    mean=('three numbers per date', _statistics),
    std=('three numbers above 0 per date', lambda value: _statistics(value, 1e-9)),
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
    semantic_classes=('two names or more', _names))
"""Description of a valid entry, and its check."""
OPTIONAL = {'semantic_classes'}
"""Entries that a card may lack."""
