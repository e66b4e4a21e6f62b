"""The network of a scene: config and weights in, probabilities of windows out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from mmengine.config import Config
from mmengine.registry import DefaultScope
from torch import Tensor, nn

from schanger_mm.apis.config import ConfigError, load_config
from schanger_mm.apis.download import sha256_of
from schanger_mm.apis.memory import FOR_INFERENCE, keep_freed_memory
from schanger_mm.checkpoints import CheckpointError, read_weights
from schanger_mm.deploy.card import backend_of
from schanger_mm.devices import find_device
from schanger_mm.registry import MODELS, SCOPE
from schanger_mm.scene.errors import SceneError
from schanger_mm.scene.exported_model import ExportedModel
from schanger_mm.scene.model_files import (
    LARGEST,
    config_of,
    in_words,
    other_statistics,
    published_config,
    published_name,
    published_weights,
    sets,
)
from schanger_mm.scene.size_limit import sized_like
from schanger_mm.wording import first_line

GSD = dict(LEVIRCDDataset=0.5, LEVIRCDPlusDataset=0.5, S2LookingDataset=0.65, SYSUCDDataset=0.5, GZCDDataset=0.55)
"""Ground sampling distance of the imagery that a data set trains on, metres; a config's ``gsd`` overrules it."""


class SceneModel:
    """A change-detection network that predicts windows, loaded once.

    Images are normalised by the network's own data preprocessor and run
    through in one piece, as ``tools/test.py`` does with a tile; in the
    network's inference form where it has one (``for_inference``).

    Args:
        cfg: config with ``model`` and ``data_preprocessor``.
        weights: checkpoint that fills the network completely.
        config_name: where the config came from, for messages and summaries.
        device: such as ``'cpu'`` or ``'cuda:0'``.
        precision: ``'fp32'``, ``'bf16'`` or, on a GPU, ``'fp16'``.
        plain: keep the network as it was trained, in float32; what others are compared with.

    Attributes:
        warnings: what a user should know about this config with these weights.

    Raises:
        SceneError: the network is not one for two dates or not for this precision, or the weights do not fit it.
        CheckpointError: the weights cannot be read.
    """

    trust = False
    """Whether the user let it run code while it is loaded; only a ``.pt2`` export needs that."""

    def __init__(self, cfg: Config, weights: str | Path, config_name: str, device: str = 'cpu',
                 precision: str = 'fp32', plain: bool = False):
        self.cfg, self.config, self.weights, self.precision = cfg, config_name, str(weights), precision
        self.names: tuple[str, str | None] | None = None  # by which another process can load it
        self.warnings: list[str] = []
        self.device = find_device(device, 'predict on', SceneError)
        if self.device.type == 'cpu':
            keep_freed_memory(FOR_INFERENCE)
        self.gsd = _gsd(cfg, config_name)
        state = read_weights(weights)
        with sized_like(state, weights, config_name):
            self.network = _build(cfg, config_name)
        _fill(self.network, state, weights, config_name)
        self.sha256 = sha256_of(weights)
        self.network.to(self.device).eval()
        if not plain:
            self.network = _for_inference(self.network, config_name, precision)

    @classmethod
    def load(cls, model: str, weights: str | None = None, device: str = 'cpu',
             precision: str = 'fp32', trust: bool = False) -> SceneModel:
        """Load a network by one or two names.

        Args:
            model: a config file, which needs ``weights``; a checkpoint of our
                training, which holds its config; an exported network, which
                is returned as an :class:`ExportedModel`; or a published
                checkpoint such as ``'levir-base'``, fetched where it is not
                there yet.
            weights: checkpoint file, or the name of a published one.
            device: such as ``'cpu'`` or ``'cuda:0'``.
            precision: ``'fp32'``, ``'bf16'`` or, on a GPU, ``'fp16'``.
            trust: load a ``.pt2`` export, which can run code; checkpoints and other exports never do.

        Raises:
            SceneError, ConfigError, CheckpointError, DeployError, FetchError, DownloadError: in words.
        """
        if backend_of(model) is not None:
            if weights is not None:
                raise SceneError(f'MODEL {model} is an exported network and holds its weights; leave --weights '
                                 f'{weights} away.')
            found = find_device(device, 'predict on', SceneError)
            return ExportedModel(model, found, precision, trust)  # type: ignore[return-value]  # same interface
        if published_name(model):
            if weights is not None:
                raise SceneError(f'MODEL {model} is a published checkpoint; leave --weights {weights} away.')
            return cls.load(str(published_config(model)), model, device, precision)
        path = Path(model)
        if path.suffix == '.py':
            if weights is None:
                raise SceneError(f'{model} is a config: name its weights by --weights FILE (or a published checkpoint, '
                                 'such as --weights levir-base).')
            cfg = load_config(model)
            if published_name(weights):
                weights = str(published_weights(weights))
            loaded = cls(cfg, weights, model, device, precision)
            loaded.names = model, weights
            loaded.warnings = other_statistics(weights, model, loaded.network.data_preprocessor)
            return loaded
        if weights is not None:
            raise SceneError(f'MODEL {model}: with --weights it must be a config that ends in .py.')
        if not path.is_file():
            raise SceneError(f'no model {model}: expected a config (.py), a checkpoint (.pth) of tools/train.py, an '
                             'export (.onnx, .xml, .pt2), or a published one (SET-base or SET-small; the sets are '
                             f'{", ".join(sets())}).')
        loaded = cls(config_of(path), path, f'{model} (its own config)', device, precision)
        loaded.names = model, None
        return loaded

    @property
    def threshold(self) -> float:
        """A pixel is changed where its probability is above it: the head's own, 0.5 for two channels."""
        return float(self.network.decode_head.threshold) if self.network.out_channels == 1 else 0.5

    @torch.inference_mode()
    def predict(self, images: np.ndarray) -> np.ndarray:
        """Predict windows.

        Args:
            images: ``(N, 2, 3, h, w)`` float32 in 0..255, RGB, date A first.

        Returns:
            ``(N, h, w)`` float32 probability of change.
        """
        # training reads files as B, G, R; what happens to that order is up to the preprocessor
        pairs = torch.from_numpy(np.ascontiguousarray(images[:, :, ::-1])).flatten(1, 2)
        inputs = self.network.data_preprocessor(dict(inputs=list(pairs)), training=False)['inputs']
        logits = self.network.encode_decode(inputs, [dict(img_shape=inputs.shape[-2:])] * len(inputs))
        probability = logits.sigmoid()[:, 0] if logits.shape[1] == 1 else logits.softmax(dim=1)[:, 1]
        return probability.float().cpu().numpy()

    def describe(self) -> dict:
        """Say what predicts.

        Returns:
            Config, weights and their SHA-256, precision, threshold, statistics, classes, gsd (m, or None).
        """
        preprocessor = self.network.data_preprocessor
        return dict(
            config=self.config, weights=self.weights, weights_sha256=self.sha256, precision=self.precision,
            threshold=self.threshold,
            mean=preprocessor.mean.flatten().tolist(), std=preprocessor.std.flatten().tolist(),
            bgr_to_rgb=bool(preprocessor.bgr_to_rgb), classes=['unchanged', 'changed'], gsd=self.gsd)


