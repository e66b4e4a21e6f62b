"""What a variant costs in accuracy: F1 and probabilities of a trained network on labelled pairs."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from schanger_mm.datasets.transforms import LoadBiTemporalImages
from schanger_mm.deploy.labelled_tiles import read_halves
from schanger_mm.evaluation.confusion import Confusion
from schanger_mm.utils.band_order import turned


@torch.inference_mode()
def judge(predict: Callable[[Tensor], Tensor], preprocessor: nn.Module, threshold: float, folder: str, size: int,
          divisor: int, load: LoadBiTemporalImages | None = None) -> tuple[float, Tensor]:
    """Predict the labelled pairs of a folder, tile by tile.

    Args:
        predict: maps normalised images ``(1, 2C, H, W)`` to probabilities of change ``(1, H, W)``.
        preprocessor: that of the network.
        threshold: pixels with a probability above it are changed.
        folder: holds ``A``, ``B`` and ``label``.
        size: side of the tiles, px.
        divisor: sides are cut to multiples of it.
        load: reads both dates, as the training did; None: 8-bit colour images.

    Returns:
        F1 of the changed class, %, and the probabilities of all pixels, one after the other.

    Raises:
        DeployError: less than two pairs; DatasetError: see :func:`~schanger_mm.deploy.labelled_tiles.read_halves`.
    """
    counts, found = Confusion(), []
    device = next(preprocessor.buffers()).device
    for tile in [tile for half in read_halves(folder, size, load) for tile in half]:
        height, width = (side // divisor * divisor for side in tile.mask.shape)
        dates = [torch.from_numpy(turned(date[0], 0).copy()) for date in (tile.before, tile.after)]  # as read
        pair = torch.cat(dates)[:, :height, :width]
        images = preprocessor(dict(inputs=[pair.to(device)]), training=False)['inputs']
        probability = predict(images)[0].float().cpu()
        found.append(probability.flatten())
        counts += Confusion.of((probability > threshold).numpy(), tile.mask[:height, :width])
    return counts.f1, torch.cat(found)
