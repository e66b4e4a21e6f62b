"""The network that is measured, and how each process builds the same one."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from mmengine.config import Config
from mmengine.logging import MMLogger
from mmengine.model import revert_sync_batchnorm
from mmengine.registry import DefaultScope
from mmengine.structures import PixelData
from mmengine.utils import import_modules_from_strings
from mmseg.structures import SegDataSample
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from schanger_mm.apis.config import ConfigError, load_config
from schanger_mm.apis.convert import network, read_weights
from schanger_mm.models.detectors import SiameseEncoderDecoder
from schanger_mm.models.layers import resolve_arch
from schanger_mm.registry import MODELS, SCOPE

_CALIBRATION = 128  # px; side of the random pairs that random weights get their statistics from
_SPREAD = 2.0  # standard deviation of the logits of random weights


@dataclass(frozen=True)
class Subject:
    """A network by what builds it, small enough to be sent to another process.

    Args:
        name: in tables.
        arch: of SChanger; None: a network of a config.
        model: a config's ``model``.
        scope: default registry of the config.
        imports: a config's ``custom_imports``.
        checkpoint: weights; None: random ones.
    """

    name: str
    arch: str | tuple[int, ...] | None = None
    model: Mapping = field(default_factory=dict)
    scope: str = SCOPE
    imports: Mapping | None = None
    checkpoint: str | None = None

    @classmethod
    def of_arch(cls, text: str, checkpoint: str | None = None) -> Subject:
        """SChanger by size name, or by six widths such as ``'4,4,6,8,10,12'``.

        Raises:
            ValueError: neither of them.
        """
        widths = text.split(',')
        arch = tuple(map(int, widths)) if all(width.strip().isdigit() for width in widths) else text
        resolve_arch(arch)
        return cls(f'SChanger-{text}', arch, checkpoint=checkpoint)

    @classmethod
    def of_config(cls, path: str, checkpoint: str | None = None) -> Subject:
        """Take the network of a config file: any detector with a decode head.

        Raises:
            ConfigError: no such file, or no such network in it.
        """
        cfg: Config = load_config(path)
        if not cfg.get('model') or 'decode_head' not in cfg.model:
            raise ConfigError(f'{path}: no model with a decode_head; expected the config of a detector or segmentor.')
        model = cfg.model.to_dict()
        model.pop('data_preprocessor', None)
        imports = cfg.get('custom_imports')
        return cls(path, model=model, scope=cfg.get('default_scope') or SCOPE, checkpoint=checkpoint,
                   imports=imports and imports.to_dict())

    def build(self) -> nn.Module:
        """Make the network with whatever weights its constructor gives, on the CPU, in eval mode.

        Synchronised batch norms become ordinary ones. Pre-trained weights are
        not fetched.
        """
        if self.imports:
            import_modules_from_strings(**self.imports)
        if self.arch is not None:
            return network(self.arch, num_dates=2).eval()
        with _quiet(), DefaultScope.overwrite_default_scope(self.scope):
            model = revert_sync_batchnorm(MODELS.build(dict(self.model)))
        for module in model.modules():
            settings = getattr(module, 'init_cfg', None) or []
            settings = settings if isinstance(settings, list) else [settings]
            if any(setting.get('type') == 'Pretrained' for setting in settings):
                module.init_cfg = None
        return model.eval()

    def build_with_weights(self, seed: int) -> nn.Module:
        """Make the network with its checkpoint, or with the random weights of a seed.

        Random weights are those that training starts from; the statistics of
        batch norms are then taken from random images and the logits scaled, so
        that probabilities vary as those of a trained network do.

        Raises:
            ValueError: the checkpoint does not fill the network.
        """
        torch.manual_seed(seed)
        model = self.build()
        if self.checkpoint is None:
            with _quiet():
                model.init_weights()
            _calibrate(model.eval())
            return model
        state, own = read_weights(self.checkpoint), model.state_dict()
        wrong = [*(f'{name} is missing' for name in own if name not in state),
                 *(f'{name} is unknown to the network' for name in state if name not in own),
                 *(f'{name} is {tuple(state[name].shape)} instead of {tuple(own[name].shape)}' for name in own
                   if name in state and state[name].shape != own[name].shape)]
        if wrong:
            raise ValueError(f'--checkpoint {self.checkpoint} does not fit {self.name}: {wrong[0]}'
                             f'{f", and {len(wrong) - 1} more" if wrong[1:] else ""}.')
        model.load_state_dict(state)
        return model


def subjects_of(configs: Sequence[str], archs: Sequence[str] | None, checkpoint: str | None = None) -> list[Subject]:
    """Networks that a command line names; SChanger base and small where it names none.

    Raises:
        ValueError: a config or size that is none, or one checkpoint for several networks.
    """
    archs = archs or ([] if configs else ['base', 'small'])
    if checkpoint is not None and len(configs) + len(archs) > 1:
        raise ValueError(f'--checkpoint {checkpoint}: it fits one network and there are {len(configs) + len(archs)}; '
                         'name one CONFIG or one --arch.')
    subjects = [*(Subject.of_config(path, checkpoint) for path in configs),
                *(Subject.of_arch(text, checkpoint) for text in archs)]
    for subject in subjects:
        if checkpoint is not None:
            subject.build_with_weights(seed=0)  # a file that does not fit is found here
    return subjects


def is_siamese(model: nn.Module) -> bool:
    """Whether it is this package's detector, whose plain form and inference form are known."""
    return isinstance(model, SiameseEncoderDecoder)


