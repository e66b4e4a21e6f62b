"""A loss on distances."""

from torch import nn

from opencd.registry import MODELS


@MODELS.register_module()
class BCLLoss(nn.Module):
    def forward(self, distance, target):
        return (distance * (1 - target)).mean()
