"""Predicting a block in another process or on another machine."""

from __future__ import annotations

import threading
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from schanger_mm.scene.block import predict_block
from schanger_mm.scene.errors import SceneError
from schanger_mm.scene.model import SceneModel
from schanger_mm.scene.plan import Block, Plan
from schanger_mm.scene.source import PairSource, PairSpec, open_pair
from schanger_mm.scene.summary import versions


def pixel_versions() -> dict[str, str]:
    """Versions of what the pixels of a block depend on."""
    found = versions()
    return {name: found[name] for name in ('schanger_mm', 'torch', 'numpy', 'rasterio', 'gdal')}


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
        model, weights, device, precision: as :meth:`SceneModel.load` takes them.
        batch_size: windows per forward pass.
        threshold: probability above which a pixel is changed.
        threads: of torch; sums depend on it in their last bits.
        fingerprint: of the pair, see ``PairSource.fingerprint``.
        weights_sha256: of the weights.
        versions: see :func:`pixel_versions`.
        trust: as :meth:`SceneModel.load` takes it.
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
    versions: dict[str, str] = field(default_factory=pixel_versions)
    trust: bool = False

    def __call__(self, block: Block) -> np.ndarray:
        """Predict one block, see :func:`~schanger_mm.scene.block.predict_block`.

        Raises:
            SceneError: other versions, rasters or weights than those of the task.
        """
        with _turn:  # one block at a time in a process, with all of torch's threads
            torch.set_num_threads(self.threads)  # holds for the calling thread alone, so it is said every time
            source, model = _opened(self)
            return predict_block(source, self.plan, block, model, self.batch_size, self.threshold)


_turn = threading.Lock()
_kept: list[tuple[str, PairSource, SceneModel]] = []
"""The latest task of this process in words (a nodata value of NaN differs from itself), with what it opened."""


def _opened(task: BlockTask) -> tuple[PairSource, SceneModel]:
    words = repr(task)
    if not _kept or _kept[0][0] != words:
        while _kept:
            _kept.pop()[1].close()
        _same('versions', task.versions, pixel_versions(), 'install the same ones there')
        with ExitStack() as stack:
            source = stack.enter_context(open_pair(task.spec))
            for date, found in source.fingerprint().items():
                _same('files', _files(task.fingerprint[date]), _files(found), 'all machines must read the same ones, '
                      'or copies that keep the time of modification (rsync -a)')
                _same('bands or nodata values', _reading(task.fingerprint[date]), _reading(found), 'copy the .aux.xml '
                      'files beside the rasters as well')
            model = SceneModel.load(task.model, task.weights, task.device, task.precision, task.trust)
            _same(f'weights in {model.weights}', dict(sha256=task.weights_sha256), dict(sha256=model.sha256), 'all '
                  'machines must read the same file')
            stack.pop_all()
        _kept.append((words, source, model))
    return _kept[0][1:]


def _files(fingerprint: dict[str, Any]) -> dict[str, Any]:
    return {file['path']: f'({file["bytes"]} bytes, time {file["mtime_ns"]}, SHA-256 {file["sha256"][:12]})'
            for file in fingerprint.get('files', ())} or fingerprint


def _reading(fingerprint: dict[str, Any]) -> dict[str, Any]:
    return {key: fingerprint.get(key) for key in ('bands', 'nodata')}


def _same(what: str, wanted: dict, found: dict, advice: str) -> None:
    different = [f'{key} {found.get(key)} instead of {wanted.get(key)}' for key in {**wanted, **found}
                 if found.get(key) != wanted.get(key)]
    if different:
        raise SceneError(f'it has other {what}: {"; ".join(different)}; {advice}.')
