"""Feature maps as pictures."""

from __future__ import annotations

import numpy as np
from PIL import Image


def principal_colours(features: np.ndarray) -> np.ndarray:
    """Show the first three principal components of feature maps as colours, in a common basis.

    Args:
        features: ``(N, C, h, w)``, C >= 3.

    Returns:
        uint8 ``(N, h, w, 3)``; each component runs from its 2nd to its 98th
        percentile. Its sign makes the component's largest weight positive,
        so that pictures of one run can be compared.
    """
    n, channels, height, width = features.shape
    flat = features.transpose(0, 2, 3, 1).reshape(-1, channels).astype(np.float64)
    flat -= flat.mean(axis=0)
    _, vectors = np.linalg.eigh(flat.T @ flat)
    vectors = vectors[:, :-4:-1]
    vectors = vectors * np.sign(vectors[np.abs(vectors).argmax(axis=0), range(3)])
    shown = flat @ vectors
    low, high = np.percentile(shown, (2, 98), axis=0)
    shown = np.clip((shown - low) / np.maximum(high - low, 1e-12), 0, 1)
    return (255 * shown).round().astype(np.uint8).reshape(n, height, width, 3)


def draw_feature_sheet(images: np.ndarray, masks: np.ndarray, features: np.ndarray, gap: int = 8) -> np.ndarray:
    """Draw one row per image: the image, its mask, and its features' principal components.

    Args:
        images: uint8 RGB ``(N, H, W, 3)``.
        masks: ``(N, H, W)`` of 0, 1 and 255.
        features: ``(N, C, h, w)``.
        gap: white px between pictures.

    Returns:
        uint8 RGB ``(height, width, 3)``.
    """
    n, height, width, _ = images.shape
    sheet = np.full((n * (height + gap) + gap, 3 * (width + gap) + gap, 3), 255, np.uint8)
    for row, (image, mask, colours) in enumerate(zip(images, masks, principal_colours(features), strict=True)):
        large = np.asarray(Image.fromarray(colours).resize((width, height), Image.Resampling.NEAREST))
        grey = np.where(mask == 255, 112, (mask == 1) * 240)[..., None].repeat(3, axis=2)
        for column, picture in enumerate((image, grey, large)):
            top, left = gap + row * (height + gap), gap + column * (width + gap)
            sheet[top:top + height, left:left + width] = picture
    return sheet
