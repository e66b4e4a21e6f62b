"""The feature pyramid of SaDL and of its change detector."""

from __future__ import annotations

from collections.abc import Sequence

from mmengine.model import BaseModule
from torch import Tensor, nn
from torch.nn import functional as F

from schanger_mm.registry import MODELS
from schanger_mm.utils.errors import SettingError


@MODELS.register_module()
class TopDownFPN(BaseModule):
    """1x1 laterals, nearest upsampling and addition, down to the finest level; no output convolutions.

    Source: Chen et al., IEEE TGRS 2022 (after Lin et al., CVPR 2017, whose
    3x3 convolutions are omitted).

    Args:
        in_channels: channels of the levels, fine to coarse.
        out_channels: channels of the result.
        drop_rate: dropout of whole channels of the result.
        init_cfg: mmengine initialisation.
    """

    def __init__(self, in_channels: Sequence[int], out_channels: int = 256, drop_rate: float = 0.2,
                 init_cfg: dict | None = dict(type='Xavier', layer='Conv2d', distribution='uniform')):  # noqa: B006
        super().__init__(init_cfg)
        self.laterals = nn.ModuleList(nn.Conv2d(channels, out_channels, 1) for channels in in_channels)
        self.dropout = nn.Dropout2d(drop_rate)

    def forward(self, levels: Sequence[Tensor]) -> tuple[Tensor]:
        """Merge levels ``(N, C_i, H_i, W_i)``, each half of the one before, into one ``(N, out, H_0, W_0)``.

        Raises:
            SettingError: another number of levels than ``in_channels`` has.
        """
        return (self.dropout(self.merge(levels)), )

    def merge(self, levels: Sequence[Tensor]) -> Tensor:
        """Compute the finest level, P2 if the levels start at stride 4."""
        if len(levels) != len(self.laterals):
            raise SettingError(f'TopDownFPN has {len(self.laterals)} in_channels and got {len(levels)} levels; set '
                               'out_indices of the backbone or in_channels.')
        *finer, running = (lateral(x) for lateral, x in zip(self.laterals, levels))
        for level in reversed(finer):
            running = level + F.interpolate(running, size=level.shape[-2:], mode='nearest')
        return running


@MODELS.register_module()
class FPNDifference(TopDownFPN):
    """The same pyramid on both dates with shared weights, then the absolute difference of the two P2 maps.

    Its entries have the same names as in :class:`TopDownFPN`, so pre-trained
    weights load by name. Arguments are the same. Dropout follows the
    difference: separate masks would make equal dates differ in training.
    """

    def forward(self, feats_from: Sequence[Tensor],  # type: ignore[override]  # two dates instead of one
                feats_to: Sequence[Tensor]) -> tuple[Tensor]:
        """Return ``|P2(A) - P2(B)|``, ``(N, out, H_0, W_0)``, for the levels of both dates."""
        return (self.dropout((self.merge(feats_from) - self.merge(feats_to)).abs()), )
