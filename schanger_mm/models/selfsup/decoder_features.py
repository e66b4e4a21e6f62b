"""SChanger's decoder as a neck, for pre-training without a task."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from schanger_mm.models.decode_heads.spatial_consistency_head import SpatialConsistencyHead
from schanger_mm.registry import MODELS


@MODELS.register_module()
class DecoderFeatures(SpatialConsistencyHead):
    """The single-temporal decoder of SChanger without its segmentation convolutions.

    Its entries carry the names that they have in the decode head.

    Args:
        arch: as for :class:`SpatialConsistencyHead`.
        drop_rate: dropout and stochastic depth rate.
        init_cfg: mmengine initialisation.
    """

    def __init__(self, arch: str | Sequence[int] = 'base', drop_rate: float = 0.2, init_cfg: dict | None = None):
        super().__init__(arch=arch, drop_rate=drop_rate, init_cfg=init_cfg)
        del self.side_convs, self.conv_seg

    def forward(self, inputs: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Decode five levels ``(N, C_i, H_i, W_i)`` into features at strides 16, 8, 4, 2, 1."""
        return tuple(dates[0] for dates in self.decode(inputs))
