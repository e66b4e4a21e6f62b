"""The Siamese detector: one encoder for both dates, an optional neck, one decode head."""

from __future__ import annotations

import torch
from mmseg.models.segmentors import EncoderDecoder
from torch import Tensor
from torch.nn import functional as F

from schanger_mm.registry import MODELS


@MODELS.register_module()
class SiameseEncoderDecoder(EncoderDecoder):
    """mmseg's :class:`EncoderDecoder` for image pairs, with shared weights for the dates.

    The input's channels are split into dates, each runs through the backbone,
    then ``neck(feats_from, feats_to)`` joins them; without a neck each level's
    dates are concatenated on channels, date A first. With ``num_dates=1`` it
    is an ordinary segmentor, which is how the network is pre-trained.

    Any image size works in prediction: the input is padded at the bottom and
    right to a multiple of ``size_divisor`` and the logits are cropped back.

    Args:
        backbone: config of the backbone, built once.
        decode_head: config of the head.
        num_dates: 2 for change detection, 1 for single images.
        size_divisor: the sides that the network needs are multiples of it.
        **kwargs: those of mmseg's :class:`EncoderDecoder`.
    """

    def __init__(self, backbone: dict, decode_head: dict, num_dates: int = 2, size_divisor: int = 16, **kwargs):
        super().__init__(backbone=backbone, decode_head=decode_head, **kwargs)
        if num_dates not in (1, 2):
            raise ValueError(f'SiameseEncoderDecoder: num_dates={num_dates}; expected 2 (change) or 1 (single image).')
        self.num_dates = num_dates
        self.size_divisor = size_divisor

    def extract_feat(self, inputs: Tensor) -> list[Tensor]:
        """Encode a batch ``(N, num_dates * C, H, W)``, date A's channels first.

        Raises:
            ValueError: the channels cannot be split into dates.
        """
        # channels_last: the same numbers, 1.4 times as fast to train on a CPU
        if self.num_dates == 1:
            return super().extract_feat(inputs.contiguous(memory_format=torch.channels_last))
        if inputs.shape[1] % 2:
            raise ValueError(
                f'SiameseEncoderDecoder got {inputs.shape[1]} channels; expected an even number, date A first, '
                'then date B (PackBiTemporalInputs makes them).')
        feats_from, feats_to = (
            self.backbone(image.contiguous(memory_format=torch.channels_last)) for image in inputs.chunk(2, dim=1))
        if self.with_neck:
            return self.neck(feats_from, feats_to)
        return [torch.cat(level, dim=1) for level in zip(feats_from, feats_to)]

    def encode_decode(self, inputs: Tensor, batch_img_metas: list[dict]) -> Tensor:
        """Return logits ``(N, out_channels, H, W)`` for inputs of any height and width."""
        height, width = inputs.shape[-2:]
        bottom, right = -height % self.size_divisor, -width % self.size_divisor
        if bottom or right:
            inputs = F.pad(inputs, (0, right, 0, bottom), mode='replicate')
        metas = [dict(img_shape=inputs.shape[-2:])] * len(inputs)
        logits = super().encode_decode(inputs, metas)
        return logits[..., :height, :width]
