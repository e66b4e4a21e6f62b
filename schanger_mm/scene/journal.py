"""The journal of a run: finished blocks on disk, bound to what made them."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from schanger_mm.atomic import DiskFullError, write_durably
from schanger_mm.json_files import JsonError, read_table
from schanger_mm.scene.errors import SceneError

FOLDER = '.journal'
FINISHED = '.journal-finished'
"""What the journal is called while it is deleted."""
_RUN, _LIST, _BLOCKS = 'run.json', 'done.txt', 'blocks'
_OWN = {_RUN, _LIST, _BLOCKS, 'outputs', 'publishing'}
_LINE = re.compile(r'([0-9]{1,12}) ([0-9]{1,10}) \.')


@contextmanager
def disk_errors(what: str | Path) -> Iterator[None]:
    """Turn a full disk, a missing permission and the like into one line that says that the run can go on."""
    try:
        yield
    except OSError as error:
        cause = error.__cause__ if isinstance(error, DiskFullError) else error  # its own advice is another
        reason = getattr(cause, 'strerror', None) or cause
        raise SceneError(f'{what}: cannot be written ({reason}). Make room or give permission; blocks '
                         'that are finished are kept, and the same command with --resume goes on.') from error


class Journal:
    """Finished blocks in ``<out>/.journal``.

    A block is written to a temporary name, flushed to the disk, renamed, and
    then listed with its checksum, so a kill at any time leaves whole blocks
    only. ``run.json`` says what the blocks were made from; a run that was
    started with anything else cannot go on with them.

    Args:
        out: folder of the outputs.
        binding: everything that the blocks depend on, JSON-able.
        resume: go on with an interrupted run, if there is one.

    Raises:
        SceneError: a journal is there and ``resume`` is not set, it is of
            other inputs or settings, or the folder cannot be written.
    """

    def __init__(self, out: str | Path, binding: dict, resume: bool = False):
        self.folder = Path(out) / FOLDER
        self.done: dict[int, int] = {}
        """Checksum of each finished block by its index."""
        with disk_errors(self.folder):
            self._clean_up()
            if self._exists():
                if not resume:
                    raise SceneError(f'{self.folder} holds {len(self._listed())} finished blocks of an interrupted '
                                     'run; go on with it by --resume, or delete that folder to start anew.')
                self._check(json.loads(json.dumps(binding)))
                self.done = {index: crc for index, crc in self._listed().items() if self._whole(index, crc)}
            else:
                (self.folder / _BLOCKS).mkdir(parents=True)
                write_durably(self.folder / _RUN, json.dumps(binding, indent=1).encode())

    def store(self, index: int, block: np.ndarray) -> None:
        """Keep a finished block ``(h, w)`` uint8.

        Raises:
            SceneError: the disk is full, or the folder not writable.
        """
        stream = io.BytesIO()
        np.save(stream, block)
        data = stream.getvalue()
        with disk_errors(self.folder):
            write_durably(self._file(index), data)
            with open(self.folder / _LIST, 'ab') as listing:
                listing.write(f'\n{index} {zlib.crc32(data)} .'.encode())
                listing.flush()
                os.fsync(listing.fileno())
        self.done[index] = zlib.crc32(data)

    def load(self, index: int) -> np.ndarray:
        """Return a finished block."""
        return np.load(self._file(index))

    def remove(self) -> None:
        """Delete the journal of a finished run; a kill meanwhile leaves nothing that looks like one."""
        with disk_errors(self.folder):
            os.replace(self.folder, self.folder.with_name(FINISHED))
        clear_finished(self.folder.parent)

    def _clean_up(self) -> None:
        clear_finished(self.folder.parent)
        if self.folder.exists() and not self._exists():  # killed before the first block
            _refuse_foreign(self.folder)
            shutil.rmtree(self.folder)

    def _exists(self) -> bool:
        return (self.folder / _RUN).is_file()

    def _check(self, binding: dict) -> None:
        try:
            before = read_table(self.folder / _RUN)
        except JsonError as error:
            raise SceneError(f'--resume: {error} The blocks of that run cannot be told from others: delete '
                             f'{self.folder} to start anew.') from error
        changes = list(differences(before, binding))
        if changes:
            raise SceneError(f'--resume: {self.folder} is of a run with other inputs or settings: '
                             f'{"; ".join(changes)}. Undo that, or delete the folder to start anew.')

    def _file(self, index: int) -> Path:
        return self.folder / _BLOCKS / f'{index:06}.npy'

    def _listed(self) -> dict[int, int]:
        """Read the list; a line that a kill cut short has no full stop, and one that is damaged does not count."""
        path = self.folder / _LIST
        lines = path.read_text(encoding='ascii', errors='replace').splitlines() if path.exists() else []
        found = [_LINE.fullmatch(line) for line in lines]
        return {int(match[1]): int(match[2]) for match in found if match}

    def _whole(self, index: int, crc: int) -> bool:
        path = self._file(index)
        return path.is_file() and zlib.crc32(path.read_bytes()) == crc


def clear_finished(out: str | Path) -> None:
    """Delete what is left of the journal of a finished run, if a kill left something."""
    folder = Path(out) / FINISHED
    with disk_errors(folder):
        if folder.exists():
            _refuse_foreign(folder)
            shutil.rmtree(folder)


def _refuse_foreign(folder: Path) -> None:
    """Delete nothing that is not of a journal."""
    foreign = sorted(path.name for path in folder.iterdir() if path.name not in _OWN and path.suffix != '.partial')
    if foreign:
        raise SceneError(f'{folder} is in the way of the journal of this run, and is none: it holds {foreign[0]}; move '
                         'it away, or name another --out.')


def differences(before: object, now: object, name: str = '') -> Iterator[str]:
    """Yield in words what differs between two values of JSON, each with the path to it."""
    if isinstance(before, list) and isinstance(now, list) and any(isinstance(item, dict) for item in before + now):
        before, now = dict(enumerate(before)), dict(enumerate(now))
    if isinstance(before, dict) and isinstance(now, dict):
        for key in dict.fromkeys([*before, *now]):
            yield from differences(before.get(key), now.get(key), f'{name}.{key}' if name else str(key))
    elif before != now:
        yield f'{name} was {_short(before)}, now {_short(now)}'


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= 80 else f'{text[:80]} ...'
