"""What a variant costs in accuracy: F1 and probabilities of a trained network on labelled pairs."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from schanger_mm.benchmark.network import channels, dates
from schanger_mm.datasets.transforms import LoadBiTemporalImages
from schanger_mm.deploy.labelled_tiles import Tile, read_halves
from schanger_mm.deploy.model_files import open_named
from schanger_mm.deploy.trained_reading import loading_of
from schanger_mm.evaluation.confusion import Confusion
from schanger_mm.utils.band_order import turned


def read_tiles(folder: str, size: int, name: str, model: nn.Module) -> list[Tile]:
    """Cut the labelled pairs of ``--data`` into tiles of ``size`` px, read as in the training of the named network.

    Raises:
        DeployError, DatasetError: see :func:`~schanger_mm.deploy.labelled_tiles.read_halves`.
    """
    loading = loading_of(open_named(name).cfg, channels(model) // dates(model))
    tiles, others = read_halves(folder, size, LoadBiTemporalImages(**loading), option='--data')
    return tiles + others


@torch.inference_mode()
def judge(predict: Callable[[Tensor], Tensor], preprocessor: nn.Module, threshold: float, tiles: Sequence[Tile],
          divisor: int) -> tuple[float, Tensor]:
    """Predict labelled tiles, one by one.

    Args:
        predict: maps normalised images ``(1, 2C, H, W)`` to probabilities of change ``(1, H, W)``.
        preprocessor: that of the network.
        threshold: pixels with a probability above it are changed.
        tiles: to predict.
        divisor: sides are cut to multiples of it.

    Returns:
        F1 of the changed class, %, and the probabilities of all pixels, one after the other.
    """
    counts, found = Confusion(), []
    device = next(preprocessor.buffers()).device
    for tile in tiles:
        height, width = (side // divisor * divisor for side in tile.mask.shape)
        both = [torch.from_numpy(turned(date[0], 0).copy()) for date in (tile.before, tile.after)]  # as read
        pair = torch.cat(both)[:, :height, :width]
        images = preprocessor(dict(inputs=[pair.to(device)]), training=False)['inputs']
        probability = predict(images)[0].float().cpu()
        found.append(probability.flatten())
        counts += Confusion.of((probability > threshold).numpy(), tile.mask[:height, :width])
    return counts.f1, torch.cat(found)
