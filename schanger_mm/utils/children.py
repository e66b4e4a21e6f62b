"""Run commands of this package as processes of their own."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from schanger_mm.utils.errors import CommandError

PRIORITIES = os.name == 'posix'
"""Whether a child can be given a priority before it starts."""
_PR_SET_PDEATHSIG = 1


def run_logged(words: list[str], repo: Path, log: Path, threads: int, nice: int | None = None) -> None:
    """Run a command of this package with so many threads of the CPU; for the rest see :func:`call`.

    Raises:
        CommandError: it failed; the last lines of the log are printed.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    if status := call(words, repo, log, {**os.environ, 'OMP_NUM_THREADS': str(threads)}, nice):
        end = log.read_text(encoding='utf-8', errors='replace').splitlines()[-5:]
        print('\n'.join(end) + f'\nthe whole log: {log}', file=sys.stderr)
        raise CommandError(words, status)


def call(words: list[str], repo: Path, log: Path, env: Mapping[str, str], nice: int | None = None) -> int:
    """Run a command to its end and return its exit status.

    At Ctrl-C, which the command gets as well, it is waited for: a training saves a checkpoint first.

    Args:
        words: the command.
        repo: folder to run it in.
        log: file that its output is appended to.
        env: its environment.
        nice: priority to add; on Linux the command is then also asked to end (SIGTERM) when this process is killed.
            None for a plain child.
    """
    prepare: Callable[[], None] | None = None
    if nice is not None and PRIORITIES:
        libc = ctypes.CDLL(None) if sys.platform == 'linux' else None  # loaded here: a new process must not import

        def prepare() -> None:
            os.nice(nice)
            if libc is not None:  # without it, a training would outlive a command that was killed
                libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)

    with log.open('a', encoding='utf-8') as stream:
        process = subprocess.Popen(words, cwd=repo, stdin=subprocess.DEVNULL, stdout=stream, stderr=subprocess.STDOUT,
                                   env=dict(env), preexec_fn=prepare)
        try:
            return process.wait()
        except KeyboardInterrupt:
            process.wait()
            raise
