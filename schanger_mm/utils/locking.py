"""One writer per folder of results."""

from __future__ import annotations

import errno
import json
import logging
import os
import shlex
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock, Timeout

from schanger_mm.utils.errors import LockedError, SettingError, UnwritableError
from schanger_mm.utils.files import as_json, read_table

LOCK = '.schanger_mm.lock'
"""In the folder while a command writes it; hidden, so that no listing of data or results has it."""
OWNER = '.json'
"""Ending of the file beside it that says who holds it."""
PATIENCE = 1.0  # seconds in which a process that has just ended, or was just killed, lets go
_NO_LOCKS = (errno.ENOSYS, errno.ENOLCK, errno.ENOTSUP)


@contextmanager
def locked(folder: str | Path, beside: bool = False, hold: bool = True) -> Iterator[None]:
    """Keep other commands from writing a folder while the block runs; a kill releases it.

    The folder is made, and removed again if the block leaves it empty. On a file system without locks a warning is
    logged instead.

    Args:
        folder: the folder.
        beside: lock by a file ``.NAME.lock`` beside it, for a file, or a folder that is renamed.
        hold: False: do nothing; of several processes of one run the first one holds the lock.

    Raises:
        LockedError: another process is writing there; the message names it.
        SettingError: it is a file.
        UnwritableError: the folder cannot be made or written.
    """
    if not hold:
        yield
        return
    folder = Path(folder)
    if not beside and folder.exists() and not folder.is_dir():
        raise SettingError(f'{folder}: this is a file; expected a folder or a new name.')
    file = folder.absolute().with_name(f'.{folder.absolute().name}.lock') if beside else folder / LOCK
    made = [path for path in (file.parent, *file.parent.parents) if not path.exists()]
    lock = _acquire(file, folder)
    owner = file.with_name(file.name + OWNER)
    try:
        if lock is not None:
            _sign(owner)
        yield
    finally:
        for path in (owner, file):
            with suppress(OSError):  # Windows keeps an open file; a leftover blocks nobody
                path.unlink(missing_ok=True)
        if lock is not None:
            lock.release()
        for path in made:
            with suppress(OSError):  # not empty: there are results in it
                path.rmdir()


def is_vacant(folder: Path) -> bool:
    """Whether a folder is absent, or holds nothing but a lock."""
    return not folder.exists() or (folder.is_dir() and all(path.name.startswith(LOCK) for path in folder.iterdir()))


def _acquire(file: Path, folder: Path) -> FileLock | None:
    lock = FileLock(file, timeout=PATIENCE, fallback_to_soft=False)
    try:
        for _ in range(10):  # another process may remove the empty folder that it has made
            file.parent.mkdir(parents=True, exist_ok=True)
            with suppress(FileNotFoundError):
                lock.acquire()
                return lock
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(file))
    except Timeout:
        raise LockedError(f'{folder}: {_describe(file.with_name(file.name + OWNER))} is writing there. Wait until it '
                          'has ended, or name another folder.') from None
    except OSError as error:
        if error.errno in _NO_LOCKS:
            logging.getLogger(__name__).warning('%s: this file system has no locks (%s); see to it that no other '
                                                'command writes there.', folder, error.strerror)
            return None
        raise UnwritableError(f'{folder}: cannot be written ({error.strerror}: {error.filename or file}). Give '
                              'permission or make room, or name another folder.') from error


def _sign(owner: Path) -> None:
    facts = dict(pid=os.getpid(), host=socket.gethostname(), since=f'{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC',
                 command=shlex.join(sys.argv).encode(errors='replace').decode())
    with suppress(OSError):  # a full disk: the lock holds without it
        owner.write_bytes(as_json(facts))


def _describe(owner: Path) -> str:
    try:
        facts = read_table(owner)
        return (f'process {facts["pid"]} on {facts["host"]}, since {facts["since"]} '
                f'({json.dumps(facts["command"])[1:-1]:.300}),')
    except (OSError, ValueError, KeyError):
        return 'another process'
