"""Split the tiles of a scene into training and validation by blocks, with a guard zone between them."""

from __future__ import annotations

import cv2
import numpy as np

from schanger_mm.utils.errors import SettingError

UNUSED, TRAIN, VAL, GUARD = range(4)
"""Assignments of a tile."""
NAMES = ('unused', 'train', 'val', 'guard')


def split_tiles(usable: np.ndarray, per_block: int, share: float, seed: int) -> np.ndarray:
    """Assign tiles to training and validation.

    Neighbouring tiles of one scene show the same streets in the same light, so
    with tiles drawn one by one, a network would be scored on almost the same
    images. Here whole blocks are drawn, and the tiles around those for
    validation are dropped: no tile of one side touches a tile of the other, not even at a
    corner.

    Args:
        usable: (rows, columns) bool, tiles of the scene that can be used.
        per_block: side of a block, in tiles.
        share: part of the usable tiles that should validate, 0 to below 1; the
            number of whole blocks that comes nearest is taken, at least one.
            0: all tiles train.
        seed: of the drawing; the same scene, settings and seed give the same
            split.

    Returns:
        (rows, columns) uint8 of ``UNUSED``, ``TRAIN``, ``VAL`` and ``GUARD``.

    Raises:
        ValueError: invalid settings, or fewer blocks than a split
            needs.
    """
    if per_block < 1:
        raise SettingError(f'--block: expected at least one tile, found {per_block}')
    if not 0 <= share < 1:
        raise SettingError(f'--val: expected 0 to below 1, found {share}')
    if share == 0:
        return np.where(usable, TRAIN, UNUSED).astype(np.uint8)
    blocks = _block_of_each_tile(usable.shape, per_block)
    drawn = np.random.default_rng(seed).permutation(np.unique(blocks[usable]))
    if len(drawn) < 2:
        raise SettingError(f'--block: usable tiles lie in {len(drawn)} block of {per_block}x{per_block} tiles, a split '
                           'needs two or more; choose smaller blocks, or --val 0 for no validation tiles.')
    tiles = np.cumsum(np.bincount(blocks[usable])[drawn[:-1]])  # the last block always trains
    number = 1 + int(np.argmin(np.abs(tiles - share * usable.sum())))
    val = usable & np.isin(blocks, drawn[:number])
    near = cv2.dilate(val.astype(np.uint8), np.ones((3, 3), np.uint8)).astype(bool)
    if not (usable & ~near).any():
        raise SettingError(f'--block: with {len(drawn)} blocks of {per_block}x{per_block} tiles, all tiles outside '
                           'those for validation touch them and none is left to train; choose smaller tiles or blocks, '
                           'another --seed, or --val 0 and another scene to validate on.')
    return np.select([val, usable & near, usable], [VAL, GUARD, TRAIN], UNUSED).astype(np.uint8)


def _block_of_each_tile(shape: tuple[int, int], per_block: int) -> np.ndarray:
    rows, columns = (np.arange(length) // per_block for length in shape)
    return rows[:, None] * (columns[-1] + 1) + columns
