"""Run one function over many files in several processes, with a progress bar."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from typing import Any, TypeVar

import cv2
from rich.console import Console
from rich.progress import track

from schanger_mm.utils.errors import DatasetError, SettingError, WorkerEndedError

MOST_WORKERS = 8
"""Default limit: with more processes, the disk is the bottleneck."""
MOST_ON_WINDOWS = 61
"""Processes that Python can wait for there."""

Task = TypeVar('Task')
Result = TypeVar('Result')


def run_parallel(function: Callable[[Task], Result], tasks: Sequence[Task], workers: int | None = None,
                 what: str = 'files') -> Iterator[Result]:
    """Yield ``function(task)`` for each task, in the order of ``tasks``.

    Args:
        function: a function of a module, so that it can be sent to a process.
        tasks: what it is called with, one at a time.
        workers: number of processes; 1 works in this one, None takes as many
            as there are cores, up to eight.
        what: what is counted, for the progress bar; there is none where
            stderr is not a terminal.

    Raises:
        SettingError: fewer than one worker.
        DatasetError, OSError: what the function raised first.
        WorkerEndedError: a process was killed.
    """
    if workers is None:
        workers = min(os.cpu_count() or 1, MOST_WORKERS)
    if workers < 1:
        raise SettingError(f'--workers: expected 1 or more, found {workers}')
    call = partial(_returning_errors, function)
    if workers == 1 or len(tasks) < 2:
        yield from _raising_errors(_shown(map(call, tasks), len(tasks), what))
        return
    if sys.platform == 'win32':
        workers = min(workers, MOST_ON_WINDOWS)
    pool = ProcessPoolExecutor(min(workers, len(tasks)), initializer=_start_worker)
    try:
        # submitted before the bar starts its thread: forking a process with threads is not safe
        results = pool.map(call, tasks)
        yield from _raising_errors(_shown(results, len(tasks), what))
    except BrokenProcessPool as error:
        raise WorkerEndedError('a worker process was killed, most likely because memory ran out; '
                               'use fewer --workers.') from error
    finally:
        pool.shutdown(cancel_futures=True)


def _start_worker() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent stops its workers and reports for them
    cv2.setNumThreads(0)


def _returning_errors(function: Callable[[Any], Any], task: Any) -> Any:
    # an error sent between processes loses its traceback, so it is sent as a value
    try:
        return function(task)
    except (DatasetError, OSError) as error:
        return error


def _raising_errors(results: Iterable) -> Iterator:
    for result in results:
        if isinstance(result, (DatasetError, OSError)):
            raise result.with_traceback(None)
        yield result


def _shown(results: Iterable, total: int, what: str) -> Iterable:
    return track(results, description=what, total=total, console=Console(stderr=True), transient=True,
                 disable=not sys.stderr.isatty())
