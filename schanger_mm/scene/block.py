"""Predict one block of a scene, from pixels to probabilities: a pure function of its inputs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np

from schanger_mm.scene.plan import Block, Plan
from schanger_mm.utils.errors import DivergedError

if TYPE_CHECKING:
    from schanger_mm.geo.pair import PairWindow

LEVELS = 254
"""A probability p is stored as round(254 p)."""
NODATA = 255


class Network(Protocol):
    """A model that predicts windows, such as :func:`~schanger_mm.deploy.load.load_model` returns."""

    def predict(self, images: np.ndarray) -> np.ndarray:
        """Predict ``(N, 2, C, h, w)`` float32 in 0..255, RGB if C is 3, date A first.

        Returns:
            Probabilities ``(N, h, w)`` float32.
        """


def name_of(model: Network) -> str:
    """Name a network by the file of its weights, for messages."""
    return str(getattr(model, 'weights', type(model).__name__))


def blend_block(pair: PairWindow, plan: Plan, block: Block, model: Network, batch_size: int) -> np.ndarray:
    """Predict the windows of a block and blend them.

    Pixels without data are replaced by the mean of the window's other
    pixels, per date and band; windows without any data are skipped.

    Args:
        pair: the pixels of ``plan.region(block)``.
        plan: the scene's plan.
        block: one of ``plan.blocks()``.
        model: the network.
        batch_size: windows per forward pass.

    Returns:
        ``(height, width)`` float32 probability of change, NaN where a date has no data; with more than one map per
        window, ``(N, C, h, w)``, all of them, unless no window has data.

    Raises:
        DivergedError: the network yields NaN or Inf, which would be stored as pixels without data.
    """
    left, top, _, _ = plan.region(block)
    height, width = plan.window_height, plan.window_width
    blender = None
    places = [(col, row) for col, row in plan.windows(block)
              if pair.valid[row - top:row - top + height, col - left:col - left + width].any()]
    for start in range(0, len(places), batch_size):
        batch = places[start:start + batch_size]
        images = np.stack([_filled(pair, col - left, row - top, width, height) for col, row in batch])
        predicted = model.predict(images)
        if not np.isfinite(predicted).all():
            raise DivergedError.at(name_of(model), f'block {block.index} (window at column {batch[0][0]}, row '
                                   f'{batch[0][1]})')
        blender = blender or Blender(block.height, block.width, height, width, plan.overlap, predicted.shape[1:-2])
        for (col, row), probability in zip(batch, predicted):
            blender.add(probability, row - block.row, col - block.col)
    result = (blender or Blender(block.height, block.width, height, width, plan.overlap)).result()
    rows, cols = block.row - top, block.col - left
    result[..., ~pair.valid[rows:rows + block.height, cols:cols + block.width]] = np.nan
    return result


def quantise(probability: np.ndarray, threshold: float) -> np.ndarray:
    """Store probabilities in one byte: ``round(254 p)``, 255 for NaN.

    Rounding never crosses the threshold: a pixel whose nearest level is on the
    other side gets the next level on its own side. So :func:`changed` recovers
    ``p > threshold`` from the byte exactly, and there the error of the byte is
    less than one level instead of half a level.

    Args:
        probability: float array, NaN for nodata.
        threshold: 0 to 1.
    """
    last_unchanged = int(np.floor(LEVELS * threshold))
    nodata = np.isnan(probability)
    levels = np.rint(np.where(nodata, 0, probability) * LEVELS)
    above = probability > threshold
    levels = np.where(above, np.maximum(levels, last_unchanged + 1), np.minimum(levels, last_unchanged))
    return np.where(nodata, NODATA, levels).astype(np.uint8)


def changed(levels: np.ndarray, threshold: float) -> np.ndarray:
    """Convert the result of :func:`quantise` with this threshold to 0 unchanged, 1 changed, 255 nodata, uint8."""
    result = (levels > np.floor(LEVELS * threshold)).astype(np.uint8)
    result[levels == NODATA] = NODATA
    return result


def _filled(pair: PairWindow, left: int, top: int, width: int, height: int) -> np.ndarray:
    """Cut a window ``(2, C, h, w)`` and fill its pixels without data."""
    rows, cols = slice(top, top + height), slice(left, left + width)
    images, valid = pair.images[:, :, rows, cols], pair.valid[rows, cols]
    if valid.all():
        return images
    means = images[:, :, valid].mean(axis=-1, dtype=np.float64).astype(np.float32)
    return np.where(valid, images, means[..., None, None])


FLOOR = 1e-3
"""Smallest weight of a pixel: the outermost pixels of a scene are at the border of all their windows."""


def weights(size: int, overlap: int) -> np.ndarray:
    """Return the weights along one side of a window: a raised cosine over the overlap, 1 in between.

    Two neighbours at the distance ``size - overlap`` add up to one if both
    ramps fit, that is for overlaps of at most half the window; at exactly half,
    the weights are a Hann window. Without overlap all weights are one.

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
        channels: leading sides of what is blended; by default a single map.
    """

    def __init__(self, height: int, width: int, window_height: int, window_width: int, overlap: int,
                 channels: tuple[int, ...] = ()):
        self._sum = np.zeros((*channels, height, width), np.float32)
        self._weight = np.zeros((height, width), np.float32)
        self._window = np.outer(weights(window_height, overlap), weights(window_width, overlap))

    def add(self, probability: np.ndarray, top: int, left: int) -> None:
        """Add one window ``(..., h, w)`` whose first pixel is (top, left) of the block; it may extend beyond that."""
        height, width = self._weight.shape
        rows = slice(max(top, 0), min(top + probability.shape[-2], height))
        cols = slice(max(left, 0), min(left + probability.shape[-1], width))
        inside = slice(rows.start - top, rows.stop - top), slice(cols.start - left, cols.stop - left)
        self._sum[..., rows, cols] += probability[(..., *inside)] * self._window[inside]
        self._weight[rows, cols] += self._window[inside]

    def result(self) -> np.ndarray:
        """Return the mean ``(..., height, width)`` float32, NaN where no window was added; call it once, at the end."""
        seen = self._weight > 0
        np.divide(self._sum, self._weight, out=self._sum, where=seen)
        self._sum[..., ~seen] = np.nan
        return self._sum
