"""TFM, the temporal fusion module.

ConvFusion is computed a second time, for prediction in models/inference/forms.py and for exports in deploy/fusion.py:
change all three together.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from mmengine.model import BaseModule
from torch import Tensor, nn
from torch.nn import functional as F

from schanger_mm.models.layers import init_fan_out_
from schanger_mm.registry import MODELS
from schanger_mm.utils.errors import SettingError


class ConvFusion(nn.Module):
    """Fuse two dates by a learned 1x1 convolution, a layer norm over channels and GELU.

    Args:
        channels: channels of each date and of the result.
    """

    def __init__(self, channels: int):
        super().__init__()
        self.proj = nn.Conv2d(2 * channels, channels, 1)
        self.norm = nn.LayerNorm(channels, eps=1e-6)

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        """Fuse two maps ``(N, C, H, W)`` into one of that shape."""
        x = self.proj(torch.cat([a, b], dim=1))
        return F.gelu(self.norm(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2))


class Difference(nn.Module):
    """Fuse two dates by ``a - b``; no parameters."""

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        """Subtract two maps ``(N, C, H, W)``."""
        return a - b


class AbsoluteDifference(nn.Module):
    """Fuse two dates by ``|a - b|``, whichever comes first; no parameters."""

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        """Subtract two maps ``(N, C, H, W)``."""
        return (a - b).abs()


_MODES = {'conv': ConvFusion, 'diff': lambda channels: Difference(), 'abs': lambda channels: AbsoluteDifference()}


@MODELS.register_module()
class TFM(BaseModule):
    """Temporal fusion module, one weight set per level.

    ``forward`` makes it a neck of two pyramids, as Open-CD's necks are;
    ``fuse`` fuses one level when a head calls it.

    Source: Zhou et al., "SChanger", IEEE JSTARS 18, 2025.

    Args:
        in_channels: channels of each level.
        mode: ``'conv'`` (the paper's), ``'diff'`` (plain difference), ``'abs'``
            (absolute difference), or one of them per level.
        init_cfg: mmengine initialisation, applied after the authors' own.

    Raises:
        SettingError: a mode is unknown, or there are not as many as levels.
    """

    def __init__(self,
                 in_channels: Sequence[int],
                 mode: str | Sequence[str] = 'conv',
                 init_cfg: dict | None = None):
        super().__init__(init_cfg)
        modes = [mode] * len(in_channels) if isinstance(mode, str) else list(mode)
        if len(modes) != len(in_channels) or not set(modes) <= set(_MODES):
            raise SettingError(
                f'TFM: mode={mode!r} for {len(in_channels)} levels: expected {sorted(_MODES)}, once or one '
                'per level.')
        self.levels = nn.ModuleList(_MODES[m](c) for m, c in zip(modes, in_channels))

    def init_weights(self) -> None:
        """Initialise as the authors do, then as defined by ``init_cfg``."""
        init_fan_out_(self)
        super().init_weights()

    def fuse(self, level: int, a: Tensor, b: Tensor) -> Tensor:
        """Fuse one level: two maps ``(N, C, H, W)`` to one of that shape."""
        return self.levels[level](a, b)

    def forward(self, feats_from: Sequence[Tensor], feats_to: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Fuse two pyramids level by level.

        Args:
            feats_from: maps of date A, ``(N, C_i, H_i, W_i)`` each.
            feats_to: maps of date B, of the same shapes.

        Raises:
            SettingError: the pyramids do not have as many levels as this module.
        """
        if not len(feats_from) == len(feats_to) == len(self.levels):
            raise SettingError(
                f'TFM was built for {len(self.levels)} levels (in_channels) but got {len(feats_from)} of '
                f'date A and {len(feats_to)} of date B; check out_indices of the backbone.')
        return tuple(fusion(a, b) for fusion, a, b in zip(self.levels, feats_from, feats_to))
