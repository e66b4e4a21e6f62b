"""SaDL's losses on point features (Chen et al., IEEE TGRS 2022, section III)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from schanger_mm.registry import MODELS


@MODELS.register_module()
class ConsistencyLoss(nn.Module):
    """``2 - 2 cos(prediction, sg(target))``, averaged over points, then over the classes that have points."""

    def forward(self, predictions: Sequence[Tensor], targets: Sequence[Tensor]) -> Tensor:
        """Compare points with their targets.

        Args:
            predictions: per class ``(P_k, D)``.
            targets: per class ``(P_k, D)``; no gradient flows into them.

        Returns:
            A scalar between 0 and 4; 0, with a gradient of 0, if no class has a point.
        """
        terms = [(2 - 2 * F.cosine_similarity(p, t.detach(), dim=-1)).mean()
                 for p, t in zip(predictions, targets, strict=True) if len(p)]
        return torch.stack(terms).mean() if terms else sum(p.sum() for p in predictions) * 0.0


@MODELS.register_module()
class DiscriminationLoss(nn.Module):
    """``1 + cos`` of each background point and the foreground point of the same index."""

    def forward(self, background: Tensor, foreground: Tensor) -> Tensor:
        """Compare the classes, both ``(P, C)``.

        Returns:
            A scalar between 0 and 2; 0 if there are no points.
        """
        if not len(background):
            return (background.sum() + foreground.sum()) * 0.0
        return (1 + F.cosine_similarity(background, foreground, dim=-1)).mean()
