"""The network of a scene from an exported file alone: no config, no checkpoint."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from schanger_mm.apis.download import sha256_of
from schanger_mm.apis.memory import FOR_INFERENCE, keep_freed_memory
from schanger_mm.deploy.card import backend_of
from schanger_mm.deploy.open import open_runtime
from schanger_mm.scene.errors import SceneError


class ExportedModel:
    """A file of ``tools/export.py`` in the place of a :class:`~schanger_mm.scene.model.SceneModel`.

    Args:
        file: ``.onnx``, ``.xml`` or ``.pt2``.
        device: OpenVINO has the CPU only.
        precision: ``'fp32'``, or with OpenVINO ``'bf16'``.
        trust: load a ``.pt2`` file, which can run code.

    Raises:
        SceneError: another precision.
        ImportError: the backend is not installed.
        DeployError: the file is no export of this project, or cannot run there.
    """

    def __init__(self, file: str, device: torch.device, precision: str = 'fp32', trust: bool = False):
        if precision != 'fp32' and (precision, backend_of(file)) != ('bf16', 'openvino'):
            raise SceneError(f'--precision {precision}: {file} predicts in fp32, except for .xml files, which OpenVINO '
                             'can run in bf16; leave it at fp32, or name the checkpoint that it was made of.')
        self.warnings: list[str] = []
        self.device, self.precision, self.trust = device, precision, trust
        if self.device.type == 'cpu':
            keep_freed_memory(FOR_INFERENCE)
        # Dask workers say their number of threads to torch
        self.runtime = open_runtime(file, None, str(device), torch.get_num_threads(), precision, trust)
        card = self.runtime.card
        self.config, self.weights, self.names = f'{card.config} ({card.checkpoint}, exported)', file, (file, None)
        # an .xml has its weights beside it
        self.sha256 = sha256_of(Path(file).with_suffix('.bin') if backend_of(file) == 'openvino' else file)
        self.threshold, self.gsd = card.threshold, card.gsd

    def predict(self, images: np.ndarray) -> np.ndarray:
        """Predict windows; see :meth:`SceneModel.predict`."""
        images = images.astype(np.float32, copy=False)
        return self.runtime(images[:, 0], images[:, 1])

    def describe(self) -> dict:
        """Say what predicts, as :meth:`SceneModel.describe` does, and by which backend and from which checkpoint."""
        card = self.runtime.card
        return dict(
            config=self.config, weights=self.weights, weights_sha256=self.sha256, precision=self.precision,
            threshold=self.threshold,
            mean=[value for date in card.mean for value in date], std=[value for date in card.std for value in date],
            bgr_to_rgb=True, classes=list(card.classes), gsd=self.gsd, backend=backend_of(self.weights),
            checkpoint_sha256=card.checkpoint_sha256)