def _build(cfg: Config, config_name: str) -> nn.Module:
    if not cfg.get('model'):
        raise SceneError(f'{config_name}: no model in it; expected the config of a training.')
    model = dict(cfg.model)
    if cfg.get('data_preprocessor') is not None:
        model.setdefault('data_preprocessor', cfg.data_preprocessor)
    with DefaultScope.overwrite_default_scope(cfg.get('default_scope') or SCOPE):
        try:
            network = MODELS.build(model)
        except (SceneError, CheckpointError, ConfigError, ImportError, KeyError):  # in words, or worded by the tools
            raise
        except Exception as error:  # a value of the wrong kind or size makes a part raise anything
            raise SceneError(f'{config_name}: its network cannot be built ({type(error).__name__}: '
                             f'{first_line(error)}); correct the setting of model or data_preprocessor that has a '
                             'wrong value.') from error
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
    if channels != 6:
        raise SceneError(f'{config_name}: its data_preprocessor has {channels} means; expected 6 (three bands of two '
                         'dates), the kind of network that scenes are predicted with.')
    return network


def _fill(network: nn.Module, state: dict[str, Tensor], weights: str | Path, config_name: str) -> None:
    """Load the weights; every entry of both sides must be met."""
    own = network.state_dict()
    missing, extra = sorted(own.keys() - state.keys()), sorted(state.keys() - own.keys())
    other = [f'{name} {tuple(state[name].shape)} instead of {tuple(own[name].shape)}'
             for name in own if name in state and state[name].shape != own[name].shape]
    problems = [f'{len(names)} {what}, for example {", ".join(names[:3])}'
                for names, what in ((missing, 'entries are missing'), (extra, 'are unknown to the network'),
                                    (other, 'have another shape')) if names]
    if problems:
        raise SceneError(f'{weights} does not fit {config_name}: {"; ".join(problems)}. Use the config that it was '
                         'trained with.')
    network.load_state_dict(state)


def _for_inference(network: nn.Module, config_name: str, precision: str) -> nn.Module:
    if hasattr(network, 'for_inference'):
        try:
            return network.for_inference(precision)
        except ValueError as error:
            raise SceneError(f'{config_name}: {error}') from error
    if precision != 'fp32':
        raise SceneError(f'{config_name}: its network ({type(network).__name__}) runs in fp32 only; leave --precision '
                         f'{precision} away.')
    return network


def _gsd(cfg: Config, config_name: str) -> float | None:
    if (own := cfg.get('gsd')) is not None:
        if isinstance(own, bool) or not isinstance(own, (int, float)) or not 0 < own < LARGEST:
            raise SceneError(f'{config_name}: gsd = {in_words(own):.60}; expected metres per pixel, a number above 0.')
        return float(own)
    loader = cfg.get('train_dataloader')
    data = loader.get('dataset') if isinstance(loader, dict) else None
    return GSD.get(str(data.get('type', '')).split('.')[-1]) if isinstance(data, dict) else None
