"""A decode head for maps of one size, such as those of a Vision Transformer."""

from __future__ import annotations

from collections.abc import Sequence

from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from torch import Tensor, nn
from torch.nn import functional as F

from schanger_mm.registry import MODELS
from schanger_mm.utils.errors import SettingError

LEVELS = 4


@MODELS.register_module()
class MapDPTHead(BaseDecodeHead):
    """Dense prediction head: four maps of one size become a pyramid, which is merged from coarse to fine.

    The maps are scaled by 4, 2, 1 and 1/2, the first (of the shallowest block)
    to the finest level. Other than mmseg's ``DPTHead`` it takes maps without
    class tokens, so it works behind a neck that fuses two dates. Maps are
    resampled without aligned corners, which the authors align: maps of one
    cell have none, so networks that align them cannot be traced for any size.

    Source: Ranftl et al., "Vision Transformers for Dense Prediction", ICCV
    2021, without its read-out of the class token, as UniMatch V2 uses it (arXiv 2410.10777).

    Args:
        in_channels: channels of the four maps.
        widths: channels of the four levels before they are merged.
        channels: channels of the merged maps.
        in_index: which of the inputs are the four maps.
        dropout_ratio, loss_decode, align_corners: those of mmseg's ``BaseDecodeHead``.
        **kwargs: its other arguments.

    Raises:
        SettingError: not four maps or widths.
    """

    def __init__(self,
                 in_channels: Sequence[int],
                 widths: Sequence[int] = (96, 192, 384, 768),
                 channels: int = 128,
                 in_index: Sequence[int] = (0, 1, 2, 3),
                 dropout_ratio: float = 0.0,
                 loss_decode: dict | Sequence[dict] = dict(  # noqa: B006
                     type='mmseg.CrossEntropyLoss', avg_non_ignore=True),
                 align_corners: bool = False,
                 **kwargs):
        for name, values in (('in_channels', in_channels), ('widths', widths), ('in_index', in_index)):
            if len(values) != LEVELS:
                raise SettingError(f'MapDPTHead: {name}={list(values)}; expected {LEVELS} values.')
        super().__init__(in_channels=list(in_channels), channels=channels, in_index=list(in_index),
                         input_transform='multiple_select', dropout_ratio=dropout_ratio, loss_decode=loss_decode,
                         align_corners=align_corners, **kwargs)
        self.projections = nn.ModuleList(nn.Conv2d(c, width, 1) for c, width in zip(in_channels, widths))
        self.scalings = nn.ModuleList([
            nn.ConvTranspose2d(widths[0], widths[0], 4, stride=4),
            nn.ConvTranspose2d(widths[1], widths[1], 2, stride=2),
            nn.Identity(),
            nn.Conv2d(widths[3], widths[3], 3, stride=2, padding=1),
        ])
        self.laterals = nn.ModuleList(nn.Conv2d(width, channels, 3, padding=1, bias=False) for width in widths)
        self.merges = nn.ModuleList(Merge(channels, with_skip=level < LEVELS - 1) for level in range(LEVELS))
        self.last = nn.Sequential(nn.Conv2d(channels, channels, 3, padding=1), nn.ReLU())

    def forward(self, inputs: Sequence[Tensor]) -> Tensor:
        """Decode maps ``(N, C_i, h, w)`` to logits ``(N, out_channels, 8 h, 8 w)``.

        Raises:
            SettingError: there are fewer maps than ``in_index`` names.
        """
        if len(inputs) <= max(self.in_index):
            raise SettingError(f'MapDPTHead: in_index={self.in_index}, but the backbone or neck returns {len(inputs)} '
                               'maps; set out_indices of the backbone.')
        maps = self._transform_inputs(inputs)
        levels = [lateral(scale(project(x))) for x, project, scale, lateral in zip(
            maps, self.projections, self.scalings, self.laterals)]
        merged = self.merges[-1](levels[-1], None, levels[-2].shape[-2:])
        for level in range(LEVELS - 2, -1, -1):
            height, width = levels[level].shape[-2:]
            size = levels[level - 1].shape[-2:] if level else (2 * height, 2 * width)
            merged = self.merges[level](merged, levels[level], size)
        return self.cls_seg(self.last(merged))


class Merge(nn.Module):
    """Add a finer level to the merged map, refine it, and resample it to the next level's size.

    Args:
        channels: of both maps and of the result.
        with_skip: whether there is a finer level to add.
    """

    def __init__(self, channels: int, with_skip: bool):
        super().__init__()
        self.skip = ResidualUnit(channels) if with_skip else None
        self.refine = ResidualUnit(channels)
        self.out = nn.Conv2d(channels, channels, 1)

    def forward(self, merged: Tensor, level: Tensor | None, size: Sequence[int]) -> Tensor:
        """Merge two maps of one size ``(N, C, h, w)`` into one of ``size``."""
        if self.skip is not None:
            merged = merged + self.skip(level)
        return self.out(F.interpolate(self.refine(merged), size=tuple(size), mode='bilinear', align_corners=False))


class ResidualUnit(nn.Module):
    """Two 3x3 convolutions, each after a ReLU, and the input added to them."""

    def __init__(self, channels: int):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(N, C, h, w)`` to the same shape."""
        return x + self.conv2(F.relu(self.conv1(F.relu(x))))
