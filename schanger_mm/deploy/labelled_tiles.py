"""Tiles of labelled pairs, by which an export of lower precision is calibrated and judged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from schanger_mm.datasets import FolderCDDataset
from schanger_mm.datasets.transforms import LoadBiTemporalImages, LoadChangeLabel
from schanger_mm.deploy.errors import DeployError
from schanger_mm.deploy.runtime import Runtime
from schanger_mm.evaluation.confusion import Confusion
from schanger_mm.utils.band_order import turned

MOST = 128
"""Tiles that each half is judged or calibrated by, at most; evenly spread over all."""


@dataclass(frozen=True)
class Tile:
    """A piece of a labelled pair: ``(1, C, H, W)`` float32, RGB if C is 3, and a mask ``(H, W)`` of 0, 1 and 255."""

    before: np.ndarray
    after: np.ndarray
    mask: np.ndarray


def read_halves(folder: str | Path, side: int, load: LoadBiTemporalImages | None = None,
                option: str = '--calibration') -> tuple[list[Tile], list[Tile]]:
    """Cut the labelled pairs of a folder into tiles; every other pair is held back.

    Args:
        folder: holds ``A``, ``B`` and ``label``, one file per pair in each.
        side: of the tiles, px; border tiles overlap their neighbours, smaller images are one tile.
        load: reads both dates, as the training did; None: 8-bit colour images.
        option: by which the user named the folder, for messages.

    Returns:
        Tiles to calibrate by, and those of the pairs that are held back.

    Raises:
        DeployError: no such folder, less than two pairs, or nothing changed in those that are held back.
        DatasetError: the folder has another layout, or a file cannot be read.
    """
    if not Path(folder).is_dir():
        raise DeployError(f'{option} {folder}: no such folder; expected one that holds A, B and label.')
    load = load or LoadBiTemporalImages()
    pairs = FolderCDDataset(data_root=str(folder), pipeline=[load], test_mode=True, lazy_init=True)
    pairs.full_init()
    if len(pairs) < 2:
        raise DeployError(f'{option} {folder}: expected at least two pairs, half of which judge the result; '
                          f'found {len(pairs)}.')
    tiles, held_back = (
        _spread([tile for index in range(start, len(pairs), 2)
                 for tile in _cut(pairs.get_data_info(index), side, load)])
        for start in (0, 1))
    if not any((tile.mask == 1).any() for tile in held_back):
        raise DeployError(f'{option} {folder}: nothing is changed in the pairs that are held back (every other '
                          'one, by name), so F1 says nothing; add pairs with changes.')
    return tiles, held_back


def score(runtime: Runtime, tiles: Sequence[Tile]) -> tuple[float, list[np.ndarray]]:
    """Return F1 of the changed class in percent, and the probabilities of each tile."""
    probabilities = [runtime(tile.before, tile.after)[0] for tile in tiles]
    counts = sum((Confusion.of(probability > runtime.card.threshold, tile.mask)
                  for tile, probability in zip(tiles, probabilities)), Confusion())
    return counts.f1, probabilities


def _cut(info: dict, side: int, load: LoadBiTemporalImages) -> list[Tile]:
    loaded = LoadChangeLabel()(load(info))
    mask, side_by_side = loaded['gt_seg_map'], []
    before, after = (turned(image, -1).transpose(2, 0, 1)[None].astype(np.float32) for image in loaded['img'])
    for top in _starts(mask.shape[0], side):
        for left in _starts(mask.shape[1], side):
            rows, columns = slice(top, top + side), slice(left, left + side)
            side_by_side.append(Tile(before[..., rows, columns], after[..., rows, columns], mask[rows, columns]))
    return side_by_side


def _starts(length: int, side: int) -> list[int]:
    return [*range(0, length - side, side), max(0, length - side)]


def _spread(tiles: list[Tile]) -> list[Tile]:
    count = min(len(tiles), MOST)
    return [tiles[index * len(tiles) // count] for index in range(count)]
