"""Files that the analysis tools write: never over another one unasked, whole or not at all."""

from __future__ import annotations

from pathlib import Path

from schanger_mm.atomic import whole_file


def refuse_existing(*paths: str | Path | None, overwrite: bool = False) -> None:
    """Refuse to go on where a file to be written exists; None stands for a file that nobody asked for.

    Raises:
        FileExistsError: one of ``paths`` exists and ``overwrite`` is not set.
    """
    for path in paths:
        if path is not None and Path(path).exists() and not overwrite:
            raise FileExistsError(f'{path} exists; name another place or pass --overwrite.')


def write_text(path: str | Path, text: str, overwrite: bool = False) -> None:
    """Write a text file (UTF-8, line ends as they are); its folder is made.

    Raises:
        FileExistsError: it exists and ``overwrite`` is not set.
    """
    refuse_existing(path, overwrite=overwrite)
    with whole_file(Path(path)) as partial:
        partial.write_bytes(text.encode('utf-8'))
