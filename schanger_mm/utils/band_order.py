"""The order of bands in memory, and outside."""

from __future__ import annotations

import numpy as np

COLOURS = 3


def turned(image: np.ndarray, axis: int) -> np.ndarray:
    """Turn three bands from B, G, R, as mmcv reads files, to R, G, B, or back; any other number keeps its order.

    Args:
        image: any shape.
        axis: of the bands.
    """
    return np.flip(image, axis) if image.shape[axis] == COLOURS else image
