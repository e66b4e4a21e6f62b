# SPDX-License-Identifier: GPL-2.0-or-later
"""Start the command `schanger`, follow its progress and end it. Nothing here needs QGIS."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

WINDOWS = os.name == 'nt'
PATIENCE = 20.0
"""Seconds that a command has to end by itself once it was interrupted."""
POLL = 0.1
"""Seconds between two looks at whether the user cancelled."""
LAST_LINES = 8
LAST_WORDS = 2.0
"""Seconds to wait for the end of the streams of a command that was stopped."""
QGIS_OWN = ('PYTHONHOME', 'PYTHONPATH', 'PYTHONSTARTUP', 'GDAL_DATA', 'GDAL_DRIVER_PATH', 'PROJ_LIB', 'PROJ_DATA',
            'QT_PLUGIN_PATH', 'LD_LIBRARY_PATH', 'DYLD_LIBRARY_PATH')
"""Variables by which QGIS finds its own libraries; a command that inherited them would load these."""
HOW = ('Set it in Settings > Options > Processing > Providers, or run the algorithm "Make an environment" of this '
       'plugin, which installs it.')


class CommandError(Exception):
    """What a user is told in one line."""


class Cancelled(Exception):
    """The user cancelled; the command has ended."""


@dataclass
class Outcome:
    """How a command ended: its exit status, what it printed, and the lines for people on stderr."""

    status: int
    printed: list[str] = field(default_factory=list)
    said: list[str] = field(default_factory=list)

    @property
    def error(self) -> str:
        """The message of the command: from `error:` on, or its last lines."""
        starts = [number for number, line in enumerate(self.said) if line.startswith('error: ')]
        if starts:
            return '\n'.join(self.said[starts[-1]:])[len('error: '):]
        last = '\n'.join(self.said[-LAST_LINES:]) or 'it printed nothing'
        return f'schanger ended with status {self.status}: {last}'


def own_environment() -> dict[str, str]:
    """Return the variables for a command: ours, without those of QGIS, and text in UTF-8."""
    kept = {key: value for key, value in os.environ.items() if key.upper() not in QGIS_OWN}
    return {**kept, 'PYTHONUTF8': '1', 'PYTHONUNBUFFERED': '1'}


def read_progress(line: str) -> dict | None:
    """Return the table of a line of progress (docs/scenes.md), or None for a line for people."""
    if not line.startswith('{'):
        return None
    try:
        found = json.loads(line)
    except ValueError:
        return None
    return found if isinstance(found, dict) and 'message' in found else None


def describe(progress: dict) -> str:
    """Return a line of progress in words: share, speed, time left and message."""
    words = [f'{progress["fraction"]:.0%}'] if 'fraction' in progress else []
    if 'megapixels_per_second' in progress:
        words.append(f'{progress["megapixels_per_second"]:g} MP/s')
    if 'seconds_left' in progress:
        words.append(f'{progress["seconds_left"]} s left')
    return ', '.join([*words, str(progress['message'])])


def start(words: Sequence[str], folder: str | Path) -> subprocess.Popen:
    """Start a command in ``folder``, at the head of a process group of its own.

    Raises:
        CommandError: it cannot be started.
    """
    group = dict(creationflags=subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW) if WINDOWS else dict(
        start_new_session=True)
    try:
        return subprocess.Popen([str(word) for word in words], cwd=folder, env=own_environment(), encoding='utf-8',
                                errors='replace', stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, **group)
    except OSError as error:
        raise CommandError(f'{words[0]} cannot be started ({error}). {HOW}') from error


def run(words: Sequence[str], folder: str | Path, progress: Callable[[dict], None], say: Callable[[str], None],
        cancelled: Callable[[], bool], patience: float = PATIENCE) -> Outcome:
    """Run a command to its end, or until the user cancels.

    Args:
        words: program and arguments.
        folder: working directory.
        progress: called with each line of progress.
        say: called with each other line.
        cancelled: asked ten times a second.
        patience: seconds between the interrupt and the kill of a cancelled command.

    Raises:
        Cancelled: ``cancelled`` returned True.
        CommandError: it cannot be started.
    """
    process = start(words, folder)
    lines: queue.Queue = queue.Queue()
    readers = [threading.Thread(target=_read, args=(stream, printed, lines), daemon=True) for stream, printed in
               ((process.stdout, True), (process.stderr, False))]
    for reader in readers:
        reader.start()
    outcome = Outcome(0)
    try:
        for line, printed in _lines(lines, cancelled):
            _take(line, printed, outcome, progress, say)
    except BaseException:
        stop(process, patience)
        for reader in readers:
            reader.join(LAST_WORDS)
        while not lines.empty():  # what is kept, and how to go on
            line, printed = lines.get()
            if line is not None:
                _take(line, printed, outcome, progress, say)
        raise
    outcome.status = process.wait()
    return outcome


def _lines(lines: queue.Queue, cancelled: Callable[[], bool]) -> Iterator[tuple[str, bool]]:
    """Yield each line of both streams, and whether it came from stdout."""
    is_open = 2
    while is_open:
        if cancelled():
            raise Cancelled
        try:
            line, printed = lines.get(timeout=POLL)
        except queue.Empty:
            continue
        if line is None:
            is_open -= 1
        else:
            yield line, printed


def _read(stream, printed: bool, lines: queue.Queue) -> None:
    with stream:
        for line in stream:
            lines.put((line.rstrip('\r\n'), printed))
    lines.put((None, printed))


def _take(line: str, printed: bool, outcome: Outcome, progress: Callable[[dict], None],
          say: Callable[[str], None]) -> None:
    table = None if printed else read_progress(line)
    if table is not None:
        progress(table)
        return
    (outcome.printed if printed else outcome.said).append(line)
    say(line)


def stop(process: subprocess.Popen, patience: float = PATIENCE) -> None:
    """End a command and its children: ask it to, as Ctrl-C does, and kill what is left after ``patience`` seconds."""
    if process.poll() is None:
        _send(process, 'CTRL_BREAK_EVENT' if WINDOWS else 'SIGINT')
    try:
        process.wait(patience)
    except subprocess.TimeoutExpired:
        _kill(process)
        process.wait()
    if not WINDOWS:
        _send(process, 'SIGKILL')  # children that outlived it; usually the group is empty


def _send(process: subprocess.Popen, name: str) -> None:
    number = getattr(signal, name)
    try:
        if WINDOWS:
            process.send_signal(number)
        else:
            os.killpg(process.pid, number)
    except ProcessLookupError:
        return  # it has just ended
    except OSError:  # Windows: QGIS has no console through which the event could go
        process.terminate()


def _kill(process: subprocess.Popen) -> None:
    if WINDOWS:
        subprocess.run(['taskkill', '/F', '/T', '/PID', str(process.pid)], capture_output=True, check=False)
    else:
        _send(process, 'SIGKILL')
