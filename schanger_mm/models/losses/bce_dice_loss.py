"""Binary cross-entropy plus Dice, summed over the maps a network supervises."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from schanger_mm.models.layers import all_reduce_sum
from schanger_mm.registry import MODELS


@MODELS.register_module()
class BCEDiceLoss(nn.Module):
    """Mean binary cross-entropy with logits + Dice, per map, summed over maps.

    ``Dice = 1 - (2 sum(p t) + eps) / (sum(p) + sum(t) + eps)``, its sums
    running over batch and pixels together. Ignored pixels count nowhere.
    Computed in float32 at least, under autocast too.

    With several processes the sums run over the batches of all of them, and
    each process gets the loss of the joint batch: Dice is no mean, and
    processes may have different numbers of valid pixels.

    Source: Zhou et al., "SChanger", IEEE JSTARS 18, 2025.

    Args:
        eps: smoothing of the Dice term.
        loss_weight: factor of the whole loss.
        loss_name: name in the log; the prefix ``loss_`` makes it count.
        all_reduce: sum over all processes, each of which must then compute
            the loss; False: each takes its own batch only.

    Example:
        >>> BCEDiceLoss()(torch.zeros(2, 6, 8, 8), torch.ones(2, 8, 8)).item() > 0
        True
    """

    takes_maps = True
    """All maps of a network at once: the target is checked once, not once per map."""

    def __init__(self, eps: float = 1e-7, loss_weight: float = 1.0, loss_name: str = 'loss_bce_dice',
                 all_reduce: bool = True):
        super().__init__()
        self.eps = eps
        self.loss_weight = loss_weight
        self.loss_name = loss_name
        self.all_reduce = all_reduce

    def forward(self,
                pred: Tensor,
                target: Tensor,
                weight: Tensor | None = None,
                ignore_index: int | None = 255,
                **kwargs) -> Tensor:
        """Compute the loss.

        Args:
            pred: logits ``(N, M, H, W)`` of M maps (the network's six).
            target: ``(N, H, W)`` of 0, 1 and ``ignore_index``; every map is
                held against it.
            weight: optional weight per pixel ``(N, H, W)``.
            ignore_index: value of pixels to leave out; None keeps all.

        Returns:
            A scalar.

        Raises:
            ValueError: shapes do not fit or the target is not 0/1.
        """
        if pred.ndim != 4 or target.shape != (pred.shape[0], *pred.shape[2:]):
            raise ValueError(
                f'BCEDiceLoss: logits {tuple(pred.shape)} need a target of shape (N, H, W), '
                f'got {tuple(target.shape)}.')
        valid = torch.ones_like(target, dtype=torch.bool) if ignore_index is None else target != ignore_index
        if (target[valid] > 1).any():
            raise ValueError(
                f'BCEDiceLoss: the target holds {target[valid].unique().tolist()}; expected 0 and 1 '
                f'(and {ignore_index} = ignore). Binarise labels when they are loaded.')
        with torch.autocast(pred.device.type, enabled=False):
            pred = pred if pred.dtype == torch.float64 else pred.float()
            mask = valid.to(pred)
            if weight is not None:
                mask = mask * weight
            truth = target.where(valid, 0).to(pred)
            sums = torch.stack([_sums(logit, truth, mask) for logit in pred.unbind(dim=1)])
            if self.all_reduce:
                sums = all_reduce_sum(sums)
            total = sum(self._one_map(*of_map) for of_map in sums)
        return self.loss_weight * total

    def _one_map(self, bce: Tensor, overlap: Tensor, prob: Tensor, truth: Tensor, count: Tensor) -> Tensor:
        dice = 1.0 - (2.0 * overlap + self.eps) / (prob + truth + self.eps)
        return bce / count.clamp(min=1.0) + dice


def _sums(logit: Tensor, truth: Tensor, mask: Tensor) -> Tensor:
    """Sum over ``(N, H, W)``: cross-entropy, p t, p, t and the weights, ``(5,)``."""
    bce = F.binary_cross_entropy_with_logits(logit, truth, weight=mask, reduction='sum')
    prob = logit.sigmoid() * mask
    truth = truth * mask
    return torch.stack([bce, (prob * truth).sum(), prob.sum(), truth.sum(), mask.sum()])
