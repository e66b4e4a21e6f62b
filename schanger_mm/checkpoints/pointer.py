"""The file in a work directory that names the last checkpoint."""

from __future__ import annotations

from pathlib import Path

POINTER = 'last_checkpoint'


def last_checkpoint(work_dir: Path) -> str:
    """Return the last checkpoint of a run that has ended, wherever its folder was at that time."""
    return str(work_dir / Path((work_dir / POINTER).read_text(encoding='utf-8').strip()).name)
