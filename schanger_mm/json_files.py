"""Reading JSON that a run wrote down, or that somebody else did."""

from __future__ import annotations

import json
from pathlib import Path


class JsonError(ValueError):
    """A file is no JSON, or not a table."""


def parse_table(text: str, where: str | Path) -> dict:
    """Decode a JSON object.

    Raises:
        JsonError: it is something else; ``where`` is the file to name.
    """
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:  # the latter of a hundred thousand brackets
        raise JsonError(f'{where}: damaged, or no JSON ({error}).') from error
    if not isinstance(found, dict):
        raise JsonError(f'{where}: expected a JSON table, found {type(found).__name__}.')
    return found


def read_table(path: str | Path) -> dict:
    """Read a JSON object from a UTF-8 file.

    Raises:
        OSError: the file cannot be read.
        JsonError: it is something else.
    """
    try:
        text = Path(path).read_text(encoding='utf-8')
    except UnicodeDecodeError as error:
        raise JsonError(f'{path}: damaged, or no JSON ({error}).') from error
    return parse_table(text, path)
