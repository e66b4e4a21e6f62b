"""Write files whole or not at all, and never over another without being asked."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from schanger_mm.atomic import whole_file
from schanger_mm.datasets.errors import first_of


def write_atomic(path: Path, data: bytes) -> None:
    """Write ``data`` under a temporary name beside ``path``, then rename; the folder is made."""
    with whole_file(path) as partial:
        partial.write_bytes(data)


def as_json(content: dict) -> bytes:
    """Encode as indented JSON with one newline at the end."""
    return (json.dumps(content, indent=2, ensure_ascii=False) + '\n').encode()


def refuse_existing(paths: Sequence[Path]) -> None:
    """Stop before any of ``paths`` would be replaced.

    Raises:
        FileExistsError: naming those that exist.
    """
    there = [str(path) for path in paths if path.exists()]
    if there:
        raise FileExistsError(f'{first_of(there)} exists already; nothing was written. Write elsewhere, or pass '
                              '--overwrite to replace it.')
