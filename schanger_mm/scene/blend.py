"""Joining overlapping windows without a seam.

Two windows that overlap do not agree exactly on the pixels they share. A
pixel near the border of a window has less context there, and squeeze-and-
excitation layers average over the whole window: each window gates its
channels by its own mean, so even pixels whose full receptive field lies in
both windows get slightly different values. The weights below let one window
fade out while its neighbour fades in, so the difference becomes a slope over
the overlap instead of a step. Where the context is the same everywhere the
result equals that of the whole image to a thousandth; elsewhere the two are
not the same. docs/scenes.md says by how much.
"""

from __future__ import annotations

import numpy as np

FLOOR = 1e-3
"""Smallest weight of a pixel: the outermost ones of a scene lie at the border of every window they are in."""


def weights(size: int, overlap: int) -> np.ndarray:
    """Weights along one side of a window: a raised cosine over the overlap, one between.

    Two neighbours at the distance ``size - overlap`` add up to one where both
    ramps fit, that is for overlaps of at most half the window; with half of it
    the whole is a Hann window. Without overlap all weights are one.

    Args:
        size: side of the window, px.
        overlap: pixels shared with the regular neighbour.

    Returns:
        ``(size,)`` float32 in [``FLOOR``, 1].
    """
    ramp = min(overlap, size // 2)
    values = np.ones(size)
    if ramp > 0:
        rise = np.sin(np.pi * (np.arange(ramp) + 0.5) / (2 * ramp)) ** 2
        values[:ramp] = rise
        values[size - ramp:] = rise[::-1]
    return np.maximum(values, FLOOR).astype(np.float32)


class Blender:
    """Weighted mean of overlapping windows on one block.

    Windows must be added in the order of the lattice: float sums depend on
    their order, and a pixel must not depend on the block it is computed in.

    Args:
        height, width: of the block, px.
        window_height, window_width: of the windows, px.
        overlap: pixels shared by regular neighbours.
    """

    def __init__(self, height: int, width: int, window_height: int, window_width: int, overlap: int):
        self._sum = np.zeros((height, width), np.float32)
        self._weight = np.zeros((height, width), np.float32)
        self._window = np.outer(weights(window_height, overlap), weights(window_width, overlap))

    def add(self, probability: np.ndarray, top: int, left: int) -> None:
        """Add one window ``(h, w)`` whose first pixel is (top, left) of the block; it may stick out."""
        height, width = self._sum.shape
        rows = slice(max(top, 0), min(top + probability.shape[0], height))
        cols = slice(max(left, 0), min(left + probability.shape[1], width))
        inside = slice(rows.start - top, rows.stop - top), slice(cols.start - left, cols.stop - left)
        self._sum[rows, cols] += probability[inside] * self._window[inside]
        self._weight[rows, cols] += self._window[inside]

    def result(self) -> np.ndarray:
        """Return the mean ``(height, width)`` float32; NaN where no window was added."""
        result = np.full_like(self._sum, np.nan)
        return np.divide(self._sum, self._weight, out=result, where=self._weight > 0)
