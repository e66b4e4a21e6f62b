"""A ResNet of two images, which exchange features after each stage."""

import torch
from mmseg.models.backbones import ResNetV1c

from opencd.models.utils.interaction_layer import build_interaction
from opencd.registry import MODELS


@MODELS.register_module()
class IA_ResNetV1c(ResNetV1c):
    def __init__(self, interaction_cfg=(None, None, None, None), **kwargs):
        super().__init__(**kwargs)
        self.interactions = [cfg and build_interaction(**cfg) for cfg in interaction_cfg]

    def forward(self, x1, x2):
        dates, outs = [self.maxpool(self.stem(x)) for x in (x1, x2)], []
        for name, exchange in zip(self.res_layers, self.interactions):
            dates = [getattr(self, name)(x) for x in dates]
            if exchange:
                dates = exchange(*dates)
            outs.append(torch.cat(list(dates), dim=1))
        return tuple(outs)
