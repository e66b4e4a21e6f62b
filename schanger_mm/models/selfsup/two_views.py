"""Two random views of a batch, with the geometry of each."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from schanger_mm.registry import MODELS
from schanger_mm.utils.band_order import COLOUR_BANDS
from schanger_mm.utils.errors import SettingError
from schanger_mm.utils.optional import require


@dataclass
class View:
    """One view of a batch.

    Args:
        image: ``(N, 3, h, w)``, normalised.
        mask: ``(N, 1, h, w)`` of 0, 1 and 255, moved with the image.
        matrix: ``(N, 3, 3)`` from original to view pixels (x, y).
    """

    image: Tensor
    mask: Tensor
    matrix: Tensor


@MODELS.register_module()
class TwoViews(nn.Module):
    """Draw two views of every image, on the device of the batch.

    Flips (each p 0.5), 3x3 Gaussian blur (p 0.5), colour jitter (p 0.8),
    random resized crop, then normalisation; the draws come from torch's
    generator. Runs on kornia.

    Source: Chen et al., IEEE TGRS 2022, section IV.

    Args:
        size: (h, w) of the views in px.
        scale: share of the image's area that a crop keeps, from and to.
        ratio: aspect ratio of the crop, from and to.
        blur_sigma: standard deviation of the Gaussian in px, from and to.
        jitter: brightness, contrast, saturation, hue.
        mean, std: statistics for normalising values from 0 to 1.

    Raises:
        ImportError: kornia is not installed.
    """

    def __init__(self, size: tuple[int, int] = (256, 256), scale: tuple[float, float] = (0.8, 1.0),
                 ratio: tuple[float, float] = (3 / 4, 4 / 3), blur_sigma: tuple[float, float] = (0.1, 2.0),
                 jitter: tuple[float, float, float, float] = (0.4, 0.4, 0.4, 0.1), mean: float = 0.5,
                 std: float = 0.5) -> None:
        super().__init__()
        kornia = require('kornia.augmentation', 'selfsup', 'TwoViews')
        self.size = tuple(size)
        self.augment = kornia.AugmentationSequential(
            kornia.RandomHorizontalFlip(p=0.5),
            kornia.RandomVerticalFlip(p=0.5),
            kornia.RandomGaussianBlur((3, 3), tuple(blur_sigma), p=0.5),
            kornia.ColorJitter(*jitter, p=0.8),
            kornia.RandomResizedCrop(self.size, scale=tuple(scale), ratio=tuple(ratio), p=1.0),
            data_keys=['input', 'mask'])
        self.mean, self.std = mean, std

    @torch.no_grad()
    def forward(self, images: Tensor, masks: Tensor) -> tuple[View, View]:
        """Draw two views of ``images`` ``(N, 3, H, W)`` in [0, 1] and ``masks`` ``(N, 1, H, W)``."""
        return self._view(images, masks), self._view(images, masks)

    def _view(self, images: Tensor, masks: Tensor) -> View:
        if images.shape[1] != COLOUR_BANDS:
            raise SettingError(f'TwoViews: expected images of three bands, found {images.shape[1]}; its colour jitter '
                               'is made for colours. Pre-train on the three bands that are red, green and blue.')
        image, mask = self.augment(images, masks.to(images))
        return View((image.clamp(0, 1) - self.mean) / self.std, mask, self.augment.transform_matrix)
