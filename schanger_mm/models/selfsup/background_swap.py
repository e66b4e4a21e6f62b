"""Replace the background of an image by another's, in the other's place but the image's colours."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from schanger_mm.optional import require

DILATION = 9  # px, side of the square
BLUR = (7, 7)  # px, rows and columns of the Gaussian
SIGMA = (0.1, 2.0)  # px, vertical and horizontal
EPS = 1e-5


def swap_background(image: Tensor, mask: Tensor, other_image: Tensor, other_mask: Tensor) -> tuple[Tensor, Tensor]:
    """Put another image wherever both show background; its colours are fitted first.

    Both masks are dilated by a 9x9 square and blurred, so that the seam is
    soft and lies outside of every object.

    Source: Chen et al., "Semantic-Aware Dense Representation Learning", IEEE
    TGRS 2022.

    Args:
        image: ``(N, 3, H, W)``.
        mask: ``(N, 1, H, W)``, 1 on the foreground of ``image``.
        other_image: ``(N, 3, H, W)``, the partner of each image.
        other_mask: ``(N, 1, H, W)``, 1 on the foreground of the partner.

    Returns:
        The new image, and alpha ``(N, 1, H, W)``: the share of the partner.
    """
    own, other = _soften(mask), _soften(other_mask)
    alpha = (1 - own) * (1 - other)
    return image * (1 - alpha) + _recolour(other_image, image) * alpha, alpha


def _soften(mask: Tensor) -> Tensor:
    gaussian = require('kornia.filters', 'selfsup', 'The background swap').gaussian_blur2d
    grown = F.max_pool2d(mask, DILATION, stride=1, padding=DILATION // 2)
    return gaussian(grown, BLUR, SIGMA, border_type='reflect')


def _recolour(image: Tensor, like: Tensor) -> Tensor:
    """Give each channel of ``image`` the mean and (unbiased) std of ``like``."""
    std, mean = torch.std_mean(image, dim=(2, 3), keepdim=True)
    target_std, target_mean = torch.std_mean(like, dim=(2, 3), keepdim=True)
    return (image - mean) / (std + EPS) * target_std + target_mean
