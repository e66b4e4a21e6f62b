"""The metadata that Deepness, a QGIS plugin, reads from an ONNX file.

Based on Deepness' documentation of its keys; the file has not been tried
inside QGIS. Every value is JSON. The plugin scales a raster to 0..1,
standardises it with the given statistics, cuts it into tiles and shows where
the output channel is above the threshold.
"""

from __future__ import annotations

import json

from schanger_mm.deploy.card import Card
from schanger_mm.deploy.errors import DeployError

OVERLAP = 25
"""Overlap of neighbouring tiles, percent."""


def deepness_metadata(card: Card) -> dict[str, str]:
    """Translate a card of a six-band file with fixed tiles.

    Raises:
        DeployError: the ground sampling distance, at which the plugin reads a raster, is unknown.
    """
    if card.gsd is None:
        raise DeployError('--deepness: the plugin reads rasters at the resolution of the training images, and the '
                          'config does not state it; add --gsd METRES.')
    values = dict(
        model_type='Segmentor',
        class_names=dict(enumerate(card.classes)),
        resolution=100 * card.gsd,  # cm per pixel
        tiles_size=card.tile,
        tiles_overlap=OVERLAP,
        standardization_mean=[value / 255 for date in card.mean for value in date],
        standardization_std=[value / 255 for date in card.std for value in date],
        seg_thresh=card.threshold,
        seg_small_segment=0)  # side of the filter that removes small segments, px
    return {key: json.dumps(value) for key, value in values.items()}
