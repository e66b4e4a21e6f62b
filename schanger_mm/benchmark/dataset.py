"""Measure how fast a config's training pipeline delivers samples, with and without the decoded cache."""

from __future__ import annotations

import copy
import tempfile
import time
from collections.abc import Callable, Iterable
from statistics import median

from mmengine.config import Config
from mmengine.dataset import Compose
from mmengine.runner import set_random_seed
from torch.utils.benchmark import set_torch_threads
from torch.utils.data import DataLoader, Dataset

from schanger_mm.config.building import build
from schanger_mm.config.loading import ConfigError
from schanger_mm.datasets.cache import DecodedCache
from schanger_mm.datasets.transforms.both_dates import ForBothDates
from schanger_mm.datasets.transforms.loading import FileLoader
from schanger_mm.registry import DATASETS, SCOPE
from schanger_mm.utils.errors import SettingError
from schanger_mm.visualization.report import format_table


def benchmark_dataset(cfg: Config, samples: int = 50, rounds: int = 5, workers: int = 1) -> dict:
    """Measure the training pipeline of a config, alternately decoding every file and with a filled cache.

    Returns:
        ``decode`` and ``cached``: samples/s by round, with ``workers`` processes of one thread each; ``ratio`` of their
        medians; ``cold``: samples/s of one process while it fills the cache; ``steps``: mean milliseconds per sample.

    Raises:
        ValueError: a count below 1, no training data, or no loading transform of this package in its pipeline.
    """
    for name, value in (('samples', samples), ('rounds', rounds), ('workers', workers)):
        if value < 1:
            raise SettingError(f'--{name} {value}: expected 1 or more.')
    dataset = _training_set(cfg)
    cache = next((step.cache for step in _loaders(dataset) if step.cache), None) or DecodedCache('work_dirs/decoded')
    cache.folder.parent.mkdir(parents=True, exist_ok=True)  # the same disk
    with set_torch_threads(1), tempfile.TemporaryDirectory(prefix='.benchmark-', dir=cache.folder.parent) as folder:
        data = [_Seeded(dataset, one) for one in (None, DecodedCache(folder, cache.max_gib))]
        cold = [_rate(map(one.__getitem__, range(min(samples, len(dataset))))) for one in data][1]
        loaders = [DataLoader(one, None, sampler=range(samples), num_workers=workers if workers > 1 else 0,
                              persistent_workers=workers > 1, collate_fn=copy.copy) for one in data]
        for loader in loaders:
            _rate(loader)  # starts its processes
        decode, cached = zip(*([_rate(loader) for loader in loaders] for _ in range(rounds)))
        timers = [_put_timers(one.pipeline) for one in data]
        for index in range(samples):
            _ = [one[index] for one in data]
    steps = [{'transform': a.name, 'decode': 1e3 * a.seconds / samples, 'cached': 1e3 * b.seconds / samples}
             for a, b in zip(*timers)]
    return dict(decode=decode, cached=cached, ratio=median(cached) / median(decode), samples=samples, workers=workers,
                cold=cold, steps=steps)


def format_dataset(facts: dict) -> str:
    """Format the results of :func:`benchmark_dataset` for a terminal."""
    rows = [{'pipeline': way, 'samples/s': median(facts[way]), 'slowest': min(facts[way]), 'fastest': max(facts[way])}
            for way in ('decode', 'cached')]
    return (f'{len(facts["decode"])} rounds of {facts["samples"]} samples each, in turn; workers: {facts["workers"]}\n'
            f'{format_table(rows)}\ncached / decode: {facts["ratio"]:.1f}x; while one process fills the cache '
            f'{facts["cold"]:.2f} samples/s\n\nmilliseconds per sample, one process:\n{format_table(facts["steps"])}')


class _Seeded(Dataset):
    """A training set that reads through ``cache``; sample i is always the same."""

    def __init__(self, dataset: Dataset, cache: DecodedCache | None) -> None:
        self.dataset, self.pipeline = dataset, copy.deepcopy(dataset.pipeline)
        for step in _loaders(self):
            step.cache = cache

    def __getitem__(self, index: int) -> dict:
        set_random_seed(index)
        return self.pipeline(self.dataset.get_data_info(index % len(self.dataset)))


class _Timed:
    """A transform with a timer."""

    def __init__(self, step: Callable, indent: str = '') -> None:
        self.step, self.seconds, self.name = step, 0.0, indent + type(step).__name__

    def __call__(self, results: dict) -> dict | None:
        start = time.perf_counter()
        results = self.step(results)
        self.seconds += time.perf_counter() - start
        return results


def _training_set(cfg: Config) -> Dataset:
    loader = cfg.get('train_dataloader')
    if not loader:
        raise ConfigError('the config has no train_dataloader, so there is no training pipeline to measure.')
    dataset = build(DATASETS, {'_scope_': SCOPE, **loader.dataset})
    if not _loaders(dataset):
        raise ConfigError('train_dataloader.dataset: expected a data set whose pipeline loads by LoadBiTemporalImages, '
                          f'LoadImage or LoadChangeLabel, found {type(dataset).__name__} without.')
    dataset.full_init()
    return dataset


def _loaders(dataset: Dataset) -> list[FileLoader]:
    steps = getattr(getattr(dataset, 'pipeline', None), 'transforms', [])
    return [step for step in steps if isinstance(step, FileLoader)]


def _rate(samples: Iterable[dict]) -> float:
    start = time.perf_counter()
    number = sum(1 for _ in samples)
    return number / (time.perf_counter() - start)


def _put_timers(pipeline: Compose, indent: str = '') -> list[_Timed]:
    """Wrap every transform, including those for both dates, whose time covers both runs."""
    pipeline.transforms = [_Timed(step, indent) for step in pipeline.transforms]
    return [timer for outer in pipeline.transforms for timer in (
        outer, *(_put_timers(outer.step.transforms, '  ') if isinstance(outer.step, ForBothDates) else ()))]
