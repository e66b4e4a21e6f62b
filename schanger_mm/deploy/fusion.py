"""Temporal fusion without transposes."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from schanger_mm.models.inference.conv import InferenceConv
from schanger_mm.models.inference.form import FORMS
from schanger_mm.models.inference.forms import InferenceConvFusion
from schanger_mm.models.necks.tfm import ConvFusion


class CentredFusion(nn.Module):
    """:class:`InferenceConvFusion` with the layer norm in channels-first order.

    The norm subtracts the mean over channels. That is linear, so it is moved
    into the preceding convolutions: their weights and biases are centred over
    the output channels, and only a division by the root mean square remains.
    Backends run that in the layout of the convolutions; a layer norm over the
    last axis costs two transposes of full-resolution maps.
    """

    def __init__(self, part: ConvFusion, portable: bool):
        super().__init__()
        halves = InferenceConvFusion(part, portable)
        self.proj_a, self.proj_b = _centred(halves.proj_a), _centred(halves.proj_b)
        self.eps = part.norm.eps
        self.register_buffer('scale', part.norm.weight.detach()[:, None, None])
        self.register_buffer('shift', part.norm.bias.detach()[:, None, None])

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        """Fuse two maps ``(N, C, H, W)`` into one of that shape."""
        x = self.proj_b(b, add=self.proj_a(a))
        rms = torch.sqrt((x * x).mean(1, keepdim=True) + self.eps)
        return F.gelu(x * (1 / rms) * self.scale + self.shift)


FORMS_TO_EXPORT = {**FORMS, ConvFusion: CentredFusion}


def _centred(conv: InferenceConv) -> InferenceConv:
    weight, bias = conv.weight.double(), conv.bias.double()
    weight, bias = weight - weight.mean(0, keepdim=True), bias - bias.mean()
    return InferenceConv(weight.to(conv.weight.dtype), bias.to(conv.bias.dtype), conv, None, conv.portable)
