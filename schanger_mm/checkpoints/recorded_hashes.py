"""Remember the SHA-256 of downloaded files whose publisher states none."""

from __future__ import annotations

import re
from pathlib import Path

from schanger_mm.checkpoints.errors import CheckpointError
from schanger_mm.utils.files import write_atomic
from schanger_mm.utils.locking import locked

FILE = 'schanger_published.sha256'
"""Beside the downloads; `sha256sum -c` reads it."""
_LINE = re.compile(r'([0-9a-f]{64})  (.+)')


def recorded_hash(folder: Path, name: str) -> str | None:
    """Return the SHA-256 that was recorded for a file of ``folder``; None if there is none.

    Raises:
        CheckpointError: the record is damaged.
    """
    return _read(folder / FILE).get(name)


def record_hash(folder: Path, name: str, sha256: str) -> None:
    """Record the SHA-256 of a file of ``folder``, in place of an earlier one.

    Raises:
        CheckpointError: the record is damaged.
    """
    file = folder / FILE
    if _read(file).get(name) == sha256:
        return
    with locked(file, beside=True):
        known = {**_read(file), name: sha256}
        write_atomic(file, ''.join(f'{value}  {key}\n' for key, value in sorted(known.items())).encode())


def _read(file: Path) -> dict[str, str]:
    if not file.exists():
        return {}
    lines = file.read_text(encoding='utf-8', errors='replace').splitlines()
    found = [_LINE.fullmatch(line) for line in lines]
    if None in found:
        raise CheckpointError(f'{file}, line {found.index(None) + 1}: expected a SHA-256, two spaces and a file name, '
                              'as sha256sum writes them; correct the line, or delete the file to record anew.')
    return {match[2]: match[1] for match in found if match is not None}
