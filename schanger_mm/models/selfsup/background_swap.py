"""Replace the background of an image by another image's, recoloured to match."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from schanger_mm.registry import MODELS
from schanger_mm.utils.errors import SettingError
from schanger_mm.utils.optional import require

EPS = 1e-5


@MODELS.register_module()
class BackgroundSwap(nn.Module):
    """Insert another image where both show background, after matching its colours.

    Both masks are dilated by a square and blurred, so that the seam is soft
    and outside every object.

    Source: Chen et al., "Semantic-Aware Dense Representation Learning", IEEE
    TGRS 2022.

    Args:
        dilation: side of the square in px, odd.
        blur: rows and columns of the Gaussian in px, odd.
        sigma: standard deviations of the Gaussian in px, vertical and horizontal.

    Raises:
        ImportError: kornia is not installed.
        SettingError: a side is even.
    """

    def __init__(self, dilation: int = 9, blur: tuple[int, int] = (7, 7), sigma: tuple[float, float] = (0.1, 2.0)):
        super().__init__()
        if any(side % 2 == 0 for side in (dilation, *blur)):
            raise SettingError(f'BackgroundSwap: dilation={dilation}, blur={blur}; expected odd sides, so that the '
                               'masks stay in their place.')
        self.gaussian = require('kornia.filters', 'selfsup', 'BackgroundSwap').gaussian_blur2d
        self.dilation, self.blur, self.sigma = dilation, tuple(blur), tuple(sigma)

    def forward(self, image: Tensor, mask: Tensor, other_image: Tensor, other_mask: Tensor) -> tuple[Tensor, Tensor]:
        """Swap the backgrounds of a batch.

        Args:
            image: ``(N, 3, H, W)``.
            mask: ``(N, 1, H, W)``, 1 on the foreground of ``image``.
            other_image: ``(N, 3, H, W)``, the partner of each image.
            other_mask: ``(N, 1, H, W)``, 1 on the foreground of the partner.

        Returns:
            The new image, and alpha ``(N, 1, H, W)``: the share of the partner.
        """
        own, other = self._soften(mask), self._soften(other_mask)
        alpha = (1 - own) * (1 - other)
        return image * (1 - alpha) + _recolour(other_image, image) * alpha, alpha

    def _soften(self, mask: Tensor) -> Tensor:
        grown = F.max_pool2d(mask, self.dilation, stride=1, padding=self.dilation // 2)
        return self.gaussian(grown, self.blur, self.sigma, border_type='reflect')


def _recolour(image: Tensor, like: Tensor) -> Tensor:
    """Give each channel of ``image`` the mean and (unbiased) std of ``like``."""
    std, mean = torch.std_mean(image, dim=(2, 3), keepdim=True)
    target_std, target_mean = torch.std_mean(like, dim=(2, 3), keepdim=True)
    return (image - mean) / (std + EPS) * target_std + target_mean
