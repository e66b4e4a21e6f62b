"""Short texts for messages: lists cut after the first few items, the first line of an error, the nearest name."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable, Sequence

SHOWN = 10
"""Number of list items that a message names."""


def first_of(items: Sequence[object], separator: str = ', ', most: int = SHOWN) -> str:
    """Join the first ``most`` of ``items`` and say how many more there are."""
    rest = len(items) - most
    return separator.join(map(str, items[:most])) + (f'{separator}... and {rest} more' if rest > 0 else '')


def first_line(error: BaseException, most: int | None = 300) -> str:
    """Return the first line of an error's text, cut to ``most`` characters (None: not cut); empty if it has none."""
    return (str(error).strip().splitlines() or [''])[0][:most]


def nearest(word: str, choices: Iterable[object], cutoff: float = 0.8) -> str | None:
    """Return the choice that ``word`` most likely stands for, None if none is like it (``cutoff``: 1 means equal)."""
    return next(iter(difflib.get_close_matches(word, [str(choice) for choice in choices], n=1, cutoff=cutoff)), None)


def is_utf8(text: str) -> bool:
    """Whether a name of the system was UTF-8; Python keeps other bytes as lone surrogates, which no file takes."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def printable(text: str) -> str:
    """Return a name with bytes that are not UTF-8 as ``\\xe9``."""
    return os.fsencode(text).decode(errors='backslashreplace')
