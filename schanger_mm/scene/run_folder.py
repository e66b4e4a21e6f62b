"""The journal of a run: finished blocks on disk, tied to their inputs and settings."""

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

from schanger_mm.geo.errors import SceneError
from schanger_mm.geo.polygon_files import check_name
from schanger_mm.scene.plan import POLYGONS
from schanger_mm.utils.errors import DiskFullError, JsonError
from schanger_mm.utils.files import move_into_place, read_table, results_folder, write_durably

FOLDER = '.journal'
FINISHED = '.journal-finished'
"""Name of the journal while it is deleted."""
_RUN, _LIST, _BLOCKS = 'run.json', 'done.txt', 'blocks'
_OWN = {_RUN, _LIST, _BLOCKS, 'outputs', 'publishing'}
_LINE = re.compile(r'([0-9]{1,12}) ([0-9]{1,10}) \.')


@contextmanager
def disk_errors(what: str | Path) -> Iterator[None]:
    """Turn disk errors, such as a full disk, into one line that says that the run can be resumed."""
    try:
        yield
    except OSError as error:
        cause = error.__cause__ if isinstance(error, DiskFullError) else error  # its own advice is another
        reason = getattr(cause, 'strerror', None) or cause
        raise SceneError(f'{what}: cannot be written ({reason}). Make room or give permission; blocks '
                         'that are finished are kept, and the same command with --resume continues.') from error


class Journal:
    """Finished blocks in ``<out>/.journal``.

    A block is written under a temporary name, flushed to the disk, renamed, and
    then listed with its checksum, so a kill at any time leaves only complete
    blocks. ``run.json`` records the inputs and settings of the blocks; a run
    with different ones cannot continue them.

    Args:
        out: folder of the outputs.
        binding: everything that the blocks depend on, JSON-able.
        resume: continue an interrupted run, if there is one.

    Raises:
        SceneError: a journal exists and ``resume`` is not set, it belongs to
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
                                     'run; use --resume to continue it, or delete that folder to start again.')
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
        """Delete the journal of a finished run; a kill meanwhile leaves nothing that resembles one."""
        with disk_errors(self.folder):
            move_into_place(self.folder, self.folder.with_name(FINISHED))
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
            raise SceneError(f'--resume: {error} The blocks of that run cannot be distinguished from others: delete '
                             f'{self.folder} to start again.') from error
        changes = list(differences(before, binding))
        if changes:
            raise SceneError(f'--resume: {self.folder} belongs to a run with other inputs or settings: '
                             f'{"; ".join(changes)}. Undo that, or delete the folder to start again.')

    def _file(self, index: int) -> Path:
        return self.folder / _BLOCKS / f'{index:06}.npy'

    def _listed(self) -> dict[int, int]:
        """Read the list; truncated lines, which have no full stop, and damaged ones are ignored."""
        path = self.folder / _LIST
        lines = path.read_text(encoding='ascii', errors='replace').splitlines() if path.exists() else []
        found = [_LINE.fullmatch(line) for line in lines]
        return {int(match[1]): int(match[2]) for match in found if match}

    def _whole(self, index: int, crc: int) -> bool:
        path = self._file(index)
        return path.is_file() and zlib.crc32(path.read_bytes()) == crc


def clear_finished(out: str | Path) -> None:
    """Delete the remains of the journal of a finished run, if any."""
    folder = Path(out) / FINISHED
    with disk_errors(folder):
        if folder.exists():
            _refuse_foreign(folder)
            shutil.rmtree(folder)


def _refuse_foreign(folder: Path) -> None:
    """Raise an error if the folder contains anything that is not part of a journal."""
    foreign = sorted(path.name for path in folder.iterdir() if path.name not in _OWN and path.suffix != '.partial')
    if foreign:
        raise SceneError(f'{folder} is in the way of the journal of this run and is not a journal: it holds '
                         f'{foreign[0]}; move it away, or use another --out.')


def differences(before: object, now: object, name: str = '') -> Iterator[str]:
    """Describe the differences between two JSON values, each with its path."""
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


CHANGE, PROBABILITY, SUMMARY, PAGE = 'change.tif', 'probability.tif', 'summary.json', 'report.html'
CLASSES = ('class_before.tif', 'class_after.tif')
STYLE = 'change.qml'
NAMES = (CHANGE, PROBABILITY, *CLASSES, *POLYGONS.values(), STYLE, SUMMARY, PAGE)
_PUBLISHING = 'publishing'


class Outputs:
    """Collects outputs in ``<path>/.journal/outputs`` and moves them into place together.

    Args:
        path: the folder; other files in it are not changed.
        overwrite: replace the outputs of an earlier run, all of them.

    Raises:
        SceneError: ``path`` is a file or a name that pyogrio changes, or holds outputs and ``overwrite`` is not set.
    """

    def __init__(self, path: str | Path, overwrite: bool = False):
        self.path = results_folder(path)
        self.partial = self.path / FOLDER / 'outputs'
        self._mark = self.path / FOLDER / _PUBLISHING
        try:
            check_name(self.partial / POLYGONS['gpkg'])
        except SceneError as error:
            raise SceneError(f'--out {error}') from error
        found = [name for name in NAMES if (self.path / name).exists()]
        if found and not overwrite and not self._mark.exists():  # moved there by the run that is now resumed
            raise SceneError(f'--out {self.path}: it already holds {", ".join(found)}; use another folder, or pass '
                             '--overwrite to replace them.')

    def refuse_inputs(self, *inputs: str) -> None:
        """Keep results from replacing their own inputs.

        Raises:
            SceneError: an input is one of the outputs' files.
        """
        targets = {(self.path / name).resolve(): name for name in NAMES}
        for path in inputs:
            if name := targets.get(Path(path).resolve()):
                raise SceneError(f'{path} would be replaced by the result {name}; use another --out.')

    def start(self) -> None:
        """Create the folder of incomplete outputs, and empty it."""
        with disk_errors(self.partial):
            if self.partial.exists():
                shutil.rmtree(self.partial)
            self.partial.mkdir(parents=True)

    def publish(self) -> dict[str, str]:
        """Move the complete outputs into place; those of an earlier run are removed.

        Returns:
            Path of each output by its name without the folder.
        """
        with disk_errors(self.path):
            self._mark.touch()
            for name in NAMES:
                if (self.partial / name).exists():
                    move_into_place(self.partial / name, self.path / name)
                else:
                    (self.path / name).unlink(missing_ok=True)
        return self.paths()

    def paths(self) -> dict[str, str]:
        """Return the path of each existing output, by its name without the folder."""
        return {name: str(self.path / name) for name in NAMES if (self.path / name).exists()}

    def earlier(self, asked: dict) -> dict:
        """Return the summary of existing complete results.

        Args:
            asked: sections of the summary that must be the same.

        Raises:
            SceneError: they are of other inputs or settings, or the summary is damaged.
        """
        try:
            summary = read_table(self.path / SUMMARY)
        except JsonError as error:
            raise SceneError(f'--resume: {error} Pass --overwrite to predict this pair again.') from error
        found = {key: summary.get(key) for key in asked}
        if changes := list(differences(found, json.loads(json.dumps(asked)))):
            raise SceneError(f'--resume: {self.path} holds the results of other inputs or settings: '
                             f'{"; ".join(changes)}. Use another folder, or pass --overwrite instead.')
        clear_finished(self.path)
        return {**summary, 'outputs': self.paths()}


def finished(path: str | Path) -> bool:
    """Return whether a folder holds the complete results of a run."""
    return (Path(path) / SUMMARY).is_file() and not (Path(path) / FOLDER).exists()
