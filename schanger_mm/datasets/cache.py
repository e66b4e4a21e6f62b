"""Cache decoded pixels on disk: a crop then reads only its rows instead of decoding the whole file."""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
import uuid
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import numpy as np
from mmengine.dist import get_world_size
from mmengine.logging import print_log
from torch.utils.data import get_worker_info

from schanger_mm.utils.errors import SettingError, UnwritableError
from schanger_mm.utils.files import move_into_place

GIB = 1 << 30
RESERVED = 2 * GIB
"""Left free on the disk, for checkpoints and logs."""
VERSION = 2
"""Goes up whenever the same file would be decoded to other pixels."""
_LEAST_WRITERS = 8  # a small run leaves room for another
_LOOKS = 64  # a process looks at the folder again after this part of its share


class DecodedCache:
    """A folder of ``.npy`` files, one per decoded image, which all workers and runs may share.

    An entry is found by the absolute path, size and modification time of the
    image and by how it is read, so a changed file is decoded again. Entries are
    written whole or not at all and never changed; the folder, or any file of
    it, may be deleted at any time. What the cap or the disk leaves no room for
    is decoded every time, and the log says so.

    Args:
        folder (str): made when the first image is stored.
        max_gib (float): cap of the folder's size in GiB, whatever put the
            files there. All processes of a run together keep it (they stop a
            little below); several runs that fill a folder at the same time
            may pass it by some percent. ``RESERVED`` bytes of the disk stay
            free as well.

    Raises:
        ValueError: ``max_gib`` is not above 0.
    """

    def __init__(self, folder: str, max_gib: float = 32) -> None:
        if not max_gib > 0:
            raise SettingError(f'max_gib of the cache {folder}: expected GiB above 0, found {max_gib!r}; to turn the '
                               'cache off, set cache_dir=None in the loading transform.')
        self.folder = Path(folder)
        self.max_gib = max_gib
        self._world_size = get_world_size()  # a worker process cannot ask
        self._share: float | None = None  # bytes of the room that are this process's, when it last looked
        self._written = 0  # bytes since then
        self._full = False

    def read(self, path: str, reading: str, decode: Callable[[], np.ndarray]) -> np.ndarray:
        """Return what ``decode()`` returns, from the folder if it is there.

        Args:
            path (str): image file on this machine.
            reading (str): everything but the file that decides the pixels.
            decode (Callable): reads and checks the file.

        Returns:
            np.ndarray: may be a map of the entry, whose pages are read when
            they are used; writing to it changes neither file nor other maps.

        Raises:
            Exception: what ``decode`` raises.
        """
        try:
            stat = os.stat(path)
        except OSError:
            array = decode()  # words what is wrong with the file
            _say(f'decoded cache {self.folder}: {path} is not on a disk of this machine, such files are not cached.')
            return array
        key = (os.path.abspath(path), stat.st_size, stat.st_mtime_ns, reading, VERSION)
        entry = self.folder / f'{hashlib.sha256(repr(key).encode()).hexdigest()[:32]}.npy'
        try:
            # copy on write: a transform may work in place
            return np.asarray(np.load(entry, mmap_mode='c', allow_pickle=False))
        except (FileNotFoundError, NotADirectoryError):
            array = decode()
        except (OSError, ValueError, EOFError) as error:
            array = decode()
            _say(f'decoded cache: {entry} cannot be read ({error}); its image is decoded again.')
        if not self._full:
            self._store(entry, array)
        return array

    def _store(self, entry: Path, array: np.ndarray) -> None:
        part = entry.with_suffix(f'.{uuid.uuid4().hex}.part')
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            if not self._has_room(array.nbytes):
                return
            _say(f'decoded images are kept in {self.folder.absolute()}, at most {self.max_gib:g} GiB (max_gib of the '
                 'loading transforms); the folder can be deleted at any time.', logging.INFO)
            try:
                with part.open('xb') as stream:
                    np.save(stream, array, allow_pickle=False)
                move_into_place(part, entry, patience=0)
            finally:
                part.unlink(missing_ok=True)
        except FileNotFoundError:
            return  # the folder was just deleted; the next image creates it again
        except OSError as error:
            if isinstance(error, UnwritableError) and entry.exists():
                return  # Windows: another process has written the same image meanwhile, and reads it
            self._stop(f'it cannot be written ({error})')

    def _has_room(self, size: int) -> bool:
        """Return whether ``size`` more bytes fit.

        The others' writing since the last look is not seen, so a process looks
        often, and 1 / ``_LOOKS`` of the cap is kept for what they may still write.
        """
        if self._share is None or self._written + size > self._share / _LOOKS:
            used = sum(map(_size, os.scandir(self.folder)))
            free = shutil.disk_usage(self.folder).free - RESERVED
            below_cap = self.max_gib * GIB * (1 - 1 / _LOOKS) - used
            self._share, self._written = min(below_cap, free) / self._writers(), 0
            if size > self._share:  # all may be looking right now, and write one each
                self._stop(f'the disk has hardly more than {RESERVED / GIB:g} GiB left' if free < below_cap else
                           f'its cap of {self.max_gib:g} GiB is reached (max_gib of the loading transforms)')
                return False
        self._written += size
        return True

    def _writers(self) -> int:
        """Count the run's caches that may fill the folder: in every worker, one of images and one of labels."""
        worker = get_worker_info()
        return max(_LEAST_WRITERS, 2 * self._world_size * (1 if worker is None else worker.num_workers))

    def _stop(self, why: str) -> None:
        self._full = True
        _say(f'decoded cache {self.folder.absolute()}: {why}. Images that are not in it are decoded every time. '
             'If it holds data that are no longer used, delete it; cache_dir of the loading transforms names '
             'another folder, cache_dir=None uses none.')


def _size(entry: os.DirEntry) -> int:
    try:
        return entry.stat().st_size
    except FileNotFoundError:  # renamed or deleted by another process
        return 0


@lru_cache(maxsize=64)
def _say(message: str, level: int = logging.WARNING) -> None:
    """Log once per process; of several workers the first speaks."""
    worker = get_worker_info()
    if worker is None or worker.id == 0:
        print_log(message, logger='current', level=level)
