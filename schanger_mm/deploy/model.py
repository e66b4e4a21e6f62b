"""The network of a scene, from config and weights; it predicts windows."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from mmengine.config import Config
from mmengine.registry import DefaultScope
from torch import Tensor, nn

from schanger_mm.checkpoints import Checkpoint, CheckpointError, read_checkpoint
from schanger_mm.config.building import build
from schanger_mm.config.loading import ConfigError
from schanger_mm.deploy.model_files import LARGEST, in_words, open_named, other_statistics
from schanger_mm.deploy.runtime import Semantic
from schanger_mm.deploy.size_limit import sized_like
from schanger_mm.deploy.trained_reading import reading_of
from schanger_mm.geo.errors import SceneError
from schanger_mm.models.detectors.semantic_outputs import split_logits
from schanger_mm.registry import MODELS, SCOPE
from schanger_mm.utils.band_order import turned
from schanger_mm.utils.devices import FOR_INFERENCE, find_device, keep_freed_memory
from schanger_mm.utils.text import first_line, first_of

GSD = dict(LEVIRCDDataset=0.5, LEVIRCDPlusDataset=0.5, S2LookingDataset=0.65, SYSUCDDataset=0.5, GZCDDataset=0.55,
           OSCDDataset=10.0)
"""Ground sampling distance of the images of a data set, metres; a config's ``gsd`` takes precedence."""


