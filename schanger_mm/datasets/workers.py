"""Worker processes of data loaders, when the run is asked to stop."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable


def init_worker(then: Callable[[int], None] | None, worker: int) -> None:
    """Keep signals that are meant for the run from ending its workers in the middle of a batch.

    A terminal sends Ctrl-C to all processes, and so do clusters with SIGTERM.
    The main process finishes its iteration and ends the workers in its own
    time; if it dies, they end within seconds.

    Args:
        then: what initialises the worker otherwise.
        worker: number of the worker.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(signal, 'sigwaitinfo'):  # not on macOS and Windows
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        threading.Thread(target=_obey_the_parent, daemon=True).start()
    if then is not None:
        then(worker)


def _obey_the_parent() -> None:
    """End at a SIGTERM of the main process, which sends it to a worker that hangs."""
    while signal.sigwaitinfo({signal.SIGTERM}).si_pid != os.getppid():
        pass
    os._exit(0)
