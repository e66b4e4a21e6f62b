"""SCN, the shared-weight encoder of SChanger."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial

import torch
from mmengine.model import BaseModule
from torch import Tensor, nn
from torch.nn import functional as F

from schanger_mm.models.layers import build_part, conv_bn_act, init_fan_out_, resolve_arch
from schanger_mm.registry import MODELS
from schanger_mm.utils.errors import SettingError

STRIDE = 'stride_'
"""Beginning of the entry of a checkpoint that tells its stride, if that is not 1."""


@MODELS.register_module()
class SCN(BaseModule):
    """Stem and five stages of two LFEMs; one image in, five feature maps out.

    The stem and the first stage work at the resolution of the input, or at
    that of averages over ``stride x stride`` px; 2x2 max-pooling precedes each
    later stage. It is also an ordinary mmseg backbone.

    Source: Zhou et al., "SChanger", IEEE JSTARS 18, 2025.

    Args:
        arch: ``'base'``, ``'small'`` or six widths (stem, then strides 1, 2, 4, 8, 16).
        in_channels: bands of one image.
        drop_rate: stochastic depth rate.
        stride: of the finest map. 1 is the paper's; 2 takes about a quarter
            of the time, and outlines are as coarse as 2 px. Weights of
            another stride are refused: they know objects at another size.
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
                 stride: int = 1,
                 with_cp: bool = False,
                 block: dict = dict(type='LFEM'),  # noqa: B006
                 init_cfg: dict | None = None):
        super().__init__(init_cfg)
        if not isinstance(stride, int) or stride < 1:
            raise SettingError(f'SCN: stride={stride!r}; expected a whole number from 1 up.')
        self.stride = stride
        self.size_divisor = 16 * stride
        if stride > 1:  # an entry of checkpoints that those of another stride do not have
            self.register_buffer(f'{STRIDE}{stride}', torch.ones(()))
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

    def _load_from_state_dict(self, state_dict: Mapping, prefix: str, *args, **kwargs) -> None:
        is_scn = f'{prefix}stem.conv.weight' in state_dict
        trained = stride_of(state_dict, prefix)
        if is_scn and trained != self.stride:
            raise SettingError(
                f'{prefix}stride: the weights were trained with {trained}, '
                f'and this network has {self.stride}, to which objects have '
                f'another size. Set model.backbone.stride={trained}, or use '
                'weights of the same stride.')
        super()._load_from_state_dict(state_dict, prefix, *args, **kwargs)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Encode images.

        Args:
            x: images of one date, ``(N, in_channels, H, W)``; H and W
                multiples of ``size_divisor``, 16 times ``stride``.

        Returns:
            Five maps at 1, 2, 4, 8 and 16 times ``stride``.

        Raises:
            SettingError: H or W is not such a multiple.
        """
        divisor = self.size_divisor
        if x.shape[-2] % divisor or x.shape[-1] % divisor:
            raise SettingError(
                f'SCN got images of {x.shape[-2]} x {x.shape[-1]} px: both sides must be multiples of {divisor}. '
                f'Pad them: size_divisor={divisor} of the data preprocessor does so in training, and that of the '
                'detector in prediction.')
        if self.stride > 1:
            x = F.avg_pool2d(x, self.stride)
        x = self.stem(x)
        features = []
        for index, stage in enumerate(self.stages):
            x = stage(F.max_pool2d(x, 2) if index else x)
            features.append(x)
        return tuple(features)


def stride_of(names: Iterable[str], prefix: str = 'backbone.') -> int:
    """Return the stride of the SCN whose entries of a checkpoint have these names."""
    found = (name.removeprefix(f'{prefix}{STRIDE}') for name in names if name.startswith(f'{prefix}{STRIDE}'))
    return next((int(number) for number in found if number.isdecimal()), 1)