class SceneModel:
    """A change-detection network that predicts windows, loaded once.

    Images are normalised by the network's own data preprocessor and predicted
    as a whole, as ``schanger test`` does with a tile, in the network's
    inference form if it has one (``for_inference``).

    Args:
        cfg: config with ``model`` and ``data_preprocessor``.
        weights: checkpoint that fills the network completely, as a path or already read.
        config_name: where the config came from, for messages and summaries.
        device: such as ``'cpu'`` or ``'cuda:0'``.
        precision: ``'fp32'``, ``'bf16'`` or, on a GPU, ``'fp16'``.
        plain: keep the network as it was trained, in float32; the reference for comparisons.

    Attributes:
        warnings: warnings for the user about this config with these weights.
        reading: how the images of its training were read.
        sha256: SHA-256 of the bytes that the weights were read from.
        checkpoint_meta: metadata in the checkpoint, such as ``dataset_meta``.

    Raises:
        SceneError: the network is not for two dates or not for this precision, or the weights do not fit it.
        CheckpointError: the weights cannot be read.
    """

    packages = ('torch', )
    """Distributions that run the network."""

    def __init__(self, cfg: Config, weights: str | Path | Checkpoint, config_name: str, device: str = 'cpu',
                 precision: str = 'fp32', plain: bool = False):
        checkpoint = read_checkpoint(weights)
        self.cfg, self.config, self.weights, self.precision = cfg, config_name, checkpoint.label, precision
        self.names: tuple[str, str | None] | None = None  # with which another process can load it
        self.warnings: list[str] = []
        self.device = find_device(device, 'predict on')
        self.device_type = self.device.type
        if self.device_type == 'cpu':
            keep_freed_memory(FOR_INFERENCE)
        self.gsd, self.temperature = _gsd(cfg, config_name), _temperature(cfg, config_name)
        self.network = filled_network(cfg, checkpoint, config_name)
        self.reading = reading_of(cfg, config_name, self.bands)
        self.sha256, self.checkpoint_meta = checkpoint.sha256, checkpoint.meta
        self.network.to(self.device).eval()
        if not plain:
            self.network = for_inference(self.network, config_name, precision)

    @classmethod
    def load(cls, model: str, weights: str | None = None, device: str = 'cpu',
             precision: str = 'fp32') -> SceneModel:
        """Load a network by one or two names; :func:`~schanger_mm.deploy.load.load_model` also accepts exports.

        Args:
            model, weights: see :func:`~schanger_mm.deploy.model_files.open_named`.
            device: such as ``'cpu'`` or ``'cuda:0'``.
            precision: ``'fp32'``, ``'bf16'`` or, on a GPU, ``'fp16'``.

        Raises:
            SceneError, SettingError, ConfigError, CheckpointError, FetchError, DownloadError: the message says why.
        """
        found = open_named(model, weights)
        loaded = cls(found.cfg, found.checkpoint, found.config_name, device, precision)
        loaded.names = found.names
        if found.names[1] is not None:
            loaded.warnings = other_statistics(found.checkpoint, found.config_name, loaded.network.data_preprocessor,
                                               found.cfg)
        return loaded

    @property
    def threads(self) -> int:
        """Return the number of CPU threads that torch uses."""
        return torch.get_num_threads()

    def use_threads(self, count: int) -> None:
        """Set the number of threads; torch keeps it for the calling thread only."""
        torch.set_num_threads(count)

    @property
    def bands(self) -> int:
        """Return the number of bands of each date."""
        return self.network.data_preprocessor.mean.numel() // 2

    @property
    def threshold(self) -> float:
        """Return the probability above which a pixel is changed: the head's own, 0.5 for two channels.

        With a temperature it is moved as the probabilities are, so that decisions stay.
        """
        own = float(self.network.decode_head.threshold) if self.network.out_channels == 1 else 0.5
        return own if self.temperature == 1 or own == 0 else float(1 / (1 + (1 / own - 1)**(1 / self.temperature)))

    def predict(self, images: np.ndarray) -> np.ndarray:
        """Predict windows.

        Args:
            images: ``(N, 2, C, h, w)`` float32 in 0..255, date A first; RGB where there are three bands, otherwise in
                the order of the training.

        Returns:
            ``(N, h, w)`` float32 probability of change.
        """
        return self._predict(images)[0]

    @property
    def semantic_classes(self) -> int:
        """Return the number of classes that the network predicts for each date, 0 without any."""
        return int(getattr(self.network, 'semantic_classes', 0))

    @property
    def class_names(self) -> tuple[str, ...]:
        """Return the names of these classes: those that the checkpoint was trained on, else numbers."""
        meta = self.checkpoint_meta.get('dataset_meta')
        names = (meta.get('semantic_classes') if isinstance(meta, dict) else None) or ()
        if len(names) == self.semantic_classes + 1:
            return tuple(map(str, names[1:]))
        return tuple(f'class {index}' for index in range(self.semantic_classes))

    def semantic(self, images: np.ndarray) -> Semantic:
        """Predict windows as :meth:`predict` does, with the classes of both dates.

        Raises:
            SceneError: the network has no classes.
        """
        if not self.semantic_classes:
            raise SceneError(f'{self.config}: its network predicts change only; classes need one that was trained with '
                             '`semantic` of the decode head.')
        return Semantic(*self._predict(images))

    @torch.inference_mode()
    def _predict(self, images: np.ndarray) -> list[np.ndarray]:
        # training reads colours as B, G, R; the preprocessor handles that order
        pairs = torch.from_numpy(np.ascontiguousarray(turned(images, 2))).flatten(1, 2)
        inputs = self.network.data_preprocessor(dict(inputs=list(pairs)), training=False)['inputs']
        logits = self.network.encode_decode(inputs, [dict(img_shape=inputs.shape[-2:])] * len(inputs))
        logits, *classes = split_logits(logits, self.semantic_classes)
        if self.temperature != 1:
            logits = logits / self.temperature
        probability = logits.sigmoid()[:, 0] if logits.shape[1] == 1 else logits.softmax(dim=1)[:, 1]
        found = [probability, *(one.softmax(dim=1) for one in classes if self.semantic_classes)]
        return [one.float().cpu().numpy() for one in found]

    def describe(self) -> dict:
        """Describe the model.

        Returns:
            Config, weights and their SHA-256, precision, threshold, temperature, statistics, classes, gsd (m, or None),
            and how other than 8-bit colour images of the training were read.
        """
        preprocessor = self.network.data_preprocessor
        classes = dict(semantic_classes=list(self.class_names)) if self.semantic_classes else {}
        return dict(
            config=self.config, weights=self.weights, weights_sha256=self.sha256, precision=self.precision,
            threshold=self.threshold, temperature=self.temperature,
            mean=preprocessor.mean.flatten().tolist(), std=preprocessor.std.flatten().tolist(),
            bgr_to_rgb=bool(preprocessor.bgr_to_rgb), classes=['unchanged', 'changed'], gsd=self.gsd,
            **classes, **self.reading.describe())


def filled_network(cfg: Config, checkpoint: Checkpoint, config_name: str,
                   check: Callable[[nn.Module, str], None] | None = None) -> nn.Module:
    """Build the network of a config on the CPU, and fill it completely.

    Args:
        cfg, checkpoint, config_name: as of :class:`SceneModel`.
        check: raises :class:`SceneError` for a network of another kind; None: any that does not compare two dates.

    Raises:
        SceneError: it is not for two dates, or what ``check`` says; or the weights do not fit it.
        CheckpointError: the weights cannot be read.
    """
    with sized_like(checkpoint.weights, checkpoint.path, config_name):
        network = _build(cfg, config_name)
        (check or _check_pair)(network, config_name)
    _fill(network, checkpoint.weights, checkpoint.path, config_name)
    return network


