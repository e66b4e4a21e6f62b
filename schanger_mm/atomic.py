"""Writing files whole or not at all."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image

FULL = (errno.ENOSPC, errno.EDQUOT)


class DiskFullError(OSError):
    """A file could not be written because no space is left; the message says which and how to go on."""

    def __str__(self) -> str:
        return str(self.strerror)


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Give a temporary name beside ``path`` to write to, and rename it when the block ends without an error.

    The folder is made. An interrupted block leaves what was at ``path`` before.

    Raises:
        DiskFullError: no space is left.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f'.{path.name}.{os.getpid()}.partial')
    try:
        yield partial
        os.replace(partial, path)
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
    """Write a file whole or not at all; on return it is on the disk, not only on its way."""
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
    """Remove what killed writers left in ``folder`` of files whose names match, such as ``'iter_*.pth'``.

    Returns:
        The names of the removed files.
    """
    left = sorted(folder.glob(f'.{names}.*.partial'))
    for partial in left:
        partial.unlink(missing_ok=True)
    return [partial.name for partial in left]


def write_png(path: Path, picture: np.ndarray) -> None:
    """Write uint8 RGB ``(H, W, 3)`` or grey ``(H, W)`` as PNG, whole or not at all."""
    with whole_file(path) as partial:
        Image.fromarray(picture).save(partial, format='PNG')
