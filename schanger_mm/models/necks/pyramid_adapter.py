"""From the maps of any backbone to the five levels of SChanger's decoder."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from mmengine.model import BaseModule
from torch import Tensor, nn
from torch.nn import functional as F

from schanger_mm.models.layers import init_fan_out_, resolve_arch
from schanger_mm.registry import MODELS
from schanger_mm.utils.errors import SettingError

STRIDES = (1, 2, 4, 8, 16)


@MODELS.register_module()
class PyramidAdapter(BaseModule):
    """Turn up to five maps into the strides and widths that :class:`SpatialConsistencyHead` takes.

    The last map becomes the level of stride 16, the one before it that of
    stride 8, and so on; finer levels that have no map are made from the level
    above. A level is a 1x1 convolution to its width, batch norm, bilinear
    resampling and a 3x3 convolution. The weights are shared by the dates.

    Args:
        in_channels: channels of the backbone's maps, fine to coarse or shallow to deep.
        stride: of the last map, in pixels. Where it is no multiple of 16, the images must be: set ``size_divisor``
            of the detector to a multiple of both.
        arch: that of the head: ``'base'``, ``'small'`` or six widths.
        init_cfg: mmengine initialisation, applied after SChanger's own.

    Raises:
        SettingError: no map, or more than five.
    """

    def __init__(self, in_channels: Sequence[int], stride: int, arch: str | Sequence[int] = 'base',
                 init_cfg: dict | None = None):
        super().__init__(init_cfg)
        if not 1 <= len(in_channels) <= len(STRIDES):
            raise SettingError(f'PyramidAdapter: in_channels={list(in_channels)}; expected one to {len(STRIDES)} maps.')
        if stride < 1:
            raise SettingError(f'PyramidAdapter: stride={stride}; expected that of the last map, 1 or more.')
        self.stride, self.maps = stride, len(in_channels)
        widths = list(resolve_arch(arch)[1:])[::-1]  # coarse to fine
        sources = [*in_channels[::-1], *widths[len(in_channels) - 1:]]
        self.projections = nn.ModuleList(
            nn.Sequential(nn.Conv2d(source, width, 1, bias=False), nn.BatchNorm2d(width))
            for source, width in zip(sources, widths))
        self.smoothings = nn.ModuleList(nn.Conv2d(width, width, 3, padding=1) for width in widths)

    def init_weights(self) -> None:
        """Initialise as SChanger's other convolutions, then as defined by ``init_cfg``."""
        init_fan_out_(self)
        super().init_weights()

    def forward(self, feats_from: Sequence[Tensor], feats_to: Sequence[Tensor] | None = None) -> tuple[Tensor, ...]:
        """Adapt the maps ``(N, C_i, h_i, w_i)`` of one date, or of two.

        Returns:
            Five maps at strides 1, 2, 4, 8 and 16, ``(N, width, H, W)``; of two dates concatenated on channels,
            ``(N, 2 width, H, W)``, date A first.

        Raises:
            SettingError: another number of maps than ``in_channels`` has, or an image whose sides are no multiples
                of 16.
        """
        levels = self._adapt(feats_from)
        if feats_to is not None:
            levels = [torch.cat(pair, dim=1) for pair in zip(levels, self._adapt(feats_to))]
        return tuple(levels)

    def _adapt(self, maps: Sequence[Tensor]) -> list[Tensor]:
        if len(maps) != self.maps:
            raise SettingError(f'PyramidAdapter has {self.maps} in_channels and got {len(maps)} maps; set out_indices '
                               'of the backbone or in_channels.')
        height, width = (side * self.stride for side in maps[-1].shape[-2:])
        if self.stride % 16 and (height % 16 or width % 16):
            raise SettingError(f'PyramidAdapter got maps of an image of {height} x {width} px; expected multiples of '
                               f'16. Set size_divisor of the detector to a multiple of 16 and {self.stride}, and crop '
                               'the training images to multiples of it.')
        levels: list[Tensor] = []
        for level, (project, smooth) in enumerate(zip(self.projections, self.smoothings)):
            source = maps[-1 - level] if level < self.maps else levels[-1]
            stride = STRIDES[-1 - level]
            size = height // stride, width // stride
            resampled = F.interpolate(project(source), size=size, mode='bilinear', align_corners=False)
            levels.append(smooth(resampled))
        return levels[::-1]
