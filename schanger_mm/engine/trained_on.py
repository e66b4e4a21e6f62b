"""Describe the data of a training or a test by the content of its files."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from mmengine.model import is_model_wrapper

from schanger_mm.checkpoints.lineage import TrainedOn, pack
from schanger_mm.datasets import SemiDataset
from schanger_mm.datasets.bands import BandReading
from schanger_mm.datasets.base import LABEL
from schanger_mm.datasets.reading import read_pixels
from schanger_mm.datasets.semantic import MAPS
from schanger_mm.datasets.transforms.loading import LoadImage, loader_of
from schanger_mm.utils.digests import content_digest
from schanger_mm.utils.errors import DatasetError
from schanger_mm.utils.files import sha256_of

LABELS = frozenset((LABEL, *MAPS))
THREADS = 8
"""Files read at a time; small reads wait for the disk."""


def trained_on(runner) -> list[TrainedOn]:
    """Describe the data sets of a training; parts of which a sampler draws nothing are left out."""
    loader = runner.train_dataloader
    model = runner.model.module if is_model_wrapper(runner.model) else runner.model
    found = []
    for part, labels in _parts(loader.dataset, draws_unlabelled=getattr(loader.sampler, 'ratio', 1) != 0):
        found.append(TrainedOn(
            training=Path(runner.cfg.filename).stem if runner.cfg.filename else str(runner.experiment_name),
            model=type(model).__name__,
            labels=labels and (not hasattr(part, 'get_data_info') or not LABELS.isdisjoint(part.get_data_info(0))),
            data_set=type(part).__name__,
            data_root=os.path.abspath(part.data_root) if getattr(part, 'data_root', None) else '',
            split=str(getattr(part, 'metainfo', {}).get('split') or getattr(part, 'list_split', None)
                      or _list_name(part)),
            list_sha256=_list_sha256(part),
            images=len(part),
            digests=pack(without_empty_tiles(digests_of(samples_of(part)), loader_of(part)))))
    return found


def samples_of(dataset) -> list[tuple[str, ...]]:
    """Return the image files of every sample; none for samples that a data set does not list as mmengine's do."""
    samples = []
    for part in _within(dataset):
        for place in range(len(part)):
            paths = part.get_data_info(place).get('img_path', ()) if hasattr(part, 'get_data_info') else ()
            samples.append((paths, ) if isinstance(paths, str) else tuple(paths))
    return samples


def digests_of(samples: Sequence[tuple[str, ...]]) -> list[dict[str, int]]:
    """Return the content digests of the local files of every sample, by path."""
    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(lambda paths: {path: content_digest(path) for path in paths if os.path.isfile(path)},
                             samples))


def without_empty_tiles(found: Sequence[Mapping[str, int]], loader: LoadImage | None = None) -> list[int]:
    """Return the digests of images; one of several files with equal pixels throughout tells nothing about a place.

    Args:
        found: what :func:`digests_of` returns.
        loader: what reads the images in training; None: 8-bit images of any form.
    """
    files: dict[int, set[str]] = {}
    for sample in found:
        for path, digest in sample.items():
            files.setdefault(digest, set()).add(os.path.realpath(path))
    reading = loader.reading if loader else None
    with ThreadPoolExecutor(THREADS) as pool:
        empty = pool.map(lambda paths: len(paths) > 1 and _is_empty(min(paths), reading), files.values())
        return [digest for digest, is_empty in zip(files, empty) if not is_empty]


def _is_empty(path: str, reading: BandReading | None) -> bool:
    """Return whether all pixels of an image are equal; False where it cannot be read."""
    try:
        pixels = reading.read(path) if reading else read_pixels(path)[0]
    except DatasetError:
        return False
    return bool((pixels == pixels[:1, :1]).all())


def _parts(dataset, draws_unlabelled: bool) -> Iterator[tuple]:
    """Yield each data set of a training that is not empty, and whether training uses its labels."""
    labelled, unlabelled = dataset.datasets if isinstance(dataset, SemiDataset) else (dataset, [])
    for part in filter(len, _within(labelled)):
        yield part, True
    for part in filter(len, _within(unlabelled)) if draws_unlabelled else ():
        yield part, False


def _within(dataset) -> Iterator:
    """Yield the data sets that a concatenation joins or a wrapper such as ``RepeatDataset`` repeats."""
    if hasattr(dataset, 'datasets'):
        for part in dataset.datasets:
            yield from _within(part)
    elif hasattr(dataset, 'dataset') and hasattr(dataset, 'get_data_info'):  # not torch's Subset, which takes a part
        yield from _within(dataset.dataset)
    else:
        yield dataset


def _list_name(part) -> str:
    return os.path.basename(getattr(part, 'ann_file', '') or '')


def _list_sha256(part) -> str:
    path = getattr(part, 'ann_file', '') or ''
    return sha256_of(path) if os.path.isfile(path) else ''
