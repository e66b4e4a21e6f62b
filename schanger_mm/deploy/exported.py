"""The network of a scene from just an exported file: no config, no checkpoint, no torch."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from schanger_mm.deploy.backends import has_cuda
from schanger_mm.deploy.card import backend_of
from schanger_mm.deploy.open import check_format, open_runtime
from schanger_mm.deploy.runtime import Semantic
from schanger_mm.geo.reading import Reading
from schanger_mm.utils.band_order import COLOUR_BANDS
from schanger_mm.utils.devices import FOR_INFERENCE, count_cores, keep_freed_memory, parse_device
from schanger_mm.utils.errors import SettingError
from schanger_mm.utils.files import sha256_of

PACKAGES = dict(onnx='onnxruntime', openvino='openvino')
"""Distribution that runs the network, by format."""


class ExportedModel:
    """A file of ``schanger export`` used like a :class:`~schanger_mm.deploy.model.SceneModel`.

    Args:
        file: ``.onnx`` or ``.xml``.
        device: ``'cpu'``, or with ``.onnx`` ``'cuda:N'``; None: the GPU if onnxruntime was built for one.
        precision: ``'fp32'``, or with OpenVINO ``'bf16'``.
        threads: number of CPU threads; None: one per core.

    Raises:
        SettingError: another precision or device.
        MissingPackageError: the backend is not installed.
        DeployError: the file is not an export of this project, a ``.pt2``, or cannot run there.
    """

    def __init__(self, file: str, device: str | None = None, precision: str = 'fp32', threads: int | None = None):
        kind = check_format(file)
        if precision != 'fp32' and (precision, kind) != ('bf16', 'openvino'):
            raise SettingError(f'--precision {precision}: {file} predicts in fp32, except for .xml files, which '
                               'OpenVINO can run in bf16; omit it, or use the checkpoint that it was made from.')
        self.device = device or ('cuda' if kind == 'onnx' and has_cuda() else 'cpu')
        self.device_type, _ = parse_device(self.device)
        if self.device_type == 'cpu':
            keep_freed_memory(FOR_INFERENCE)
        self.threads, self.precision = threads or count_cores(), precision
        self.runtime = open_runtime(file, None, self.device, self.threads, precision)
        card = self.runtime.card
        self.packages: tuple[str, ...] = (PACKAGES[kind], )
        self.config, self.weights = f'{card.config} ({card.checkpoint}, exported)', file
        self.names: tuple[str, str | None] = (file, None)
        # an .xml has its weights next to it
        self.sha256 = sha256_of(Path(file).with_suffix('.bin') if kind == 'openvino' else file)
        self.threshold, self.gsd = card.threshold, card.gsd
        self.reading = Reading.parse(card.bands or None, card.scale, file)
        self.warnings: list[str] = []

    def use_threads(self, count: int) -> None:
        """Do nothing: the threads of a backend are chosen when it is opened."""

    def predict(self, images: np.ndarray) -> np.ndarray:
        """Predict windows; see :meth:`SceneModel.predict`."""
        images = images.astype(np.float32, copy=False)
        return self.runtime(images[:, 0], images[:, 1])

    @property
    def bands(self) -> int:
        """Return the number of bands of each date."""
        return self.runtime.bands

    @property
    def semantic_classes(self) -> int:
        """Return the number of classes that the network predicts for each date, 0 without any."""
        return len(self.runtime.card.semantic_classes)

    @property
    def class_names(self) -> tuple[str, ...]:
        """Return the names of these classes."""
        return self.runtime.card.semantic_classes

    def semantic(self, images: np.ndarray) -> Semantic:
        """Predict windows with the classes of both dates; see :meth:`SceneModel.semantic`."""
        images = images.astype(np.float32, copy=False)
        return self.runtime.semantic(images[:, 0], images[:, 1])

    def describe(self) -> dict:
        """Describe the model as :meth:`SceneModel.describe` does, with the backend and the checkpoint's SHA-256."""
        card = self.runtime.card
        classes = dict(semantic_classes=list(card.semantic_classes)) if card.semantic_classes else {}
        return dict(
            config=self.config, weights=self.weights, weights_sha256=self.sha256, precision=self.precision,
            threshold=self.threshold, temperature=card.temperature,
            mean=[value for date in card.mean for value in date], std=[value for date in card.std for value in date],
            bgr_to_rgb=self.bands == COLOUR_BANDS, classes=list(card.classes), gsd=self.gsd,
            backend=backend_of(self.weights), checkpoint_sha256=card.checkpoint_sha256, **classes,
            **self.reading.describe())
