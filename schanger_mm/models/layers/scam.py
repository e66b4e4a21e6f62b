"""SCAM, the spatial consistency attention module, and the large-kernel attention inside it.

A change is at the same place in both images: ONE attention map, computed from
both dates together, gates both of them (SChanger, JSTARS 2025).

SCAM and SCLKA are computed a second time, for prediction, in models/inference/forms.py: change both together.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from schanger_mm.models.layers.build import build_part
from schanger_mm.models.layers.date_norm import norm_per_date
from schanger_mm.models.layers.drop_path import DropPath
from schanger_mm.models.layers.recompute import recompute
from schanger_mm.registry import MODELS

#: Turns the features of both dates, each (N, C, H, W), into one map of that shape.
Fuse = Callable[[Tensor, Tensor], Tensor]


class SharedAttention(nn.Module, ABC):
    """Gate both dates by one attention map; a subclass computes the map.

    SCAM builds it with ``channels`` and with what else its config says.
    """

    @abstractmethod
    def attention_map(self, x: Tensor) -> Tensor:
        """Compute the gate for features ``(N, C, H, W)``, of the same shape."""

    def forward(self, dates: Sequence[Tensor], fuse: Fuse | None = None) -> list[Tensor]:
        """Gate one or two feature maps ``(N, C, H, W)``.

        Args:
            dates: one feature map (single-temporal) or two.
            fuse: makes one map of the two, which then share their attention map;
                None: each gets its own.
        """
        if fuse is None:
            return [x * self.attention_map(x) for x in dates]
        attention = self.attention_map(fuse(*dates))
        return [x * attention for x in dates]


@MODELS.register_module()
class SCLKA(SharedAttention):
    """Spatially consistent large-kernel attention: one map for all dates.

    5x5 depthwise -> 7x7 depthwise with dilation 3 -> 1x1 give the map from the
    fused features; receptive field 23 x 23.

    Args:
        channels: channels of the features and of the map.
        large: False leaves the dilated convolution out, so the receptive field
            is 5 x 5 (ablation).
    """

    def __init__(self, channels: int, large: bool = True):
        super().__init__()
        self.local = nn.Conv2d(channels, channels, 5, padding=2, groups=channels)
        self.dilated = (
            nn.Conv2d(channels, channels, 7, padding=9, groups=channels, dilation=3) if large else nn.Identity())
        self.mix = nn.Conv2d(channels, channels, 1)

    def attention_map(self, x: Tensor) -> Tensor:
        """Compute the gate for features ``(N, C, H, W)``, of the same shape."""
        return self.mix(self.dilated(self.local(x)))


class ConvMLP(nn.Module):
    """Per-pixel MLP with a 3x3 depthwise convolution in the middle.

    Args:
        channels: channels in and out.
        expansion: width of the hidden layer in multiples of ``channels``.
        drop_rate: dropout after the activation and after the output.
    """

    def __init__(self, channels: int, expansion: int = 4, drop_rate: float = 0.0):
        super().__init__()
        hidden = expansion * channels
        self.fc1 = nn.Conv2d(channels, hidden, 1)
        self.depthwise = nn.Conv2d(hidden, hidden, 3, padding=1, groups=hidden)
        self.fc2 = nn.Conv2d(hidden, channels, 1)
        self.drop = nn.Dropout(drop_rate)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(N, C, H, W)`` to the same shape."""
        return self.drop(self.fc2(self.drop(F.gelu(self.depthwise(self.fc1(x))))))


def attend_to_dates(attention: nn.Module, maps: list[Tensor], fuse: Fuse | None) -> list[Tensor]:
    """Call an attention on maps of one date each; one map with ``fuse`` holds both dates, ``(2 N, C, H, W)``."""
    if fuse is None or len(maps) == 2:
        return attention(maps, fuse)
    return [torch.cat(attention(list(maps[0].chunk(2)), fuse))]


@MODELS.register_module()
class SCAM(nn.Module):
    """Spatial consistency attention module: shared attention, then a convolutional MLP.

    Every date passes through the same weights, date A first, so batch norms
    see one date at a time.

    Args:
        channels: channels in and out.
        drop_rate: dropout rate and stochastic depth rate.
        attention: config of what gates the dates, :class:`SCLKA` where it
            names no type; None: no gate at all.
        with_cp: keep only the inputs of both halves in training and run them
            again in backward.
    """

    LAYER_SCALE_INIT = 1e-2
    dates = 1
    """Dates in each batch, set by ``set_dates``."""

    def __init__(self, channels: int, drop_rate: float = 0.2,
                 attention: dict | None = dict(type='SCLKA'),  # noqa: B006
                 with_cp: bool = False):
        super().__init__()
        self.with_cp = with_cp
        self.norm1 = nn.BatchNorm2d(channels)
        self.proj_in = nn.Conv2d(channels, channels, 1)
        self.attention = None if attention is None else build_part(attention, 'SCLKA', channels=channels)
        self.proj_out = nn.Conv2d(channels, channels, 1)
        self.norm2 = nn.BatchNorm2d(channels)
        self.mlp = ConvMLP(channels, drop_rate=drop_rate)
        self.drop_path = DropPath(drop_rate)
        self.scale1 = nn.Parameter(torch.full((channels, ), self.LAYER_SCALE_INIT))
        self.scale2 = nn.Parameter(torch.full((channels, ), self.LAYER_SCALE_INIT))

    def forward(self, dates: Sequence[Tensor], fuse: Fuse | None = None) -> list[Tensor]:
        """Map one or two feature maps ``(N, C, H, W)`` to as many of the same shape.

        Args:
            dates: one feature map (single-temporal) or two, date A first; or both dates in one batch
                (``self.dates`` is 2): one map ``(2 N, C, H, W)``.
            fuse: makes one map of the two inside the attention.
        """
        if self.with_cp and self.training:
            dates = recompute(self, self.attend, dates, fuse)
            return [recompute(self, self.transform, x) for x in dates]
        return [self.transform(x) for x in self.attend(dates, fuse)]

    def attend(self, dates: Sequence[Tensor], fuse: Fuse | None = None) -> list[Tensor]:
        """Gate by the (shared) attention map and add: the first half."""
        normed = [norm_per_date(self.norm1, x, self.dates) for x in dates]
        gated = [F.gelu(self.proj_in(n)) for n in normed]
        if self.attention is not None:
            gated = attend_to_dates(self.attention, gated, fuse)
        return [x + self.drop_path(self.scale1[:, None, None] * (self.proj_out(q) + n))
                for x, n, q in zip(dates, normed, gated)]

    def transform(self, x: Tensor) -> Tensor:
        """Add the convolutional MLP, for one date: the second half."""
        return x + self.drop_path(self.scale2[:, None, None] * self.mlp(norm_per_date(self.norm2, x, self.dates)))
