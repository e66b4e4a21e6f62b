"""LFEM, the lightweight feature enhancement module that both encoder and decoder are made of.

It is computed a second time, for prediction, in models/inference/forms.py: change both together.
"""

from collections import OrderedDict

import torch
from torch import Tensor, nn

from schanger_mm.models.layers.date_norm import norm_per_date
from schanger_mm.models.layers.drop_path import DropPath
from schanger_mm.models.layers.recompute import recompute
from schanger_mm.registry import MODELS


class ConvNormAct(nn.Sequential):
    """What :func:`conv_bn_act` builds; its norm sees one date at a time."""

    dates = 1
    """Dates in the batch, set by ``set_dates``."""

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(dates * N, in_channels, H, W)`` to ``(dates * N, out_channels, H, W)``."""
        x = norm_per_date(self.bn, self.conv(x), self.dates)
        return self.act(x) if hasattr(self, 'act') else x


def conv_bn_act(in_channels: int,
                out_channels: int,
                kernel_size: int,
                *,
                groups: int = 1,
                act: bool = True,
                eps: float = 1e-3) -> nn.Sequential:
    """Build convolution (no bias, same size) -> batch norm -> SiLU, named ``conv``, ``bn``, ``act``."""
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    layers['conv'] = nn.Conv2d(
        in_channels, out_channels, kernel_size, padding=kernel_size // 2, groups=groups, bias=False)
    layers['bn'] = nn.BatchNorm2d(out_channels, eps=eps, momentum=0.1)
    if act:
        layers['act'] = nn.SiLU()
    return ConvNormAct(layers)


class SqueezeExcite(nn.Module):
    """Scale channels by a gate computed from their spatial mean.

    The mean runs over whatever window is given, so a prediction depends (a
    little) on the tile it was made in.

    Args:
        channels: channels of the input and of the gate.
        hidden: channels of the bottleneck.
    """

    def __init__(self, channels: int, hidden: int):
        super().__init__()
        self.reduce = nn.Conv2d(channels, hidden, 1)
        self.act = nn.SiLU()
        self.expand = nn.Conv2d(hidden, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Gate ``(N, C, H, W)``; same shape out."""
        gate = self.expand(self.act(self.reduce(x.mean((2, 3), keepdim=True))))
        return x * torch.sigmoid(gate)


@MODELS.register_module()
class LFEM(nn.Module):
    """Inverted residual block with squeeze-excite and stochastic depth (SChanger, JSTARS 2025).

    1x1 expansion by six -> 3x3 depthwise -> squeeze-excite -> 1x1 projection;
    the input is added where ``in_channels == out_channels``.

    Args:
        in_channels: channels in.
        out_channels: channels out.
        drop_rate: stochastic depth rate of the residual branch.
        with_cp: keep only the input in training and run the block again in
            backward.
    """

    EXPANSION = 6

    def __init__(self, in_channels: int, out_channels: int, drop_rate: float = 0.2, with_cp: bool = False):
        super().__init__()
        self.with_cp = with_cp
        width = self.EXPANSION * in_channels
        self.expand = conv_bn_act(in_channels, width, 1)
        self.depthwise = conv_bn_act(width, width, 3, groups=width)
        self.se = SqueezeExcite(width, int(0.25 * in_channels))
        self.project = conv_bn_act(width, out_channels, 1, act=False)
        self.residual = in_channels == out_channels
        self.drop_path = DropPath(drop_rate)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(N, in_channels, H, W)`` to ``(N, out_channels, H, W)``."""
        if self.with_cp and self.training:
            return recompute(self, self._forward, x)
        return self._forward(x)

    def _forward(self, x: Tensor) -> Tensor:
        branch = self.project(self.se(self.depthwise(self.expand(x))))
        return x + self.drop_path(branch) if self.residual else branch
