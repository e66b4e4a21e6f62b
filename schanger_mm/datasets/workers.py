"""Worker processes of data loaders, when the run is asked to stop, or has ended."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable

from torch.utils.data import DataLoader

ORPHANED = 2.0
"""Seconds after the end of the main process in which its workers end."""


def init_worker(then: Callable[[int], None] | None, worker: int) -> None:
    """Keep signals for the run from killing its workers in the middle of a batch.

    A terminal sends Ctrl-C to all processes, and so do clusters with SIGTERM.
    The main process finishes its iteration and ends the workers in its own
    time; if it dies, they end within :data:`ORPHANED` seconds. Left to torch
    they might never: a worker joins the thread that sends its batches, and
    once the pipe is full that thread waits for ever, for every worker holds
    the pipe open for the others. They would also hold the run's stdout, so
    that ``schanger train ... | tee log`` does not end.

    Args:
        then: the original initialisation function of the worker, if any.
        worker: number of the worker.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(signal, 'sigtimedwait'):  # not on macOS and Windows
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    threading.Thread(target=_obey_the_parent, args=(os.getppid(), ), daemon=True).start()
    if then is not None:
        then(worker)


def end_workers(loader: DataLoader, limit: float = 10.0) -> None:
    """End the workers that a loader keeps, all at once; kill those that have not ended in ``limit`` seconds.

    At the exit of Python some versions of torch wait 5 s for one after the other.
    """
    iterator = getattr(loader, '_iterator', None)  # torch has no public way to it
    if not hasattr(iterator, '_shutdown_workers'):
        return
    loader._iterator = None  # the next use starts new ones
    ending = threading.Thread(target=iterator._shutdown_workers, daemon=True)  # joins a thread without a limit
    ending.start()
    ending.join(limit)
    hanging = [worker for worker in iterator._workers if worker.is_alive()]
    if hanging and threading.current_thread() is threading.main_thread() and hasattr(signal, 'SIGCHLD'):
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # torch's handler raises for a worker that is killed
    for worker in hanging:
        worker.kill()


def _obey_the_parent(parent: int) -> None:
    """End at a SIGTERM of the main process, which sends it to a worker that hangs, and when it has ended."""
    while os.getppid() == parent:
        if not hasattr(signal, 'sigtimedwait'):
            time.sleep(ORPHANED)
        elif (received := signal.sigtimedwait({signal.SIGTERM}, ORPHANED)) and received.si_pid == parent:
            break
    os._exit(0)
