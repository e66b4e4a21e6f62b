"""Folders that results go to."""

from __future__ import annotations

from pathlib import Path


def results_folder(path: str | Path, error: type[ValueError] = ValueError) -> Path:
    """Return the folder that ``--out`` names, which need not exist yet.

    Args:
        path: the folder.
        error: to raise.

    Raises:
        ValueError: an empty text, as an unset variable of the shell gives, or a file.
    """
    if not str(path):
        raise error('--out: expected a folder, found an empty text; is a variable of the shell unset?')
    folder = Path(path)
    if folder.exists() and not folder.is_dir():
        raise error(f'--out {folder}: this is a file; expected a folder or a new name.')
    return folder
