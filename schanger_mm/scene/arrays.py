"""Pairs in memory, predicted as rasters are."""

from __future__ import annotations

import numpy as np

from schanger_mm.scene.block import Network, blend_block
from schanger_mm.scene.errors import SceneError
from schanger_mm.scene.grid import Grid
from schanger_mm.scene.plan import Plan
from schanger_mm.scene.source import PairWindow


def predict_arrays(before: np.ndarray, after: np.ndarray, model: Network, window: int = 256, overlap: int = 128,
                   batch_size: int = 4) -> np.ndarray:
    """Predict two images as one block.

    Args:
        before, after: ``(H, W, 3)`` uint8, RGB.
        model: the network.
        window, overlap, batch_size: as in :class:`schanger_mm.scene.run.Settings`.

    Returns:
        ``(H, W)`` float32 probability of change.

    Raises:
        SceneError: arrays of another kind or of different size.
    """
    for name, image in (('before', before), ('after', after)):
        if not isinstance(image, np.ndarray) or image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
            found = f'{image.shape} {image.dtype}' if isinstance(image, np.ndarray) else type(image).__name__
            raise SceneError(f'{name}: expected a (H, W, 3) uint8 array in RGB, found {found}.')
    if before.shape != after.shape:
        raise SceneError(f'before is {before.shape[1]} x {before.shape[0]} px, after {after.shape[1]} x '
                         f'{after.shape[0]}; expected one size.')
    height, width = before.shape[:2]
    if not height or not width or batch_size < 1:
        raise SceneError(f'expected pixels and a batch_size of 1 or more, found {width} x {height} px and '
                         f'{batch_size}.')
    grid = Grid(width, height, (1.0, 0.0, 0.0, 0.0, 1.0, 0.0), None)
    plan = Plan(grid, max(window, width, height), window, window - overlap)
    images = np.stack([before, after]).transpose(0, 3, 1, 2).astype(np.float32)
    (block,) = plan.blocks()
    return blend_block(PairWindow(images, np.ones((height, width), bool)), plan, block, model, batch_size)
