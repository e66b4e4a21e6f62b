"""How a config's training read its images: the arguments of the transform that loads them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from mmengine.config import Config

from schanger_mm.geo.errors import SceneError
from schanger_mm.geo.reading import Reading
from schanger_mm.utils.band_order import COLOUR_BANDS

LOADERS = ('LoadBiTemporalImages', 'LoadImage')
READING = ('bands', 'files', 'scale')
"""Arguments by which a loader reads bands of rasters; with none of them it reads 8-bit colour images."""
DATALOADERS = ('test_dataloader', 'val_dataloader', 'train_dataloader')


def loading_of(cfg: Config, bands: int) -> dict[str, Any]:
    """Return the arguments by which a loading transform reads images for the network of a config.

    They are those of ``READING`` that the transform in the first of its dataloaders, test before training, has. A
    config without any for other than three bands gets the first bands of a file.

    Args:
        cfg: the config.
        bands: number that its network takes.
    """
    return loader_settings(cfg) or ({} if bands == COLOUR_BANDS else dict(bands=tuple(range(1, bands + 1))))


def loader_settings(cfg: Mapping[str, Any]) -> dict[str, Any]:
    """Return those of ``READING`` that are set in the first transform that loads images, lists for tuples."""
    for loader in DATALOADERS:
        for step in _steps(cfg.get(loader)):
            if str(step.get('type')).split('.')[-1] in LOADERS:
                found = {key: step[key] for key in READING if step.get(key) is not None}
                return {key: list(value) if isinstance(value, tuple) else value for key, value in found.items()}
    return {}


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


def _steps(part: Any) -> Iterator[dict]:
    """Yield the steps of all pipelines in a dataloader or data set, those of data sets inside it too."""
    if isinstance(part, (list, tuple)):
        for inner in part:
            yield from _steps(inner)
    elif isinstance(part, dict):
        yield from (step for step in _listed(part.get('pipeline')) if isinstance(step, dict))
        yield from _steps([part.get(key) for key in ('dataset', 'datasets', 'labelled', 'unlabelled')])


def _listed(value: Any) -> Any:
    return value if isinstance(value, (list, tuple)) else ()
