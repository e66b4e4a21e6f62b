"""Export in int8: ranges of activations are measured on labelled pairs, and F1 is compared on others."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from schanger_mm.deploy.card import EXTRA, KEY, Card
from schanger_mm.deploy.errors import DeployError
from schanger_mm.deploy.labelled_tiles import Tile, score
from schanger_mm.deploy.runtime import Runtime
from schanger_mm.utils.optional import require

DROP = 0.3
"""Points of F1 that int8 may cost on the pairs that are held back."""
OPERATORS = ['Conv']
"""What is computed in int8; the rest stays in float32."""


def quantise(source: Path, target: Path, card: Card, tiles: Sequence[Tile]) -> None:
    """Write an ONNX file whose convolutions compute in int8.

    Weights have one scale per output channel; the range of an activation is
    that of the tiles.

    Args:
        source: the file in float32.
        target: file to write.
        card: written to its metadata.
        tiles: what the ranges are measured on.

    Raises:
        MissingPackageError: onnx or onnxruntime is not installed.
    """
    onnx = require('onnx', EXTRA, 'Exporting in int8')
    quantization = require('onnxruntime.quantization', EXTRA, 'Exporting in int8')
    root, level = logging.getLogger(), logging.getLogger().level
    root.setLevel(logging.ERROR)  # its advice to run its preprocessing, which cannot take any size
    try:
        quantization.quantize_static(
            source, target, _Reader(tiles, card), quant_format=quantization.QuantFormat.QDQ,
            op_types_to_quantize=OPERATORS, per_channel=True, activation_type=quantization.QuantType.QUInt8,
            weight_type=quantization.QuantType.QInt8)
    finally:
        root.setLevel(level)
    model = onnx.load(target)
    del model.metadata_props[:]
    onnx.helper.set_model_props(model, {KEY: card.dumps()})
    onnx.save(model, target)


class _Reader:
    """What onnxruntime reads tiles through, as the file takes them."""

    def __init__(self, tiles: Sequence[Tile], card: Card) -> None:
        self.left, self.card = iter(tiles), card

    def get_next(self) -> dict[str, np.ndarray] | None:
        tile = next(self.left, None)
        return dict(zip(self.card.inputs, self.card.prepare(tile.before, tile.after))) if tile else None


def judge(int8: Runtime, float32: Runtime, tiles: Sequence[Tile]) -> str:
    """Compare both on tiles that were not calibrated on, and say what int8 costs.

    Raises:
        DeployError: F1 drops by more than 0.3 points, or is 0 in float32 already.
    """
    before, expected = score(float32, tiles)
    if not before > 0:  # also nan
        raise DeployError(f'--precision int8: in float32 the network finds none of the changes in the {len(tiles)} '
                          f'tiles that are held back (F1 {before:.2f}), so they cannot show what int8 costs; nothing '
                          'was written. Calibrate on pairs whose changes the network finds, or train it longer.')
    after, found = score(int8, tiles)
    change = max(float(np.abs(one - other).max()) for one, other in zip(expected, found))
    text = (f'F1 {after:.2f} instead of {before:.2f} on {len(tiles)} tiles that are held back; the largest change of a '
            f'probability is {change:.2f}')
    if not before - after <= DROP:
        raise DeployError(f'--precision int8: {text}. More than {DROP} points are lost, so nothing was written; '
                          'calibrate on more pairs like those that you will map, or keep float32 and run with '
                          '--precision bf16.')
    return text
