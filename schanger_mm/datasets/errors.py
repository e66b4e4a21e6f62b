"""Mistakes in data, and how their reports are worded."""

from __future__ import annotations

from collections.abc import Sequence

SHOWN = 10


class DatasetError(ValueError):
    """A data set on disk is not what its class expects."""


def first_of(items: Sequence[str], separator: str = ', ') -> str:
    """Join the first ten of ``items`` and say how many are left out."""
    rest = len(items) - SHOWN
    return separator.join(items[:SHOWN]) + (f'{separator}... and {rest} more' if rest > 0 else '')
