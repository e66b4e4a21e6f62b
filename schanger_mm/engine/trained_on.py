"""Describe the data of a training or a test by the content of its files."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from mmengine.model import is_model_wrapper

from schanger_mm.checkpoints.lineage import TrainedOn, pack
from schanger_mm.datasets import SemiDataset
from schanger_mm.datasets.base import LABEL
from schanger_mm.utils.digests import content_digest
from schanger_mm.utils.files import sha256_of

THREADS = 8
"""Files read at a time; small reads wait for the disk."""


def trained_on(runner) -> list[TrainedOn]:
    """Describe the data sets of a training; parts of which a sampler draws nothing are left out."""
    loader = runner.train_dataloader
    model = runner.model.module if is_model_wrapper(runner.model) else runner.model
    found = []
    for part, labels in _parts(loader.dataset, draws_unlabelled=getattr(loader.sampler, 'ratio', 1) != 0):
        samples = samples_of(part)
        digests = Counter(digest for sample in digests_of(samples) for digest in sample)
        # an image that occurs twice is an empty tile more often than a place
        found.append(TrainedOn(
            training=Path(runner.cfg.filename).stem if runner.cfg.filename else str(runner.experiment_name),
            model=type(model).__name__,
            labels=labels and bool(samples) and LABEL in part.get_data_info(0),
            data_set=type(part).__name__,
            data_root=os.path.abspath(part.data_root) if getattr(part, 'data_root', None) else '',
            split=str(part.metainfo.get('split') or getattr(part, 'list_split', None) or _list_name(part)),
            list_sha256=_list_sha256(part),
            images=len(part),
            digests=pack(digest for digest, count in digests.items() if count == 1)))
    return found


def samples_of(dataset) -> list[tuple[str, ...]]:
    """Return the image files of every sample; empty for a data set that does not list them as mmengine's do."""
    if hasattr(dataset, 'datasets'):
        return [sample for part in dataset.datasets for sample in samples_of(part)]
    if not hasattr(dataset, 'get_data_info'):
        return []
    paths = (dataset.get_data_info(place).get('img_path', ()) for place in range(len(dataset)))
    return [(path, ) if isinstance(path, str) else tuple(path) for path in paths]


def digests_of(samples: Sequence[tuple[str, ...]]) -> list[list[int]]:
    """Return the content digests of the local files of every sample."""
    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(lambda paths: [content_digest(path) for path in paths if os.path.isfile(path)], samples))


def _parts(dataset, draws_unlabelled: bool) -> Iterator[tuple]:
    """Yield each data set within a concatenation, and whether training uses its labels."""
    if isinstance(dataset, SemiDataset):
        labelled, unlabelled = dataset.datasets
        yield labelled, True
        if draws_unlabelled:
            yield unlabelled, False
    elif hasattr(dataset, 'datasets'):
        for part in dataset.datasets:
            yield from _parts(part, draws_unlabelled)
    elif hasattr(dataset, 'get_data_info') and len(dataset):
        yield dataset, True


def _list_name(part) -> str:
    return os.path.basename(getattr(part, 'ann_file', '') or '')


def _list_sha256(part) -> str:
    path = getattr(part, 'ann_file', '') or ''
    return sha256_of(path) if os.path.isfile(path) else ''
