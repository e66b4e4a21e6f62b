"""The order of bands in memory and outside, and which of them make a picture."""

from __future__ import annotations

import numpy as np

COLOUR_BANDS = 3
SENTINEL2 = (12, 13)
"""Numbers of bands of Sentinel-2's products, with B01 first."""
SHARES = (2, 98)
"""Percentiles that become black and white in pictures of other than 8-bit values."""


def turned(image: np.ndarray, axis: int) -> np.ndarray:
    """Turn three bands from B, G, R, as mmcv reads files, to R, G, B, or back; any other number keeps its order.

    Args:
        image: any shape.
        axis: of the bands.
    """
    return np.flip(image, axis) if image.shape[axis] == COLOUR_BANDS else image


def shown_bands(count: int, marked: tuple[int, ...] | None = None) -> tuple[int, ...]:
    """Return the positions of the bands that a picture shows as red, green and blue.

    Args:
        count: number of bands.
        marked: positions of those that a raster marks so.

    Returns:
        All of three; of more, those marked, or the third, second and first, since satellites begin with blue (of
        Sentinel-2, B04, B03 and B02); the first alone, grey, of fewer.
    """
    if count <= COLOUR_BANDS:
        return (0, 1, 2) if count == COLOUR_BANDS else (0, 0, 0)
    return marked or ((3, 2, 1) if count in SENTINEL2 else (2, 1, 0))
