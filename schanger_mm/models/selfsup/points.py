"""Points at the same place in two views: draw them by class, map them, look up their features."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from schanger_mm.registry import TASK_UTILS
from schanger_mm.utils.errors import SettingError

CLASSES = 2  # background, foreground


@TASK_UTILS.register_module()
class ClassPointSampler:
    """Draw as many background as foreground points, with replacement, at places visible in all views.

    Args:
        num_points: points per class and image, 2 or more.

    Raises:
        SettingError: fewer.
    """

    def __init__(self, num_points: int = 16):
        if num_points < 2:
            raise SettingError(f'ClassPointSampler: num_points={num_points}; batch norm needs 2 or more.')
        self.num_points = num_points

    def __call__(self, mask: Tensor, matrices: Sequence[Tensor], view_size: tuple[int, int]) -> tuple[Tensor, Tensor]:
        """Draw from the masks of a batch.

        Args:
            mask: ``(N, H, W)`` or ``(N, 1, H, W)`` of 0 (background), 1
                (foreground) and 255 (neither), on the original image.
            matrices: per view, ``(N, 3, 3)`` from original to view pixels (x, y).
            view_size: (h, w) of the views in px.

        Returns:
            ``(N, 2, num_points, 2)`` int64 points (x, y) on the original,
            class 0 first, and ``(N, 2)`` bool: whether that class has a pixel
            visible in all views. Points of a class without such pixels are 0 and
            must not be used.
        """
        mask = mask.reshape(len(mask), *mask.shape[-2:])
        height, width = mask.shape[-2:]
        y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing='ij')
        grid = torch.stack([x, y], dim=-1).reshape(1, -1, 2).to(mask.device).expand(len(mask), -1, -1)
        seen = torch.ones_like(mask, dtype=torch.bool).flatten(1)
        for matrix in matrices:
            seen &= inside(map_points(grid, matrix), view_size)
        weights = torch.stack([(mask.flatten(1) == label) & seen for label in range(CLASSES)], dim=1)
        valid = weights.any(dim=-1)
        weights = weights.float()
        weights[..., 0] += (~valid).float()  # multinomial needs something to draw; `valid` marks it as unused
        drawn = torch.multinomial(weights.flatten(0, 1), self.num_points, replacement=True).view(*valid.shape, -1)
        points = torch.stack([drawn % width, drawn // width], dim=-1)
        return points * valid[..., None, None], valid


def map_points(points: Tensor, matrix: Tensor) -> Tensor:
    """Map points ``(N, ..., 2)`` (x, y) by ``(N, 3, 3)`` and round to the nearest pixel, int64."""
    matrix = matrix.float()
    flat = points.reshape(len(points), -1, 2).to(matrix)
    homogeneous = torch.cat([flat, torch.ones_like(flat[..., :1])], dim=-1)
    # no matmul, which mixed precision would compute in half precision
    mapped = (homogeneous[:, :, None] * matrix[:, None]).sum(dim=-1)
    mapped = mapped[..., :2] / mapped[..., 2:]
    return mapped.round().long().reshape(points.shape)


def inside(points: Tensor, size: tuple[int, int]) -> Tensor:
    """Tell which points ``(..., 2)`` (x, y) lie on an image of (h, w) px."""
    x, y = points.unbind(-1)
    return (x >= 0) & (y >= 0) & (x < size[1]) & (y < size[0])


def gather_points(features: Tensor, points: Tensor, stride: int) -> Tensor:
    """Look up features at pixels: the cell of pixel p is ``p // stride``.

    Args:
        features: ``(N, C, h, w)``.
        points: ``(N, K, P, 2)`` int64 (x, y) in px of the view, for K classes.
        stride: px per feature cell.

    Returns:
        ``(N, K, P, C)``.
    """
    x, y = (points // stride).unbind(-1)
    index = (y * features.shape[-1] + x).flatten(1)  # (N, K * P)
    index = index[:, None].expand(-1, features.shape[1], -1)
    return features.flatten(2).gather(2, index).transpose(1, 2).reshape(*points.shape[:3], -1)
