"""An exported network used like a detector, so that it can be scored; this file needs torch."""

from __future__ import annotations

import os
from types import SimpleNamespace

import torch
from mmengine.config import Config, ConfigDict
from mmseg.models.segmentors import EncoderDecoder
from mmseg.models.segmentors.base import BaseSegmentor
from torch import Tensor

from schanger_mm.config.loading import ConfigError
from schanger_mm.deploy.card import backend_of, read_card
from schanger_mm.deploy.open import check_format, open_runtime
from schanger_mm.deploy.trained_reading import reading_of
from schanger_mm.models.detectors.semantic_outputs import SemanticOutputs
from schanger_mm.registry import MODELS, SCOPE
from schanger_mm.utils.band_order import COLOUR_BANDS
from schanger_mm.utils.errors import SettingError

SURE = 1e-12
"""Probabilities of 0 and 1 become logits of -28 and 28."""


@MODELS.register_module()
class ExportedDetector(SemanticOutputs, EncoderDecoder):
    """A file of ``schanger export`` that predicts in tiles, windows or whole images, as mmseg's detectors do.

    It cannot be trained and has no checkpoint. The logit that mmseg's code
    needs is computed from the probability, and is above 0 exactly where that
    is above 0.5.

    Args:
        file: ``.onnx`` or ``.xml``.
        backend: ``'onnx'`` or ``'openvino'``; None: by suffix.
        precision: ``'fp32'``, or with OpenVINO ``'bf16'``.
        threads: number of CPU threads; None: as many as torch.
        test_cfg: as of mmseg's :class:`EncoderDecoder`.
    """

    def __init__(self, file: str, backend: str | None = None, precision: str = 'fp32', threads: int | None = None,
                 test_cfg: dict | None = None, data_preprocessor: dict | None = None):
        runtime = open_runtime(file, backend, 'cpu', threads or torch.get_num_threads(), precision)
        channels = 2 * runtime.bands
        BaseSegmentor.__init__(self, data_preprocessor=data_preprocessor or dict(
            type=f'{SCOPE}.BiTemporalPreProcessor', mean=[0.0] * channels, std=[1.0] * channels,
            bgr_to_rgb=runtime.bands == COLOUR_BANDS))
        self.runtime, card = runtime, runtime.card
        self.num_dates = 2
        self.semantic_classes = len(card.semantic_classes)
        self.test_cfg = ConfigDict(test_cfg or dict(mode='whole'))
        self.train_cfg = None
        self.out_channels, self.num_classes, self.align_corners = 1, 2, card.align_corners
        self.decode_head = SimpleNamespace(threshold=card.threshold, out_channels=1, num_classes=2,
                                           align_corners=card.align_corners)

    def encode_decode(self, inputs: Tensor, batch_img_metas: list[dict]) -> Tensor:
        """Return logits ``(N, 1, H, W)`` for pairs ``(N, 2C, H, W)`` in 0..255, RGB if C is 3, date A first.

        With K classes there are ``2 K`` more channels, see :func:`split_logits`.
        """
        before, after = inputs.chunk(2, dim=1)
        if self.semantic_classes:
            change, *classes = map(torch.from_numpy, self.runtime.semantic(before, after))
        else:
            change, classes = torch.from_numpy(self.runtime(before, after)), []
        logits = [torch.logit(change[:, None].double(), eps=SURE),
                  *(one.double().clamp(min=SURE).log() for one in classes)]
        return torch.cat(logits, dim=1).float().to(inputs.device)

    def loss(self, inputs: Tensor, data_samples: list) -> dict:
        """Refuse: an export cannot be trained."""
        raise SettingError(f'{self.runtime.path} is an export and cannot be trained; train the checkpoint.')


def use_exported(cfg: Config, file: str, backend: str | None = None, precision: str = 'fp32') -> None:
    """Replace the network of a config by an exported file, in place, so that a test scores the file.

    Raises:
        ConfigError: the file does not exist, or is not an exported network, or the config reads other values than the
            training of the network did.
        DeployError: its format cannot be run here.
    """
    if backend_of(file) is None:
        raise ConfigError(f'{file} with --backend: expected an exported network (.onnx, .xml); `schanger export` makes '
                          'one from a checkpoint.')
    if not os.path.isfile(file):
        raise ConfigError(f'no exported network {file}; `schanger export` makes one from a checkpoint.')
    check_format(file)
    _check_reading(cfg, file)
    cfg.model = ConfigDict(type='ExportedDetector', file=file, backend=backend, precision=precision,
                           test_cfg=cfg.model.get('test_cfg') or dict(mode='whole'))
    cfg.data_preprocessor = None  # the file contains its statistics
    cfg.custom_hooks = []  # they are for training, and average or load weights
    cfg.load_from = None
    cfg.exported = dict(file=file, backend=backend or backend_of(file), precision=precision)  # for the report


def _check_reading(cfg: Config, file: str) -> None:
    card, name = read_card(file), cfg.filename or 'the config'
    found = reading_of(cfg, str(name), card.count).describe()
    bands = found.get('bands')
    for key, own, trained in (('scale', found.get('scale'), card.scale),
                              ('bands', list(bands or ()) or None, list(card.bands or ()) or None)):
        if own != trained:
            raise ConfigError(f'{file} is of a network that was trained with {key}={trained!r}, and the test pipeline '
                              f'of {name} has {key}={own!r}; set the former in its transform that loads images.')
