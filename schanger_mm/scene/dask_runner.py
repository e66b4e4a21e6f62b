"""The blocks of a scene on several processes or machines, by Dask."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from itertools import islice
from typing import Any

import numpy as np

from schanger_mm.optional import require
from schanger_mm.scene.errors import SceneError
from schanger_mm.scene.plan import Block
from schanger_mm.scene.task import BlockTask, pixel_versions
from schanger_mm.version import __version__

AHEAD = 2
"""Blocks in flight per worker: one that is predicted and one that waits, so that none idles and few are in memory."""
CONNECT_SECONDS = 20


class DaskRunner:
    """Runs blocks on Dask workers and yields them as they come.

    Blocks of a worker that is lost run again on another; a block during which
    four workers were lost is given up. No more than ``AHEAD`` blocks per
    worker are in flight or wait to be taken, so memory does not grow with the
    scene. The connection, and the cluster of ``workers``, end with the
    iteration, also when it is left early.

    A script that starts ``workers`` keeps its own code under
    ``if __name__ == '__main__':``, since the processes import it.

    Args:
        workers: number of processes to start on this machine.
        scheduler: or the address of a running scheduler, ``tcp://host:8786``.
            A worker process predicts one block at a time, so more than one
            Dask thread per worker is of no use (``dask worker --nthreads 1``).

    Raises:
        ImportError: Dask is not installed.
        SceneError: both or neither, or a number below 1.
    """

    def __init__(self, workers: int | None = None, scheduler: str | None = None) -> None:
        if (workers is None) == (scheduler is None):
            raise SceneError(f'expected either --workers N or --scheduler ADDRESS, found {workers} and {scheduler}.')
        if workers is not None and workers < 1:
            raise SceneError(f'--workers {workers}: expected 1 or more.')
        self.workers, self.scheduler = workers, scheduler
        self.distributed = require('distributed', 'dask', 'Running a scene on several workers')

    def __call__(self, blocks: Iterable[Block], task: BlockTask) -> Iterator[tuple[Block, np.ndarray]]:
        """Yield each block and its ``(height, width)`` uint8, in the order in which they are done.

        Raises:
            SceneError: no scheduler or worker answers, a worker has other
                files or versions, or a block ends every worker that tries it.
        """
        with ExitStack() as stack:
            client = self._connect(stack)
            todo, done = iter(blocks), self.distributed.as_completed()
            running: dict[str, Block] = {}
            while True:
                room = AHEAD * max(1, len(client.nthreads())) - len(running)
                for block in islice(todo, max(0, room)):
                    future = client.submit(task, block, pure=False)  # pure: an earlier run's result might be taken
                    running[future.key] = block
                    done.add(future)
                if not running:
                    return
                future = next(done)
                block = running.pop(future.key)
                array = self._result(future, block)
                future.release()
                yield block, array

    def _connect(self, stack: ExitStack) -> Any:
        address = self.scheduler
        if self.workers is not None:
            address = stack.enter_context(self.distributed.LocalCluster(
                n_workers=self.workers, threads_per_worker=1, processes=True, host='127.0.0.1',
                dashboard_address=None, memory_limit=0))  # Dask's own limit would end workers that come near it
        try:
            client = stack.enter_context(self.distributed.Client(address, timeout=CONNECT_SECONDS))
            client.wait_for_workers(1, timeout=CONNECT_SECONDS)
        except (OSError, ValueError) as error:
            raise SceneError(f'--scheduler {self.scheduler}: no Dask scheduler with a worker answers within '
                             f'{CONNECT_SECONDS} s ({error}); start them with `dask scheduler` and `dask worker '
                             '--nthreads 1 ADDRESS`.') from error
        # a worker that cannot even unpickle a task drops its connection without a word, so that is tried first
        for worker, answer in client.run(pixel_versions, on_error='return').items():
            if isinstance(answer, Exception):
                raise SceneError(f'Dask worker {worker} lacks a package ({answer}); install schanger-mm[geo,dask] '
                                 f'{__version__} there.') from answer
        return client

    def _result(self, future: Any, block: Block) -> np.ndarray:
        try:
            return future.result()
        except SceneError as error:
            raise SceneError(f'a Dask worker could not predict block {block.index}: {error}') from error
        except self.distributed.KilledWorker as error:
            raise SceneError(f'block {block.index} was given up: {error.allowed_failures + 1} workers were lost while '
                             'they predicted it, most likely for want of memory; choose a smaller --block or '
                             '--batch-size, or fewer workers per machine.') from error
