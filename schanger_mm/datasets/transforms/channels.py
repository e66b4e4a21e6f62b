"""Let functions of OpenCV take images of any number of bands."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

MOST = 4
"""Channels that all of them take; some take more, by version."""


def by_channels(function: Callable[[np.ndarray], np.ndarray], image: np.ndarray) -> np.ndarray:
    """Apply a function that treats every channel alike.

    Args:
        function: takes and returns ``(h, w, c)`` with up to four channels, or ``(h, w)`` for one.
        image: ``(H, W)`` or ``(H, W, C)``.

    Returns:
        The result, with as many dimensions and channels as ``image``.
    """
    if image.ndim == 2 or 1 < image.shape[2] <= MOST:
        return function(image)
    parts = [function(np.ascontiguousarray(image[..., start:start + MOST]))
             for start in range(0, image.shape[2], MOST)]
    return np.concatenate([part.reshape(*part.shape[:2], -1) for part in parts], axis=2)
