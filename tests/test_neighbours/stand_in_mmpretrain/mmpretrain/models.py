"""A pyramid of the widths of ConvNeXt."""

from mmengine.model import BaseModule
from torch import nn

from mmpretrain.registry import MODELS

WIDTHS = {'atto': (40, 80, 160, 320)}


@MODELS.register_module()
class ConvNeXt(BaseModule):
    def __init__(self, arch='tiny', out_indices=-1, gap_before_final_norm=True, init_cfg=None):
        super().__init__(init_cfg)
        assert not gap_before_final_norm
        self.out_indices = out_indices
        widths = (3, *WIDTHS[arch])
        self.stages = nn.ModuleList(
            nn.Sequential(nn.Conv2d(a, b, step, step), nn.GroupNorm(1, b), nn.GELU())
            for a, b, step in zip(widths, widths[1:], (4, 2, 2, 2)))

    def forward(self, x):
        outs = []
        for stage in self.stages:
            x = stage(x)
            outs.append(x)
        return tuple(outs[i] for i in self.out_indices)