def _build(cfg: Config, config_name: str) -> nn.Module:
    if not cfg.get('model'):
        raise SceneError(f'{config_name}: no model in it; expected the config of a training.')
    model = dict(cfg.model)
    if cfg.get('data_preprocessor') is not None:
        model.setdefault('data_preprocessor', cfg.data_preprocessor)
    with DefaultScope.overwrite_default_scope(cfg.get('default_scope') or SCOPE):
        try:
            network = build(MODELS, model)
        except (SceneError, CheckpointError, ConfigError, ImportError, KeyError):  # already readable for users
            raise
        except Exception as error:  # a value of the wrong type or size can make a part raise any error
            raise SceneError(f'{config_name}: its network cannot be built ({type(error).__name__}: '
                             f'{first_line(error)}); correct the setting of model or data_preprocessor that has a '
                             'wrong value.') from error
    return network


def _check_pair(network: nn.Module, config_name: str) -> None:
    """Refuse a network that does not compare two dates."""
    if getattr(network, 'num_dates', 2) != 2 or not hasattr(network, 'encode_decode'):
        raise SceneError(f'{config_name}: its network ({type(network).__name__}) is single-temporal or has no decoder; '
                         'expected a change detector for two dates.')
    if network.out_channels not in (1, 2):
        raise SceneError(f'{config_name}: the decode head has {network.out_channels} channels; expected one (sigmoid) '
                         'or two (softmax: unchanged, changed).')
    threshold = getattr(network.decode_head, 'threshold', None)
    if network.out_channels == 1 and not (isinstance(threshold, (int, float)) and 0 <= threshold < 1):
        raise SceneError(f'{config_name}: the decode head has the threshold {in_words(threshold):.60}; expected 0 or '
                         'more and less than 1.')
    channels = getattr(network.data_preprocessor, 'mean', torch.empty(0)).numel()
    bands = getattr(network, 'bands', None)
    if not channels or channels % 2 or bands not in (None, channels // 2):
        expected = 'one for each band of two dates' if bands is None else f'{2 * bands} ({bands} bands of two dates)'
        raise SceneError(f'{config_name}: its data_preprocessor has {channels} means; expected {expected}, the kind of '
                         'network that scenes are predicted with.')


def _fill(network: nn.Module, state: dict[str, Tensor], weights: str | Path, config_name: str) -> None:
    """Load the weights; every entry of both sides must match."""
    own = network.state_dict()
    missing, extra = sorted(own.keys() - state.keys()), sorted(state.keys() - own.keys())
    other = [f'{name} {tuple(state[name].shape)} instead of {tuple(own[name].shape)}'
             for name in own if name in state and state[name].shape != own[name].shape]
    problems = [f'{len(names)} {what}, for example {first_of(names, most=3)}'
                for names, what in ((missing, 'entries are missing'), (extra, 'are unknown to the network'),
                                    (other, 'have another shape')) if names]
    if problems:
        raise SceneError(f'{weights} does not fit {config_name}: {"; ".join(problems)}. Use the config that it was '
                         'trained with.')
    network.load_state_dict(state)


def for_inference(network: nn.Module, config_name: str, precision: str) -> nn.Module:
    """Return the form of a network that predicts fast, or itself if it has none.

    Raises:
        SceneError: it does not run in this precision.
    """
    if hasattr(network, 'for_inference'):
        try:
            return network.for_inference(precision)
        except ValueError as error:
            raise SceneError(f'{config_name}: {error}') from error
    if precision != 'fp32':
        raise SceneError(f'{config_name}: its network ({type(network).__name__}) runs in fp32 only; leave --precision '
                         f'{precision} away.')
    return network


def _temperature(cfg: Config, config_name: str) -> float:
    value = cfg.get('temperature', 1.0)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 1e-3 <= value <= 1e3:
        raise SceneError(f'{config_name}: temperature = {in_words(value):.60}; expected a number from 0.001 to 1000, '
                         'by which logits are divided (`schanger thresholds` fits it).')
    return float(value)


def _gsd(cfg: Config, config_name: str) -> float | None:
    if (own := cfg.get('gsd')) is not None:
        if isinstance(own, bool) or not isinstance(own, (int, float)) or not 0 < own < LARGEST:
            raise SceneError(f'{config_name}: gsd = {in_words(own):.60}; expected metres per pixel, a number above 0.')
        return float(own)
    loader = cfg.get('train_dataloader')
    data = loader.get('dataset') if isinstance(loader, dict) else None
    return GSD.get(str(data.get('type', '')).split('.')[-1]) if isinstance(data, dict) else None
