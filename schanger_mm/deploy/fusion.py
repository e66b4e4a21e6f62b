"""Temporal fusion without transposes."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from schanger_mm.models.inference.conv import InferenceConv
from schanger_mm.models.inference.forms import InferenceConvFusion


class CentredFusion(nn.Module):
    """:class:`InferenceConvFusion` with the layer norm in channels-first order.

    The norm subtracts the mean over channels. That is linear, so the
    convolutions before it do it here: their weights and biases are centred
    over the output channels, and what remains is a division by the root mean
    square. Backends run that on the layout of the convolutions; the layer norm
    of the last axis costs two transposes of full-resolution maps.
    """

    def __init__(self, part: InferenceConvFusion):
        super().__init__()
        self.proj_a, self.proj_b = _centred(part.proj_a), _centred(part.proj_b)
        self.eps = part.norm.eps
        self.register_buffer('scale', part.norm.weight.detach()[:, None, None])
        self.register_buffer('shift', part.norm.bias.detach()[:, None, None])

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        """Fuse two maps ``(N, C, H, W)`` into one of that shape."""
        x = self.proj_b(b, add=self.proj_a(a))
        rms = torch.sqrt((x * x).mean(1, keepdim=True) + self.eps)
        return F.gelu(x * (1 / rms) * self.scale + self.shift)


def without_transposes(network: nn.Module) -> nn.Module:
    """Put :class:`CentredFusion` in the place of every :class:`InferenceConvFusion`, in place."""
    for name, child in network.named_children():
        if isinstance(child, InferenceConvFusion):
            setattr(network, name, CentredFusion(child))
        else:
            without_transposes(child)
    return network


def _centred(conv: InferenceConv) -> InferenceConv:
    weight, bias = conv.weight.double(), conv.bias.double()
    weight, bias = weight - weight.mean(0, keepdim=True), bias - bias.mean()
    return InferenceConv(weight.to(conv.weight.dtype), bias.to(conv.bias.dtype), conv, None, conv.portable)
