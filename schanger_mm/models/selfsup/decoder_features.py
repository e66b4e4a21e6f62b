"""SChanger's decoder as a neck, for pre-training without a task."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from schanger_mm.models.decode_heads.spatial_consistency_head import SpatialConsistencyHead
from schanger_mm.registry import MODELS


@MODELS.register_module()
class DecoderFeatures(SpatialConsistencyHead):
    """The single-temporal decoder of SChanger without its segmentation convolutions.

    Its entries have the same names as in the decode head.

    Args:
        arch: as for :class:`SpatialConsistencyHead`.
        **kwargs: those of :class:`SpatialConsistencyHead`, except ``temporal_fusion``.
    """

    def __init__(self, arch: str | Sequence[int] = 'base', **kwargs):
        super().__init__(arch, temporal_fusion=None, **kwargs)
        del self.side_convs, self.conv_seg

    def forward(self, inputs: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Decode five levels ``(N, C_i, H_i, W_i)`` into features at strides 16, 8, 4, 2, 1."""
        return tuple(dates[0] for dates in self.decode(inputs))
