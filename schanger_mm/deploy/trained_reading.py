"""How a config's training read its images: the arguments of the transform that loads them."""

from __future__ import annotations

from typing import Any

from mmengine.config import Config

from schanger_mm.config.image_reading import loader_settings
from schanger_mm.geo.errors import SceneError
from schanger_mm.geo.reading import Reading
from schanger_mm.utils.band_order import COLOUR_BANDS


def loading_of(cfg: Config, bands: int) -> dict[str, Any]:
    """Return the arguments by which a loading transform reads images for the network of a config.

    They are those of ``READING`` that the transform in the first of its dataloaders, test before training, has. A
    config without any for other than three bands gets the first bands of a file.

    Args:
        cfg: the config.
        bands: number that its network takes.
    """
    return loader_settings(cfg) or ({} if bands == COLOUR_BANDS else dict(bands=tuple(range(1, bands + 1))))


def reading_of(cfg: Config, config_name: str, bands: int) -> Reading:
    """Return bands and scale of the training.

    Args:
        cfg: which may come from an untrusted checkpoint.
        config_name: for messages.
        bands: number that the network takes.

    Raises:
        SceneError: values that no loading transform takes, or another number of bands.
    """
    found = loader_settings(cfg)
    numbers = None if 'files' in found else found.get('bands')
    reading = Reading.parse(numbers, found.get('scale'), f'{config_name}: its transform that loads images')
    if reading.bands is not None and len(reading.bands) != bands:
        raise SceneError(f'{config_name}: its transform that loads images takes {len(reading.bands)} bands, and its '
                         f'data_preprocessor has means of {bands}; expected one number.')
    return reading
