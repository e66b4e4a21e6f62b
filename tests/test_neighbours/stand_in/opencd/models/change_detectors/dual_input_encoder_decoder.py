"""The detector whose backbone takes both images; one of its kind needs more than features to decode."""

import torch

from opencd.registry import MODELS

from .siamencoder_decoder import SiamEncoderDecoder


@MODELS.register_module()
class DIEncoderDecoder(SiamEncoderDecoder):
    def extract_feat(self, inputs):
        img_from, img_to = torch.split(inputs, self.backbone_inchannels, dim=1)
        return self.backbone(img_from, img_to)


@MODELS.register_module()
class AdapterEncoderDecoder(DIEncoderDecoder):
    def _forward(self, inputs, data_samples=None):
        return self.decode_head(self.extract_feat(inputs), inputs)  # which its head does not take
