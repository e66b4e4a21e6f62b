"""Predicting a block in another process or on another machine."""

from __future__ import annotations

import threading
from dataclasses import dataclass

import numpy as np

from schanger_mm.scene.block import predict_block
from schanger_mm.scene.errors import SceneError
from schanger_mm.scene.model import SceneModel
from schanger_mm.scene.plan import Block, Plan
from schanger_mm.scene.source import PairSource, PairSpec, open_pair

_models: dict[tuple, SceneModel] = {}
_loading = threading.Lock()
_open = threading.local()


@dataclass(frozen=True)
class BlockTask:
    """A function of a block that can be pickled: it says how to open the pair and load the network.

    A process loads the network once and each of its threads opens the pair
    once, however many blocks they get.

    Args:
        spec: the pair, percentiles resolved (``source.spec``).
        plan: the scene's plan.
        model, weights, device: as for :meth:`SceneModel.load`.
        weights_sha256: of the weights that the run was started with.
        batch_size: windows per forward pass.
        threshold: as for :func:`predict_block`.
    """

    spec: PairSpec
    plan: Plan
    model: str
    weights: str | None
    device: str
    weights_sha256: str
    batch_size: int
    threshold: float

    def __call__(self, block: Block) -> np.ndarray:
        """Return the block as :func:`predict_block` makes it.

        Raises:
            SceneError: other rasters or weights are found here under the same names.
        """
        return predict_block(self._source(), self.plan, block, self._network(), self.batch_size, self.threshold)

    def _source(self) -> PairSource:
        if getattr(_open, 'spec', None) != self.spec.as_dict():  # nan is not equal to itself
            source = open_pair(self.spec)
            if found := self.plan.grid.differences(source.grid):
                source.close()
                raise SceneError(f'{self.spec.before}: the run was planned for another grid than this worker reads: '
                                 f'{"; ".join(found)}. Give all workers the same files.')
            _open.spec, _open.source = self.spec.as_dict(), source
        return _open.source

    def _network(self) -> SceneModel:
        key = self.model, self.weights, self.device, self.weights_sha256
        with _loading:
            if key not in _models:
                model = SceneModel.load(self.model, self.weights, self.device)
                if model.sha256 != self.weights_sha256:
                    raise SceneError(f'{model.weights}: this worker reads weights of SHA-256 {model.sha256}, the run '
                                     f'was started with {self.weights_sha256}. Give all workers the same file.')
                _models.clear()
                _models[key] = model
            return _models[key]
