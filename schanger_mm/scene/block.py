"""One block of a scene, from pixels to probabilities: a pure function of its inputs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np

from schanger_mm.scene.blend import Blender
from schanger_mm.scene.errors import DIVERGED, SceneError
from schanger_mm.scene.plan import Block, Plan

if TYPE_CHECKING:
    from schanger_mm.scene.source import PairSource, PairWindow

LEVELS = 254
"""A probability p is stored as round(254 p)."""
NODATA = 255


class Network(Protocol):
    """What predicts windows; :class:`~schanger_mm.scene.model.SceneModel` does."""

    def predict(self, images: np.ndarray) -> np.ndarray:
        """``(N, 2, 3, h, w)`` float32 in 0..255, RGB, date A first, to probabilities ``(N, h, w)`` float32."""


def name_of(model: Network) -> str:
    """Name a network by the file of its weights, for messages."""
    return str(getattr(model, 'weights', type(model).__name__))


def predict_block(source: PairSource, plan: Plan, block: Block, model: Network, batch_size: int,
                  threshold: float = 0.5) -> np.ndarray:
    """Read, predict, blend and quantise one block.

    Returns:
        ``(height, width)`` uint8 as :func:`quantise` makes it.
    """
    return quantise(blend_block(source.read(*plan.region(block)), plan, block, model, batch_size), threshold)


def blend_block(pair: PairWindow, plan: Plan, block: Block, model: Network, batch_size: int) -> np.ndarray:
    """Predict the windows of a block and blend them.

    Pixels without data enter the network as the mean of the window's other
    pixels, per date and band; windows without any data are left out.

    Args:
        pair: what ``plan.region(block)`` covers.
        plan: the scene's plan.
        block: one of ``plan.blocks()``.
        model: the network.
        batch_size: windows per forward pass.

    Returns:
        ``(height, width)`` float32 probability of change, NaN where a date has no data.

    Raises:
        SceneError: the network yields NaN or Inf, which would be stored as pixels without data.
    """
    left, top, _, _ = plan.region(block)
    height, width = plan.window_height, plan.window_width
    blender = Blender(block.height, block.width, height, width, plan.overlap)
    places = [(col, row) for col, row in plan.windows(block)
              if pair.valid[row - top:row - top + height, col - left:col - left + width].any()]
    for start in range(0, len(places), batch_size):
        batch = places[start:start + batch_size]
        images = np.stack([_filled(pair, col - left, row - top, width, height) for col, row in batch])
        predicted = model.predict(images)
        if not np.isfinite(predicted).all():
            raise SceneError(f'{name_of(model)}: its probabilities are not numbers (NaN) at block {block.index} '
                             f'(window at column {batch[0][0]}, row {batch[0][1]}); {DIVERGED}')
        for (col, row), probability in zip(batch, predicted):
            blender.add(probability, row - block.row, col - block.col)
    result = blender.result()
    rows, cols = block.row - top, block.col - left
    result[~pair.valid[rows:rows + block.height, cols:cols + block.width]] = np.nan
    return result


def quantise(probability: np.ndarray, threshold: float) -> np.ndarray:
    """Store probabilities in one byte: ``round(254 p)``, 255 for NaN.

    Rounding never crosses the threshold: a pixel whose nearest level lies on
    the other side of it takes the next one on its own. So
    :func:`changed` recovers ``p > threshold`` from the byte exactly, and the
    byte is off by less than one level instead of half a one there.

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
    """Turn what :func:`quantise` made with this threshold into 0 unchanged, 1 changed, 255 nodata, uint8."""
    result = (levels > np.floor(LEVELS * threshold)).astype(np.uint8)
    result[levels == NODATA] = NODATA
    return result


def _filled(pair: PairWindow, left: int, top: int, width: int, height: int) -> np.ndarray:
    """Cut a window ``(2, 3, h, w)`` and fill its pixels without data."""
    rows, cols = slice(top, top + height), slice(left, left + width)
    images, valid = pair.images[:, :, rows, cols], pair.valid[rows, cols]
    if valid.all():
        return images
    means = images[:, :, valid].mean(axis=-1, dtype=np.float64).astype(np.float32)
    return np.where(valid, images, means[..., None, None])
