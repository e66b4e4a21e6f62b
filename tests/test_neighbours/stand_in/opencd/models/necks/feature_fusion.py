"""Joins two pyramids level by level without parameters."""

import torch
from mmengine.model import BaseModule

from opencd.registry import MODELS


@MODELS.register_module()
class FeatureFusionNeck(BaseModule):
    POLICIES = {
        'concat': lambda a, b: torch.cat([a, b], dim=1),
        'sum': torch.add,
        'diff': lambda a, b: b - a,
        'abs_diff': lambda a, b: (a - b).abs(),
    }

    def __init__(self, policy, in_channels=None, channels=None, out_indices=(0, 1, 2, 3)):
        super().__init__()
        self.policy, self.out_indices = policy, out_indices

    def forward(self, x1, x2):
        assert len(x1) == len(x2)
        assert self.policy in self.POLICIES
        outs = [self.POLICIES[self.policy](a, b) for a, b in zip(x1, x2)]
        return tuple(outs[i] for i in self.out_indices)
