"""Binary cross-entropy plus Dice, summed over the maps a network supervises."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from schanger_mm.models.layers import all_reduce_sum
from schanger_mm.registry import MODELS
from schanger_mm.utils.errors import SettingError


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
        class_weight: factors of the cross-entropy of unchanged and of changed
            pixels; the mean still divides by their number. Dice has none.
        pos_weight: that of changed pixels alone: ``class_weight=(1, pos_weight)``.
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
                 all_reduce: bool = True, class_weight: Sequence[float] | None = None,
                 pos_weight: float | None = None):
        super().__init__()
        self.class_weight = _class_weight(class_weight, pos_weight)
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
                compared with it.
            weight: optional weight per pixel ``(N, H, W)``.
            ignore_index: value of pixels to leave out; None keeps all.

        Returns:
            A scalar.

        Raises:
            SettingError: shapes do not fit or the target is not 0/1. On a GPU, which would have to be waited for, a
                target that is not 0/1 gives the loss NaN.
        """
        if pred.ndim != 4 or target.shape != (pred.shape[0], *pred.shape[2:]):
            raise SettingError(
                f'BCEDiceLoss: logits {tuple(pred.shape)} need a target of shape (N, H, W), '
                f'got {tuple(target.shape)}.')
        valid = torch.ones_like(target, dtype=torch.bool) if ignore_index is None else target != ignore_index
        wrong = (valid & (target > 1)).any()
        at_once = target.device.type == 'cpu' and not torch.compiler.is_compiling()
        if at_once and wrong.numpy():
            raise SettingError(
                f'BCEDiceLoss: the target holds {target[valid].unique().tolist()}; expected 0 and 1 '
                f'(and {ignore_index} = ignore). Binarise labels when they are loaded.')
        with torch.autocast(pred.device.type, enabled=False):
            pred = pred if pred.dtype == torch.float64 else pred.float()
            mask = valid.to(pred)
            if weight is not None:
                mask = mask * weight
            truth = target.where(valid, 0).to(pred)
            sums = _sums(pred, truth[:, None], mask[:, None], self.class_weight)
            if self.all_reduce:
                sums = all_reduce_sum(sums)
            total = self._of_maps(*sums).sum()
            if not at_once:
                total = total.masked_fill(wrong, math.nan)
        return self.loss_weight * total

    def _of_maps(self, bce: Tensor, overlap: Tensor, prob: Tensor, truth: Tensor, count: Tensor) -> Tensor:
        dice = 1.0 - (2.0 * overlap + self.eps) / (prob + truth + self.eps)
        return bce / count.clamp(min=1.0) + dice


def _class_weight(class_weight: Sequence[float] | None, pos_weight: float | None) -> tuple[float, float]:
    if class_weight is not None and pos_weight is not None:
        raise SettingError(f'BCEDiceLoss: class_weight={class_weight} and pos_weight={pos_weight}; expected one of '
                           'them, for pos_weight is the second value of class_weight.')
    weights = (1.0, pos_weight) if class_weight is None and pos_weight is not None else class_weight or (1.0, 1.0)
    numbers = isinstance(weights, (list, tuple)) and all(isinstance(value, (int, float)) for value in weights)
    if not numbers or len(weights) != 2 or not all(0 < value < math.inf for value in weights):
        raise SettingError(f'BCEDiceLoss: class_weight={class_weight}, pos_weight={pos_weight}: expected two numbers '
                           'above 0 (unchanged, changed), or one for pos_weight.')
    return float(weights[0]), float(weights[1])


def _sums(logits: Tensor, truth: Tensor, mask: Tensor, class_weight: tuple[float, float]) -> Tensor:
    """Sum ``(N, M, H, W)`` per map: cross-entropy, p t, p, t and the weights, ``(5, M)``."""
    unchanged, changed = class_weight
    weight = mask if unchanged == changed == 1 else mask * (unchanged + (changed - unchanged) * truth)
    bce = F.binary_cross_entropy_with_logits(logits, truth.expand_as(logits), reduction='none') * weight
    prob = logits.sigmoid() * mask
    truth = truth * mask
    of_all_maps = torch.stack([truth.sum(), mask.sum()])[:, None].expand(2, logits.shape[1])
    return torch.cat([torch.stack([part.sum((0, 2, 3)) for part in (bce, prob * truth, prob)]), of_all_maps])
