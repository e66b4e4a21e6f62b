"""SimSiam on whole images: the control that uses neither points nor classes."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from schanger_mm.registry import MODELS

from .sadl import ViewLearner
from .two_views import View


@MODELS.register_module()
class SimSiam(ViewLearner):
    """Image-level self-supervision: the mean features of two views predict each other; masks are not used.

    Takes the arguments of :class:`ViewLearner`. Source: Chen and He, CVPR
    2021; as control in Chen et al., IEEE TGRS 2022.
    """

    def loss(self, view1: View, view2: View, masks: Tensor) -> dict[str, Tensor]:
        """Compute the loss, and ``projection_std`` (1 / sqrt(width) without a collapse)."""
        projected = [self.projector(self.extract_feat(view.image).mean(dim=(2, 3))) for view in (view1, view2)]
        predicted = [self.predictor(p) for p in projected]
        loss = (self.loss_consistency(predicted[:1], projected[1:])
                + self.loss_consistency(predicted[1:], projected[:1])) / 2
        spread = F.normalize(torch.cat(projected), dim=1).std(dim=0).mean().detach()
        return dict(loss_consistency=loss, projection_std=spread)
