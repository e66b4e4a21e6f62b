"""The Siamese detector."""

import torch
from mmseg.models.segmentors import EncoderDecoder

from opencd.registry import MODELS


@MODELS.register_module()
class SiamEncoderDecoder(EncoderDecoder):
    """Splits the input by channel; the neck takes both dates' features and must be there."""

    def __init__(self, backbone, decode_head, neck=None, backbone_inchannels=3, **kwargs):
        super().__init__(backbone=backbone, decode_head=decode_head, neck=neck, **kwargs)
        self.backbone_inchannels = backbone_inchannels

    def extract_feat(self, inputs):
        img_from, img_to = torch.split(inputs, self.backbone_inchannels, dim=1)
        if not self.with_neck:
            raise ValueError('`NECK` is needed for `SiamEncoderDecoder`.')
        return self.neck(self.backbone(img_from), self.backbone(img_to))
