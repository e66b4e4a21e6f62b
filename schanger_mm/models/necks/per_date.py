"""A neck of single images, applied to each date."""

from __future__ import annotations

from collections.abc import Sequence

from mmengine.model import BaseModule
from torch import Tensor

from schanger_mm.registry import MODELS


@MODELS.register_module()
class PerDate(BaseModule):
    """Run a neck of single images, such as mmseg's FPN, on both dates with the same weights.

    Args:
        neck: config of the neck.
        init_cfg: mmengine initialisation.
    """

    def __init__(self, neck: dict, init_cfg: dict | None = None):
        super().__init__(init_cfg)
        self.neck = MODELS.build(neck)

    def forward(self, feats_from: Sequence[Tensor], feats_to: Sequence[Tensor]) -> list[tuple[Tensor, Tensor]]:
        """Map two pyramids, date A first, to one level after another as pairs ``(N, C_i, H_i, W_i)``."""
        return list(zip(self.neck(feats_from), self.neck(feats_to)))
