"""Pseudo-labels from logits, the loss against them, and how good they are."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from .cutmix import paste


class PseudoLabels(NamedTuple):
    """What is assumed about the pixels of N pairs.

    Args:
        label: class, ``(N, H, W)`` int64.
        confidence: largest probability, ``(N, H, W)``.
        ignore: pixels that show no ground, ``(N, H, W)`` bool.
    """

    label: Tensor
    confidence: Tensor
    ignore: Tensor

    @classmethod
    def of(cls, logits: Tensor, ignore: Tensor) -> PseudoLabels:
        """Take class and confidence from logits ``(N, C, H, W)``: sigmoid for one channel, else softmax."""
        if logits.shape[1] == 1:
            changed = logits[:, 0].float().sigmoid()
            return cls((changed > 0.5).long(), torch.maximum(changed, 1 - changed), ignore)
        confidence, label = logits.float().softmax(dim=1).max(dim=1)
        return cls(label, confidence, ignore)

    def mixed(self, boxes: Tensor, other: PseudoLabels) -> PseudoLabels:
        """Paste those of other pairs into boxes ``(N, H, W)``."""
        return PseudoLabels(*(paste(boxes, mine, theirs) for mine, theirs in zip(self, other)))

    def confident(self, threshold: float) -> Tensor:
        """Return the pixels ``(N, H, W)`` that count: valid, and of this confidence or more."""
        return (self.confidence >= threshold) & ~self.ignore

    def share(self, threshold: float) -> Tensor:
        """Return the share of valid pixels that count; 0 where none is valid."""
        return self.confident(threshold).sum() / (~self.ignore).sum().clamp(min=1)


def consistency_loss(logits: Tensor, pseudo: PseudoLabels, threshold: float) -> Tensor:
    """Compute the cross-entropy against pseudo-labels: summed over confident pixels, divided by ALL valid ones.

    Without a confident pixel, or without a valid one, the loss is 0, and so are its gradients.

    Source: UniMatch, arXiv 2208.09910, equation 3, and its published code.

    Args:
        logits: ``(N, C, H, W)``, one channel (sigmoid) or a channel per class (softmax).
        pseudo: of the same pixels.
        threshold: pixels of less confidence do not count.

    Returns:
        A scalar, computed in float32.
    """
    with torch.autocast(logits.device.type, enabled=False):
        logits = logits if logits.dtype == torch.float64 else logits.float()
        if logits.shape[1] == 1:
            each = F.binary_cross_entropy_with_logits(logits[:, 0], pseudo.label.to(logits), reduction='none')
        else:
            each = F.cross_entropy(logits, pseudo.label, reduction='none')
        counted = each.where(pseudo.confident(threshold), torch.zeros_like(each))
        return counted.sum() / (~pseudo.ignore).sum().clamp(min=1)


def quality(pseudo: PseudoLabels, truth: Tensor, threshold: float) -> dict[str, Tensor]:
    """Compare the pseudo-labels that count with the truth, for the log.

    Args:
        pseudo: of N pairs.
        truth: ``(N, H, W)`` of 0, 1 and 255 = unknown.
        threshold: as in :func:`consistency_loss`.

    Returns:
        ``pseudo_accuracy``, the share that is right, and ``pseudo_F1`` of the
        changed class; 1 where there is nothing to be wrong about.
    """
    counted = pseudo.confident(threshold) & (truth != 255)
    right = pseudo.label == truth
    found, there = (pseudo.label == 1) & counted, (truth == 1) & counted
    hits, wrong = (found & there).sum(), (found ^ there).sum()
    total = counted.sum()
    one = torch.ones((), device=truth.device)
    return dict(pseudo_accuracy=torch.where(total > 0, (right & counted).sum() / total.clamp(min=1), one),
                pseudo_F1=torch.where(hits + wrong > 0, 2 * hits / (2 * hits + wrong).clamp(min=1), one))
