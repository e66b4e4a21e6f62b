"""Classes for a network that predicts change only, from a segmentation network that sees one date at a time."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import torch
from mmengine.config import Config
from torch import nn

from schanger_mm.checkpoints import Checkpoint
from schanger_mm.deploy.model import SceneModel, filled_network, for_inference
from schanger_mm.deploy.model_files import open_named, other_statistics, reverses_bands
from schanger_mm.deploy.runtime import Semantic
from schanger_mm.deploy.trained_reading import reading_of
from schanger_mm.geo.errors import SceneError
from schanger_mm.utils.band_order import turned
from schanger_mm.utils.devices import find_device
from schanger_mm.utils.errors import SettingError

if TYPE_CHECKING:
    from schanger_mm.deploy.exported import ExportedModel
    from schanger_mm.geo.reading import Reading

OPTIONS = ('--semantic', '--semantic-weights')
BINARY = ('other', 'building')
"""Classes of a network with one logit whose checkpoint names none."""


class SingleDateModel:
    """A segmentation network for single images that classifies windows, loaded once.

    Images are normalised by the network's own data preprocessor, which may differ from that of the change network.

    Args:
        cfg: config with ``model`` and ``data_preprocessor``: :class:`SiameseEncoderDecoder` with ``num_dates=1``, or
            another segmentor of mmsegmentation's interface.
        checkpoint: fills the network completely.
        config_name: where the config came from, for messages and summaries.
        device, precision: as of :class:`~schanger_mm.deploy.model.SceneModel`.

    Raises:
        SceneError: the network compares two dates or has no decoder, or the weights do not fit it.
    """

    def __init__(self, cfg: Config, checkpoint: Checkpoint, config_name: str, device: str = 'cpu',
                 precision: str = 'fp32'):
        self.config, self.weights, self.precision = config_name, checkpoint.label, precision
        self.device = find_device(device, 'predict on')
        network = filled_network(cfg, checkpoint, f'--semantic {config_name}', _check)
        self.network = for_inference(network.to(self.device).eval(), config_name, precision)
        self.bands = network.data_preprocessor.mean.numel()
        self.reading = reading_of(cfg, f'--semantic {config_name}', self.bands)
        self.sha256, self.warnings = checkpoint.sha256, list[str]()
        self.names: tuple[str, str | None] | None = None
        self.class_names = _names(checkpoint, network.out_channels)
        self._offset = 0.0
        if network.out_channels == 1:
            self._offset = _offset(getattr(network.decode_head, 'threshold', 0.5), config_name)

    @classmethod
    def load(cls, model: str, weights: str | None = None, device: str = 'cpu',
             precision: str = 'fp32') -> SingleDateModel:
        """Load a network by one or two names, see :func:`~schanger_mm.deploy.model_files.open_named`."""
        found = open_named(model, weights, OPTIONS)
        loaded = cls(found.cfg, found.checkpoint, found.config_name, device, precision)
        loaded.names = found.names
        if found.names[1] is not None:
            loaded.warnings = other_statistics(found.checkpoint, found.config_name, loaded.network.data_preprocessor,
                                               found.cfg)
        return loaded

    @torch.inference_mode()
    def predict(self, images: np.ndarray) -> np.ndarray:
        """Classify ``(N, C, h, w)`` float32 in 0..255, RGB if C is 3, to probabilities ``(N, K, h, w)`` float32."""
        batch = torch.from_numpy(np.ascontiguousarray(turned(images, 1)))  # as files are read: B, G, R
        inputs = self.network.data_preprocessor(dict(inputs=list(batch)), training=False)['inputs']
        logits = self.network.encode_decode(inputs, [dict(img_shape=inputs.shape[-2:])] * len(inputs))
        if logits.shape[1] == 1:
            present = (logits - self._offset).sigmoid()
            return torch.cat([1 - present, present], dim=1).float().cpu().numpy()
        return logits.softmax(dim=1).float().cpu().numpy()

    def describe(self) -> dict:
        """Describe the model as :meth:`SceneModel.describe` does."""
        preprocessor = self.network.data_preprocessor
        return dict(config=self.config, weights=self.weights, weights_sha256=self.sha256, precision=self.precision,
                    mean=preprocessor.mean.flatten().tolist(), std=preprocessor.std.flatten().tolist(),
                    bgr_to_rgb=reverses_bands(preprocessor), classes=list(self.class_names),
                    **self.reading.describe())


class WithClasses:
    """A change network and a single-date network, used like one network with classes.

    Args:
        change: predicts change, and keeps its threshold, names and statistics.
        single: classifies each date.

    Raises:
        SettingError: they take different numbers of bands.
    """

    def __init__(self, change: SceneModel | ExportedModel, single: SingleDateModel):
        if change.bands != single.bands:
            raise SettingError(f'--semantic {single.config}: its network takes {single.bands} bands, and that of '
                               f'{change.config} {change.bands}; expected a segmentation network for the same bands.')
        self.change, self.single = change, single
        self.bands, self.reading = change.bands, change.reading
        self.config, self.weights, self.names, self.sha256 = change.config, change.weights, change.names, change.sha256
        self.device, self.device_type, self.precision = change.device, change.device_type, change.precision
        self.gsd, self.threshold = change.gsd, change.threshold
        self.packages = tuple(dict.fromkeys((*change.packages, 'torch')))
        self.warnings = change.warnings + single.warnings + _other_reading(change.reading, single.reading,
                                                                         single.config)
        self.class_names, self.semantic_classes = single.class_names, len(single.class_names)
        self.semantic_names, self.semantic_sha256 = single.names, single.sha256

    @property
    def threads(self) -> int:
        """Return the number of CPU threads of the change network."""
        return self.change.threads

    def use_threads(self, count: int) -> None:
        """Set the number of threads of both networks; torch keeps it for the calling thread only."""
        self.change.use_threads(count)
        torch.set_num_threads(count)

    def predict(self, images: np.ndarray) -> np.ndarray:
        """Predict change alone; see :meth:`SceneModel.predict`."""
        return self.change.predict(images)

    def semantic(self, images: np.ndarray) -> Semantic:
        """Predict change and the classes of both dates, one date after the other; see :meth:`SceneModel.semantic`."""
        return Semantic(self.change.predict(images), *(self.single.predict(images[:, date]) for date in (0, 1)))

    def describe(self) -> dict:
        """Describe the change network, and the single-date network as ``semantic``."""
        return dict(self.change.describe(), semantic=self.single.describe())


def _other_reading(change: Reading, single: Reading, name: str) -> list[str]:
    """Warn if both networks were trained on values that were scaled in different ways."""
    if change.scale == single.scale:
        return []
    ways = ' and '.join(str(one.scale or 'none') for one in (change, single))
    return [f'--semantic {name}: both networks get the same values, but were trained on values of different scales '
            f'({ways}); its classes may be wrong.']


def _check(network: nn.Module, name: str) -> None:
    """Refuse a network that does not classify single images."""
    statistics = getattr(getattr(network, 'data_preprocessor', None), 'mean', torch.empty(0)).numel()
    if getattr(network, 'num_dates', 2 if statistics == 6 else 1) != 1:
        raise SceneError(f'{name}: its network compares two dates; expected a segmentation network for single images, '
                         'such as one of configs/schanger/pretrain_inria.py.')
    if not hasattr(network, 'encode_decode') or not hasattr(network, 'out_channels'):
        raise SceneError(f'{name}: its network ({type(network).__name__}) is no segmentation network with a decode '
                         'head; expected one for single images.')
    bands = getattr(network, 'bands', None)
    if not statistics or bands not in (None, statistics):
        raise SceneError(f'{name}: its data_preprocessor has {statistics} means; expected {bands or "one for each"} '
                         'of the bands of one image.')


def _names(checkpoint: Checkpoint, channels: int) -> tuple[str, ...]:
    """Return the names of the classes in the checkpoint, if they are as many as the network has."""
    count = max(2, channels)
    meta = checkpoint.meta.get('dataset_meta')
    names = (meta.get('classes') if isinstance(meta, dict) else None) or ()
    if isinstance(names, (list, tuple)) and len(names) == count:
        return tuple(map(str, names))
    return BINARY if channels == 1 else tuple(f'class {index}' for index in range(count))


def _offset(threshold: object, config_name: str) -> float:
    """Return the logit at a threshold: with it subtracted, 0.5 decides."""
    if not isinstance(threshold, (int, float)) or not 0 < threshold < 1:
        raise SceneError(f'--semantic {config_name}: the decode head has the threshold {threshold}; expected more than '
                         '0 and less than 1.')
    return math.log(threshold / (1 - threshold))
