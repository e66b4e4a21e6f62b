"""How a config reads its images: the arguments of the transform that loads them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

LOADERS = ('LoadBiTemporalImages', 'LoadImage')
READING = ('bands', 'files', 'scale')
"""Arguments by which a loader reads bands of rasters; with none of them it reads 8-bit colour images."""
DATALOADERS = ('test_dataloader', 'val_dataloader', 'train_dataloader')


def loader_settings(cfg: Mapping[str, Any], loaders: tuple[str, ...] = DATALOADERS) -> dict[str, Any]:
    """Return those of ``READING`` that are set in the first transform that loads images, lists for tuples."""
    for loader in loaders:
        for step in _steps(cfg.get(loader)):
            if str(step.get('type')).split('.')[-1] in LOADERS:
                found = {key: step[key] for key in READING if step.get(key) is not None}
                return {key: list(value) if isinstance(value, tuple) else value for key, value in found.items()}
    return {}


def changed_reading(before: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    """Yield the settings of ``READING`` that differ: name, value before and now; none if ``before`` loads no images."""
    if not any(before.get(key) for key in DATALOADERS):
        return
    old, new = loader_settings(before), loader_settings(now)
    for key in READING:
        if old.get(key) != new.get(key):
            yield key, old.get(key), new.get(key)


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
