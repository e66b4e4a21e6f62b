"""CutMix on a batch: rectangles of other pairs, with everything that is known about their pixels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

AREA = (0.02, 0.4)
"""Share of the crop that a box covers, from and to."""
ASPECT = (0.3, 1 / 0.3)
"""Height over width of a box, from and to."""
TRIES = 1000
"""Draws of a box that does not fit."""


def draw_boxes(count: int, size: Sequence[int], prob: float = 0.5) -> Tensor:
    """Draw one box for each of ``count`` views, or none with probability ``1 - prob``.

    Area and aspect are uniform in :data:`AREA` and :data:`ASPECT`, and so is the
    place; a box that would not fit is drawn again. In crops so long that none of :data:`TRIES` boxes fits, the last
    one is cut to the crop. The draws come from ``numpy.random``.

    Source: UniMatch, arXiv 2208.09910, after CutMix, arXiv 1905.04899.

    Args:
        count: number of boxes.
        size: height and width of the crops in px.
        prob: probability of a box.

    Returns:
        ``(count, H, W)`` bool, True inside of the boxes.
    """
    boxes = torch.zeros(count, *size, dtype=torch.bool)
    for box in boxes:
        if np.random.rand() < prob:
            top, left, height, width = _draw_box(*size)
            box[top:top + height, left:left + width] = True
    return boxes


def _draw_box(height: int, width: int) -> tuple[int, int, int, int]:
    area = np.random.uniform(*AREA) * height * width
    for _ in range(TRIES):
        aspect = np.random.uniform(*ASPECT)
        h, w = int((area * aspect) ** 0.5), int((area / aspect) ** 0.5)
        top, left = np.random.randint(height), np.random.randint(width)
        if top + h <= height and left + w <= width:
            return top, left, h, w
    h, w = min(h, height), min(w, width)
    return min(top, height - h), min(left, width - w), h, w


def paste(boxes: Tensor, onto: Tensor, source: Tensor) -> Tensor:
    """Replace what lies in the boxes.

    Args:
        boxes: ``(N, H, W)`` bool.
        onto: ``(N, H, W)`` or ``(N, C, H, W)``.
        source: of that shape; its pixels are taken inside of the boxes.
    """
    return torch.where(boxes if onto.ndim == boxes.ndim else boxes[:, None], source, onto)
