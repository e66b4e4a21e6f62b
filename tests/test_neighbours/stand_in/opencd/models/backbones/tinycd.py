"""Builds a whole encoder, keeps its first stage, and compares two images by it."""

from mmengine.model import BaseModule
from mmseg.models.backbones import ResNet
from torch import nn

from opencd.registry import MODELS


@MODELS.register_module()
class TinyCD(BaseModule):
    def __init__(self, depth=101, init_cfg=None):
        super().__init__(init_cfg)
        whole = ResNet(depth=depth, norm_cfg=dict(type='BN'))
        self.kept = nn.Sequential(whole.conv1, whole.norm1, whole.relu)
        self.classify = nn.Conv2d(64, 1, 1)

    def forward(self, x1, x2):
        return (self.classify(self.kept(x2) - self.kept(x1)), )
