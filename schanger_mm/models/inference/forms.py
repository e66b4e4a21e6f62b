"""SChanger's parts as inference runs them: norms folded away, activations fused or in place.

Each takes the trained part and is called like it. The portable variants use
ordinary operators on whole maps, which can be exported and compiled.

They are the twins of layers/lfem.py, layers/scam.py and necks/tfm.py. Each is compared with its part whenever it is
made, and a change of only one of the two is refused.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from schanger_mm.models.inference.conv import InferenceConv, affine
from schanger_mm.models.inference.rows import Rows, join_rows, split_rows
from schanger_mm.models.layers import LFEM, SCAM
from schanger_mm.models.layers.scam import SCLKA, Fuse, attend_to_dates
from schanger_mm.models.necks.tfm import ConvFusion


class InferenceLFEM(nn.Module):
    """:class:`LFEM`: the expanded map exists once, after its depthwise convolution, and is gated in place."""

    def __init__(self, part: LFEM, portable: bool):
        super().__init__()
        self.expand = InferenceConv.of(part.expand.conv, part.expand.bn, 'silu', portable)
        self.depthwise = InferenceConv.of(part.depthwise.conv, part.depthwise.bn, 'silu', portable)
        self.reduce = InferenceConv.of(part.se.reduce, None, 'silu', portable)
        self.gate = InferenceConv.of(part.se.expand, None, None, portable)
        self.project = InferenceConv.of(part.project.conv, part.project.bn, None, portable)
        self.residual = part.residual
        self.portable = portable

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(N, in_channels, H, W)`` to ``(N, out_channels, H, W)``."""
        if self.portable:
            y = self.depthwise(self.expand(x))
            gate = self.gate(self.reduce(y.mean((2, 3), keepdim=True))).sigmoid()
            return self.project(y * gate, add=x if self.residual else None)
        exact = torch.promote_types(x.dtype, torch.float32)  # the sum over a large map is beyond float16
        blocks, wide, total = split_rows(x, self.expand.out_channels), [], torch.zeros(())
        for rows in blocks:
            wide.append(rows.cut(self.depthwise(self.expand(rows.with_neighbours))))
            total = total + wide[-1].sum((2, 3), keepdim=True, dtype=exact)
        mean = (total / (x.shape[-2] * x.shape[-1])).to(x.dtype)
        gate = self.gate(self.reduce(mean)).sigmoid()
        wide.reverse()  # so that each is let go once it is projected
        return join_rows([self.project(wide.pop().mul_(gate), add=rows.own if self.residual else None)
                          for rows in blocks])


class InferenceSCLKA(nn.Module):
    """:class:`SCLKA`: dates are gated in place, unless it is portable."""

    def __init__(self, part: SCLKA, portable: bool):
        super().__init__()
        convs = (conv for conv in (part.local, part.dilated, part.mix) if not isinstance(conv, nn.Identity))
        self.attention_map = nn.Sequential(*(InferenceConv.of(conv, portable=portable) for conv in convs))
        self.portable = portable

    def forward(self, dates: Sequence[Tensor], fuse: Fuse | None = None) -> list[Tensor]:
        """Gate one or two feature maps ``(N, C, H, W)``."""
        if fuse is None:
            return [self._gate(x, self.attention_map(x)) for x in dates]
        attention = self.attention_map(fuse(*dates))
        return [self._gate(x, attention) for x in dates]

    def _gate(self, x: Tensor, attention: Tensor) -> Tensor:
        return x * attention if self.portable else x.mul_(attention)


class InferenceSCAM(nn.Module):
    """:class:`SCAM`: both norms and both layer scales are inside the convolutions around them.

    With the first norm ``n = a x + b`` and the first scale ``s``,
    ``x + s (proj_out(q) + n) = (1 + s a) x + s b + s proj_out(q)``.
    """

    def __init__(self, part: SCAM, portable: bool):
        super().__init__()
        scale1, shift1 = affine(part.norm1)
        scale2, shift2 = affine(part.norm2)
        self.proj_in = _after_affine(part.proj_in, scale1, shift1, 'gelu', portable)
        self.attention: nn.Module | None = part.attention
        out, fc2 = part.proj_out, part.mlp.fc2
        self.proj_out = InferenceConv(_scaled(out.weight, part.scale1), (out.bias + shift1) * part.scale1, out, None,
                                      portable)
        self.register_buffer('keep', (1 + part.scale1 * scale1).detach()[:, None, None], persistent=False)
        self.fc1 = _after_affine(part.mlp.fc1, scale2, shift2, None, portable)
        self.depthwise = InferenceConv.of(part.mlp.depthwise, None, 'gelu', portable)
        self.fc2 = InferenceConv(_scaled(fc2.weight, part.scale2), fc2.bias * part.scale2, fc2, None, portable)
        self.portable = portable

    def forward(self, dates: Sequence[Tensor], fuse: Fuse | None = None) -> list[Tensor]:
        """Map one or two feature maps ``(N, C, H, W)`` to as many of the same shape."""
        gated = [self.proj_in(x) for x in dates]
        if self.attention is not None:
            gated = attend_to_dates(self.attention, gated, fuse)
        gated.reverse()  # so that each is let go once it is used
        return [self._residuals(x, gated.pop()) for x in dates]

    def _residuals(self, x: Tensor, gated: Tensor) -> Tensor:
        x = self.proj_out(gated, add=x * self.keep)
        blocks = [Rows(x, x, 0)] if self.portable else split_rows(x, self.fc1.out_channels)
        return join_rows([self.fc2(rows.cut(self.depthwise(self.fc1(rows.with_neighbours))), add=rows.own)
                          for rows in blocks])


class InferenceConvFusion(nn.Module):
    """:class:`ConvFusion`: each date has its half of the weights, so nothing is concatenated."""

    def __init__(self, part: ConvFusion, portable: bool):
        super().__init__()
        channels = part.proj.out_channels
        half = nn.Conv2d(channels, channels, 1, device='meta')
        a, b = part.proj.weight.split(channels, dim=1)
        self.proj_a = InferenceConv(a, part.proj.bias, half, None, portable)
        self.proj_b = InferenceConv(b, torch.zeros_like(part.proj.bias), half, None, portable)
        self.norm = part.norm

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        """Fuse two maps ``(N, C, H, W)`` into one of that shape."""
        x = self.proj_b(b, add=self.proj_a(a))
        return F.gelu(self.norm(x.permute(0, 2, 3, 1))).permute(0, 3, 1, 2)


def _after_affine(conv: nn.Conv2d, scale: Tensor, shift: Tensor, act: str | None, portable: bool) -> InferenceConv:
    """Fold what comes BEFORE a 1x1 convolution, which is exact without padding, into it."""
    bias = conv.bias + conv.weight.flatten(1) @ shift
    return InferenceConv(conv.weight * scale[:, None, None], bias, conv, act, portable)


def _scaled(weight: Tensor, scale: Tensor) -> Tensor:
    """Scale the outputs of a convolution."""
    return weight * scale[:, None, None, None]
