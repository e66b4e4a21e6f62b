"""An exported network in the place of a detector, so that it is scored like one."""

from __future__ import annotations

from types import SimpleNamespace

import torch
from mmengine.config import ConfigDict
from mmseg.models.segmentors import EncoderDecoder
from mmseg.models.segmentors.base import BaseSegmentor
from torch import Tensor

from schanger_mm.registry import MODELS, SCOPE

BANDS = 6
SURE = 1e-12
"""Probabilities of 0 and 1 become logits of -28 and 28."""


@MODELS.register_module()
class ExportedDetector(EncoderDecoder):
    """A file of ``tools/export.py`` that predicts in tiles, windows or whole images, as mmseg's detectors do.

    It cannot be trained and has no checkpoint. The logit that mmseg's code
    asks for is made of the probability, and is above 0 exactly where that is
    above 0.5.

    Args:
        file: ``.onnx``, ``.xml`` or ``.pt2``.
        backend: ``'onnx'``, ``'openvino'`` or ``'program'``; None: by suffix.
        precision: ``'fp32'``, or with OpenVINO ``'bf16'``.
        threads: of the CPU; None: torch's number.
        trust: load a ``.pt2`` file, which can run code.
        test_cfg: as of mmseg's :class:`EncoderDecoder`.
    """

    def __init__(self, file: str, backend: str | None = None, precision: str = 'fp32', threads: int | None = None,
                 test_cfg: dict | None = None, data_preprocessor: dict | None = None, trust: bool = False):
        from schanger_mm.deploy import open_runtime  # deploy needs the models
        BaseSegmentor.__init__(self, data_preprocessor=data_preprocessor or dict(
            type=f'{SCOPE}.BiTemporalPreProcessor', mean=[0.0] * BANDS, std=[1.0] * BANDS))
        self.runtime = open_runtime(file, backend, 'cpu', threads or torch.get_num_threads(), precision,
                                    trust)
        card = self.runtime.card
        self.num_dates = 2
        self.test_cfg = ConfigDict(test_cfg or dict(mode='whole'))
        self.train_cfg = None
        self.out_channels, self.num_classes, self.align_corners = 1, 2, card.align_corners
        self.decode_head = SimpleNamespace(threshold=card.threshold, out_channels=1, num_classes=2,
                                           align_corners=card.align_corners)

    def encode_decode(self, inputs: Tensor, batch_img_metas: list[dict]) -> Tensor:
        """Return logits ``(N, 1, H, W)`` for pairs ``(N, 6, H, W)``, RGB in 0..255, date A first."""
        before, after = inputs.chunk(2, dim=1)
        probability = torch.from_numpy(self.runtime(before, after))[:, None]
        return torch.logit(probability.double(), eps=SURE).float().to(inputs.device)

    def loss(self, inputs: Tensor, data_samples: list) -> dict:
        """Refuse: an export cannot be trained."""
        raise ValueError(f'{self.runtime.path} is an export and cannot be trained; train the checkpoint.')
