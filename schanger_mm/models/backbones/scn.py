"""SCN, the shared-weight encoder of SChanger."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from mmengine.model import BaseModule
from torch import Tensor, nn
from torch.nn import functional as F

from schanger_mm.models.layers import build_part, conv_bn_act, init_fan_out_, resolve_arch
from schanger_mm.registry import MODELS
from schanger_mm.utils.errors import SettingError


@MODELS.register_module()
class SCN(BaseModule):
    """Stem and five stages of two LFEMs; one image in, five feature maps out.

    The stem and the first stage work at full resolution; 2x2 max-pooling
    precedes each later stage. It is also an ordinary mmseg backbone.

    Source: Zhou et al., "SChanger", IEEE JSTARS 18, 2025.

    Args:
        arch: ``'base'``, ``'small'`` or six widths (stem, then strides 1, 2, 4, 8, 16).
        in_channels: bands of one image.
        drop_rate: stochastic depth rate.
        with_cp: keep only the input of each LFEM in training and run it again
            in backward: same gradients, a fraction of the memory.
        block: config of the blocks of the stages, :class:`LFEM` if it
            has no type; built with ``in_channels``, ``out_channels``,
            ``drop_rate`` and ``with_cp``.
        init_cfg: mmengine initialisation (for example ``Pretrained``), applied
            after the authors' own.
    """

    joins_dates = True
    """Whether it can take both dates in one batch; see ``set_dates``."""

    def __init__(self,
                 arch: str | Sequence[int] = 'base',
                 in_channels: int = 3,
                 drop_rate: float = 0.2,
                 with_cp: bool = False,
                 block: dict = dict(type='LFEM'),  # noqa: B006
                 init_cfg: dict | None = None):
        super().__init__(init_cfg)
        stem, *self.out_channels = widths = resolve_arch(arch)
        self.stem = conv_bn_act(in_channels, stem, 3, eps=1e-5)
        build_block = partial(build_part, block, 'LFEM', drop_rate=drop_rate, with_cp=with_cp)
        self.stages = nn.ModuleList(
            nn.Sequential(build_block(in_channels=c_in, out_channels=c_out),
                          build_block(in_channels=c_out, out_channels=c_out))
            for c_in, c_out in zip(widths, widths[1:]))

    def init_weights(self) -> None:
        """Initialise as the authors do, then as defined by ``init_cfg``."""
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
            SettingError: H or W is not a multiple of 16.
        """
        if x.shape[-2] % 16 or x.shape[-1] % 16:
            raise SettingError(
                f'SCN got images of {x.shape[-2]} x {x.shape[-1]} px: both sides must be multiples of 16. '
                'pad the input (size_divisor=16 in the data preprocessor), or use a detector that pads and crops '
                'back by itself.')
        x = self.stem(x)
        features = []
        for index, stage in enumerate(self.stages):
            x = stage(F.max_pool2d(x, 2) if index else x)
            features.append(x)
        return tuple(features)