def dates(model: nn.Module) -> int:
    """Images of one input: this package's detectors say it, Open-CD's have ``backbone_inchannels``."""
    return getattr(model, 'num_dates', 2 if hasattr(model, 'backbone_inchannels') else 1)


def channels(model: nn.Module) -> int:
    """Channels of the input, all dates."""
    bands = getattr(model, 'backbone_inchannels', None) or next(
        module.in_channels for module in model.backbone.modules() if isinstance(module, nn.Conv2d))
    return bands * dates(model)


def random_inputs(model: nn.Module, batch: int, size: int, seed: int) -> Tensor:
    """Draw ``(batch, channels, size, size)``, normally distributed as normalised images are."""
    return torch.randn(batch, channels(model), size, size, generator=torch.Generator().manual_seed(seed))


def random_labels(model: nn.Module, batch: int, size: int, seed: int) -> list[SegDataSample]:
    """Draw label maps of the network's classes."""
    labels = torch.randint(model.num_classes, (batch, 1, size, size), generator=torch.Generator().manual_seed(seed))
    return [SegDataSample(gt_sem_seg=PixelData(data=label), metainfo=dict(img_shape=(size, size))) for label in labels]


def plain_features(model: SiameseEncoderDecoder, inputs: Tensor) -> Sequence:
    """Encode each date on its own in contiguous memory, as the authors' code does; else as ``extract_feat``."""
    feats = [model.backbone(image.contiguous()) for image in inputs.chunk(model.num_dates, dim=1)]
    if model.with_neck:
        return model.neck(*feats)
    if model.num_dates == 1:
        return feats[0]
    if getattr(model.decode_head, 'accepts_pairs', False):
        return list(zip(*feats))
    return [torch.cat(level, dim=1) for level in zip(*feats)]


@torch.no_grad()
def _calibrate(model: nn.Module) -> None:
    norms = [module for module in model.modules() if isinstance(module, _BatchNorm)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = 1.0
        norm.train()
    logits = model(torch.randn(2, channels(model), _CALIBRATION, _CALIBRATION), mode='tensor')
    for norm, momentum in zip(norms, momenta):
        norm.momentum = momentum
        norm.eval()
    last = getattr(getattr(model, 'decode_head', None), 'conv_seg', None)
    if last is not None and isinstance(logits, Tensor):
        for parameter in last.parameters():
            parameter.mul_(_SPREAD / logits.std())


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Mmengine logs every tensor that it initialises."""
    logger = MMLogger.get_current_instance()
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
