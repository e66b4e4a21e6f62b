"""Read and write files: completely or not at all, never overwriting without permission."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image

from schanger_mm.utils.errors import DiskFullError, ExistsError, JsonError, SettingError, UnwritableError
from schanger_mm.utils.text import first_of

FULL = (errno.ENOSPC, errno.EDQUOT)
PATIENCE = 5.0
"""Seconds in which a program on Windows, such as a virus scanner, closes a file that is to be replaced."""


def move_into_place(source: str | Path, target: str | Path, patience: float = PATIENCE) -> None:
    """Rename a file, replacing ``target``, or a folder to a name that is free; every rename of this package is here.

    Windows renames no file that is open, and replaces none; there, wait until it is closed.

    Args:
        source: what is renamed.
        target: its new name, on the same file system.
        patience: seconds to wait on Windows.

    Raises:
        UnwritableError: on Windows, a program still has one of them open.
        OSError: it cannot be renamed for another reason.
    """
    end = time.monotonic() + patience
    while True:
        try:
            os.replace(source, target)
            return
        except PermissionError as error:
            if sys.platform != 'win32':
                raise
            if time.monotonic() >= end:
                raise UnwritableError(f'{target}: cannot be replaced, because another program has it open, or this '
                                      'user may not write there. Close it there and run the command again.') from error
        time.sleep(0.05)


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Provide a temporary name next to ``path`` to write to, and rename it if the block ends without an error.

    The folder is created. An interrupted block leaves the previous content of ``path``.

    Raises:
        DiskFullError: no space is left.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f'.{path.name}.{os.getpid()}.partial')
    try:
        yield partial
        move_into_place(partial, path)
    except OSError as error:
        if error.errno not in FULL or isinstance(error, DiskFullError):
            raise
        partial.unlink(missing_ok=True)
        free = shutil.disk_usage(path.parent).free / 2**20
        raise DiskFullError(error.errno, f'{path} could not be written: no space left ({free:.1f} MiB are free). What '
                            'was there before is untouched; make room and run the command again.') from error
    finally:
        partial.unlink(missing_ok=True)


def write_durably(path: Path, content: bytes) -> None:
    """Write a file completely or not at all; on return it is on the disk, not only in a cache."""
    with whole_file(path) as partial, open(partial, 'wb') as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    if hasattr(os, 'O_DIRECTORY'):  # POSIX: the folder's entry as well
        folder = os.open(path.parent, os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def remove_partial(folder: Path, names: str) -> list[str]:
    """Remove partial files that killed writers left in ``folder``, for names such as ``'iter_*.pth'``.

    Returns:
        The names of the removed files.
    """
    left = sorted(folder.glob(f'.{names}.*.partial'))
    for partial in left:
        partial.unlink(missing_ok=True)
    return [partial.name for partial in left]


def write_png(path: Path, picture: np.ndarray, palette: Sequence[Sequence[int]] | None = None) -> None:
    """Write uint8 RGB ``(H, W, 3)`` or grey ``(H, W)`` as PNG, completely or not at all.

    Args:
        path: the file.
        picture: the pixels.
        palette: the colour (R, G, B) of each value of a picture ``(H, W)``.
    """
    image = Image.fromarray(picture)
    if palette is not None:
        image.putpalette([band for colour in palette for band in colour])
    with whole_file(path) as partial:
        image.save(partial, format='PNG')


def results_folder(path: str | Path) -> Path:
    """Return the folder given by ``--out``; it need not exist yet.

    Raises:
        SettingError: it is a file, or an empty text, for example from an unset shell variable.
    """
    if not str(path):
        raise SettingError('--out: expected a folder, found an empty text; is a variable of the shell unset?')
    folder = Path(path)
    if folder.exists() and not folder.is_dir():
        raise SettingError(f'--out {folder}: this is a file; expected a folder or a new name.')
    return folder


def parse_table(text: str, where: str | Path) -> dict:
    """Decode a JSON object.

    Raises:
        JsonError: it is something else; ``where`` is the file to name.
    """
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:  # RecursionError: of a hundred thousand brackets
        raise JsonError(f'{where}: damaged, or not JSON ({error}).') from error
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
        raise JsonError(f'{path}: damaged, or not JSON ({error}).') from error
    return parse_table(text, path)


def write_atomic(path: Path, data: bytes) -> None:
    """Write ``data`` under a temporary name next to ``path``, then rename; the folder is created."""
    with whole_file(path) as partial:
        partial.write_bytes(data)


def as_json(content: dict) -> bytes:
    """Encode as indented JSON with one newline at the end."""
    return (json.dumps(content, indent=2, ensure_ascii=False) + '\n').encode()


def sha256_of(file: str | Path | BinaryIO) -> str:
    """Return the SHA-256 of a file, or of the rest of an open one, as hexadecimal digits."""
    if isinstance(file, (str, Path)):
        with open(file, 'rb') as stream:
            return sha256_of(stream)
    digest = hashlib.sha256()
    while chunk := file.read(1 << 20):
        digest.update(chunk)
    return digest.hexdigest()


def refuse_existing(*paths: str | Path | None, overwrite: bool | None = False) -> None:
    """Raise if a file to be written exists already.

    Args:
        *paths: files; None for one that is not to be written.
        overwrite: whether they may be replaced; None if the command has no such option.

    Raises:
        ExistsError: naming the files; nothing has been written yet.
    """
    there = [str(path) for path in paths if path is not None and Path(path).exists()]
    if there and not overwrite:
        option = 'delete it' if overwrite is None else 'pass --overwrite to replace it'
        raise ExistsError(f'{first_of(there)} exists already; nothing was written. Choose another name, or {option}.')


def write_text(path: str | Path, text: str, overwrite: bool = False) -> None:
    """Write a text file (UTF-8, line ends as they are); its folder is made.

    Raises:
        FileExistsError: it exists and ``overwrite`` is not set.
    """
    refuse_existing(path, overwrite=overwrite)
    with whole_file(Path(path)) as partial:
        partial.write_bytes(text.encode('utf-8'))
