"""Mistakes in data, and how their reports are worded."""

from __future__ import annotations

import traceback
from collections.abc import Sequence
from pathlib import Path

SHOWN = 10
_PACKAGE = Path(__file__).resolve().parents[1]


class DatasetError(ValueError):
    """A data set on disk is not what its class expects."""


class SampleError(RuntimeError):
    """Something unforeseen happened while a sample was read or transformed; the message names its files."""


def raised_here(error: BaseException) -> bool:
    """Whether this package raised it, so that its text is meant for the user."""
    raised_in = Path(traceback.extract_tb(error.__traceback__)[-1].filename).resolve()
    return raised_in.is_relative_to(_PACKAGE)


def first_of(items: Sequence[str], separator: str = ', ') -> str:
    """Join the first ten of ``items`` and say how many are left out."""
    rest = len(items) - SHOWN
    return separator.join(items[:SHOWN]) + (f'{separator}... and {rest} more' if rest > 0 else '')
