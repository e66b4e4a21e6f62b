"""Losses of the classes of two dates: cross-entropy where they are labelled, agreement where nothing changed."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from schanger_mm.registry import MODELS
from schanger_mm.utils.errors import SettingError

UNCHANGED = 0


@MODELS.register_module()
class SemanticLoss(nn.Module):
    """Cross-entropy of each date's classes, and optionally the consistency of both dates.

    ``w (CE_A + CE_B) / 2 + c mean(1 - cos(p_A, p_B))``: each cross-entropy is the mean over the pixels of its date that
    have a class (0 without any), the cosine of the class probabilities is averaged over the unchanged pixels. Computed
    in float32 at least, under autocast too. With several processes each takes the means over its own batch.

    Args:
        loss_weight: w.
        consistency_weight: c; 0 leaves the term out.
        class_weight: factor of each class in the cross-entropies, whose means then are weighted ones.

    Raises:
        SettingError: a weight below 0, or one that is not a number.
    """

    def __init__(self, loss_weight: float = 1.0, consistency_weight: float = 0.0,
                 class_weight: list[float] | None = None):
        super().__init__()
        for name, values in dict(loss_weight=[loss_weight], consistency_weight=[consistency_weight],
                                 class_weight=class_weight or []).items():
            if not all(isinstance(value, (int, float)) and 0 <= value < math.inf for value in values):
                raise SettingError(f'SemanticLoss.{name}: expected numbers of 0 or more, found {values}.')
        self.loss_weight = loss_weight
        self.consistency_weight = consistency_weight
        self.class_weight = None if class_weight is None else tuple(map(float, class_weight))

    def forward(self, pred_from: Tensor, pred_to: Tensor, target_from: Tensor, target_to: Tensor, changed: Tensor,
                ignore_index: int = 255) -> dict[str, Tensor]:
        """Compute the losses.

        Args:
            pred_from, pred_to: logits ``(N, K, H, W)`` of date A and date B.
            target_from, target_to: classes ``(N, H, W)``, 0 to K - 1, or ``ignore_index`` where there is none.
            changed: ``(N, H, W)``, 0 where nothing changed.
            ignore_index: label of pixels that do not count.

        Returns:
            ``loss_semantic``, and ``loss_consistency`` if its weight is above 0.

        Raises:
            SettingError: a class that the head does not have, or not as many weights as classes. On a GPU, which would
                have to be waited for, such a class gives the loss NaN.
        """
        classes = pred_from.shape[1]
        if self.class_weight is not None and len(self.class_weight) != classes:
            raise SettingError(f'SemanticLoss.class_weight: {len(self.class_weight)} weights for {classes} classes; '
                               'expected one per class.')
        with torch.autocast(pred_from.device.type, enabled=False):
            dates = [pred if pred.dtype == torch.float64 else pred.float() for pred in (pred_from, pred_to)]
            entropies = [self._entropy(pred, target, ignore_index)
                         for pred, target in zip(dates, (target_from, target_to))]
            losses = dict(loss_semantic=self.loss_weight * sum(entropies) / 2)
            if self.consistency_weight:
                same = F.cosine_similarity(*(pred.softmax(dim=1) for pred in dates), dim=1)
                unchanged = (changed == UNCHANGED).to(same)
                losses['loss_consistency'] = self.consistency_weight * (
                    (1 - same) * unchanged).sum() / unchanged.sum().clamp(min=1)
        return losses

    def _entropy(self, pred: Tensor, target: Tensor, ignore_index: int) -> Tensor:
        classes = pred.shape[1]
        valid = target != ignore_index
        wrong = valid & (target >= classes)
        at_once = target.device.type == 'cpu' and not torch.compiler.is_compiling()
        if at_once and wrong.any():
            raise SettingError(f'SemanticLoss: the labels have class {int(target[valid].max())}, and the head has the '
                               f'{classes} classes 0 to {classes - 1}; set semantic.num_classes of the decode head to '
                               'the number of classes of the data set.')
        if not at_once:  # cross-entropy would end the process
            target = target.masked_fill(wrong, ignore_index)
        weight = None if self.class_weight is None else pred.new_tensor(self.class_weight)
        total = F.cross_entropy(pred, target, weight=weight, ignore_index=ignore_index, reduction='sum')
        count = valid.sum() if weight is None else weight[target.where(valid, 0)][valid].sum()
        mean = total / count.clamp(min=1 if weight is None else 1e-12)
        return mean if at_once else mean.masked_fill(wrong.any(), math.nan)
