"""Predict blocks in other processes or on other machines."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np

from schanger_mm.deploy.load import Model, load_model
from schanger_mm.geo.errors import SceneError
from schanger_mm.geo.pair import PairSource, PairSpec, open_pair
from schanger_mm.scene.class_maps import predict_levels
from schanger_mm.scene.plan import Block, Plan
from schanger_mm.scene.summary import versions
from schanger_mm.utils.errors import UserError
from schanger_mm.utils.optional import require
from schanger_mm.version import __version__


def pixel_versions(packages: Sequence[str]) -> dict[str, str]:
    """Return the versions of the packages that pixels depend on, including ``packages`` of the network."""
    found = versions(packages)
    return {name: found[name] for name in ('schanger_mm', *packages, 'numpy', 'rasterio', 'gdal')}


@dataclass(frozen=True)
class BlockTask:
    """A function of a block that other processes can run: it says how to open the pair and load the network.

    A process does both at its first block and keeps them for the others. Then
    too it checks that it sees the same rasters and weights and runs the same
    versions as the process that asks, since otherwise blocks would not fit
    together.

    Args:
        spec: the pair, percentiles resolved (``source.spec``).
        plan: blocks and windows of the scene.
        model, weights, device, precision: as :func:`load_model` takes them.
        batch_size: windows per forward pass.
        threshold: probability above which a pixel is changed.
        threads: of the network; sums depend on it in their last bits.
        fingerprint: of the pair, see ``PairSource.fingerprint``.
        weights_sha256: of the weights.
        versions: see :func:`pixel_versions`.
        semantic: model and weights of a network that classifies each date, as :func:`load_model` takes them.
        semantic_sha256: of its weights.
    """

    spec: PairSpec
    plan: Plan
    model: str
    weights: str | None
    device: str
    precision: str
    batch_size: int
    threshold: float
    threads: int
    fingerprint: dict[str, Any]
    weights_sha256: str
    versions: dict[str, str]
    semantic: tuple[str, str | None] | None = None
    semantic_sha256: str | None = None

    def __call__(self, block: Block) -> np.ndarray:
        """Predict one block, see :func:`~schanger_mm.scene.class_maps.predict_levels`.

        Raises:
            SceneError: other versions, rasters or weights than those of the task.
        """
        with _turn:  # one block at a time in a process, with all of its threads
            source, model = _opened(self)
            model.use_threads(self.threads)  # torch keeps the number for the calling thread alone, so every time
            return predict_levels(source, self.plan, block, model, self.batch_size, self.threshold)


_turn = threading.Lock()
_kept: list[tuple[str, PairSource, Model]] = []
"""The latest task of this process as text (a nodata value of NaN differs from itself), with its open files."""


def _opened(task: BlockTask) -> tuple[PairSource, Model]:
    words = repr(task)
    if not _kept or _kept[0][0] != words:
        while _kept:
            _kept.pop()[1].close()
        _same('versions', task.versions, pixel_versions(_packages(task)), 'install the same ones there')
        with ExitStack() as stack:
            source = stack.enter_context(open_pair(task.spec))
            for date, found in source.fingerprint(whole=False).items():
                _same('files', _files(task.fingerprint[date]), _files(found), 'all machines must read the same ones, '
                      'or copies that keep the modification time (rsync -a)')
                _same('bands or nodata values', _reading(task.fingerprint[date]), _reading(found), 'copy the .aux.xml '
                      'files beside the rasters as well')
            model = load_model(task.model, task.weights, task.device, task.precision, task.threads,
                               task.semantic)
            _same(f'weights in {model.weights}', dict(sha256=task.weights_sha256), dict(sha256=model.sha256), 'all '
                  'machines must read the same file')
            if task.semantic is not None:
                _same(f'weights in {task.semantic[1] or task.semantic[0]}', dict(sha256=task.semantic_sha256),
                      dict(sha256=model.semantic_sha256), 'all machines must read the same file')  # type: ignore[union-attr]
            stack.pop_all()
        _kept.append((words, source, model))
    return _kept[0][1:]


def _packages(task: BlockTask) -> tuple[str, ...]:
    """Return the packages that the network of a task runs in."""
    return tuple(name for name in task.versions if name not in pixel_versions(()))


def _files(fingerprint: dict[str, Any]) -> dict[str, Any]:
    if 'files' not in fingerprint:
        return fingerprint
    files = {file['path']: f'({file["bytes"]} bytes, time {file["mtime_ns"]}, SHA-256 of a sample '
             f'{file["sample"][:12]})' for file in fingerprint['files']}
    return {**files, 'pixels': fingerprint.get('sha256_of_pixels')}


def _reading(fingerprint: dict[str, Any]) -> dict[str, Any]:
    return {key: fingerprint.get(key) for key in ('bands', 'nodata')}


def _same(what: str, wanted: dict, found: dict, advice: str) -> None:
    different = [f'{key} {found.get(key)} instead of {wanted.get(key)}' for key in {**wanted, **found}
                 if found.get(key) != wanted.get(key)]
    if different:
        raise SceneError(f'it has other {what}: {"; ".join(different)}; {advice}.')


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
        """Yield each block and its uint8 levels, in the order in which they are done.

        Raises:
            SceneError: no scheduler or worker answers, a worker has other
                files or versions, or a block ends every worker that tries it.
        """
        with ExitStack() as stack:
            client = self._connect(stack, _packages(task))
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

    def _connect(self, stack: ExitStack, packages: tuple[str, ...]) -> Any:
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
        for worker, answer in client.run(pixel_versions, packages, on_error='return').items():
            if isinstance(answer, Exception):
                raise SceneError(f'Dask worker {worker} lacks a package ({answer}); install schanger-mm[geo,dask] '
                                 f'{__version__} there.') from answer
        return client

    def _result(self, future: Any, block: Block) -> np.ndarray:
        try:
            return future.result()
        except UserError as error:
            raise SceneError(f'a Dask worker could not predict block {block.index}: {error}') from error
        except self.distributed.KilledWorker as error:
            raise SceneError(f'block {block.index} was given up: {error.allowed_failures + 1} workers were lost while '
                             'they predicted it, most likely for want of memory; choose a smaller --block or '
                             '--batch-size, or fewer workers per machine.') from error
