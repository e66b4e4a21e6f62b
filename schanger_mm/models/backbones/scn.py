"""SCN, the shared-weight encoder of SChanger."""

from __future__ import annotations

from collections.abc import Sequence

from mmengine.model import BaseModule
from torch import Tensor, nn
from torch.nn import functional as F

from schanger_mm.models.layers import LFEM, conv_bn_act, init_fan_out_, resolve_arch
from schanger_mm.registry import MODELS


@MODELS.register_module()
class SCN(BaseModule):
    """Stem and five stages of two LFEMs; one image in, five feature maps out.

    The stem and the first stage work at full resolution; 2x2 max-pooling
    precedes each later stage. Alone it is an ordinary mmseg backbone.

    Source: Zhou et al., "SChanger", IEEE JSTARS 18, 2025.

    Args:
        arch: ``'base'``, ``'small'`` or six widths (stem, then strides 1, 2, 4, 8, 16).
        in_channels: bands of one image.
        drop_rate: stochastic depth rate.
        with_cp: keep only the input of each LFEM in training and run it again
            in backward: same gradients, a fraction of the memory.
        init_cfg: mmengine initialisation (for example ``Pretrained``), applied
            after the authors' own.
    """

    def __init__(self,
                 arch: str | Sequence[int] = 'base',
                 in_channels: int = 3,
                 drop_rate: float = 0.2,
                 with_cp: bool = False,
                 init_cfg: dict | None = None):
        super().__init__(init_cfg)
        stem, *self.out_channels = widths = resolve_arch(arch)
        self.stem = conv_bn_act(in_channels, stem, 3, eps=1e-5)
        self.stages = nn.ModuleList(
            nn.Sequential(LFEM(c_in, c_out, drop_rate, with_cp), LFEM(c_out, c_out, drop_rate, with_cp))
            for c_in, c_out in zip(widths, widths[1:]))

    def init_weights(self) -> None:
        """Initialise as the authors do, then as ``init_cfg`` says."""
        init_fan_out_(self)
        super().init_weights()

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Encode images.

        Args:
            x: images of one date, ``(N, in_channels, H, W)``; H and W
                multiples of 16.

        Returns:
            Five maps at strides 1, 2, 4, 8 and 16.

        Raises:
            ValueError: H or W is not a multiple of 16.
        """
        if x.shape[-2] % 16 or x.shape[-1] % 16:
            raise ValueError(
                f'SCN got images of {x.shape[-2]} x {x.shape[-1]} px: both sides must be multiples of 16. '
                'pad the input (size_divisor=16 in the data preprocessor), or use a detector that pads and crops '
                'back by itself.')
        x = self.stem(x)
        features = []
        for index, stage in enumerate(self.stages):
            x = stage(F.max_pool2d(x, 2) if index else x)
            features.append(x)
        return tuple(features)
