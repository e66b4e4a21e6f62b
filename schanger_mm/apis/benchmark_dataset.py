"""How fast a config's training pipeline delivers samples, with and without the decoded cache."""

from __future__ import annotations

import copy
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import cv2
import numpy as np
import torch
from mmengine.config import Config
from mmengine.dataset import Compose
from mmengine.runner import set_random_seed
from torch.utils.data import DataLoader, Dataset

from schanger_mm.apis.config import ConfigError
from schanger_mm.datasets.cache import GIB, DecodedCache
from schanger_mm.datasets.transforms.both_dates import ForBothDates
from schanger_mm.datasets.transforms.loading import FileLoader
from schanger_mm.registry import DATASETS, SCOPE
from schanger_mm.visualization.report import format_table

DEFAULT_DIR = 'work_dirs/decoded'
"""Where the cache of a config would be that has none."""


@dataclass(frozen=True)
class Benchmark:
    """What was measured.

    Args:
        samples: samples per round.
        workers: loading processes of one thread each.
        decode: samples/s of each round that decodes every file.
        cached: samples/s of each round that reads the filled cache.
        cold: samples/s of one process while it decodes and fills the cache.
        cache_bytes: size of the cache then.
        steps: one row per transform, milliseconds per sample.
    """

    samples: int
    workers: int
    decode: list[float]
    cached: list[float]
    cold: float
    cache_bytes: int
    steps: list[dict]

    @property
    def ratio(self) -> float:
        """Median of the cached rounds over median of the others."""
        return median(self.cached) / median(self.decode)

    def __str__(self) -> str:
        rows = [{'pipeline': name, 'samples/s': median(rates), 'slowest': min(rates), 'fastest': max(rates)}
                for name, rates in (('decode everything', self.decode), ('cached', self.cached))]
        return '\n'.join((
            f'{len(self.decode)} rounds of {self.samples} samples each, in turn; {self.workers} '
            f'{"process" if self.workers == 1 else "processes"} of one thread',
            format_table(rows),
            f'cached / decoded: {self.ratio:.1f}x',
            f'first pass, which decodes and fills the cache ({self.cache_bytes / GIB:.2f} GiB), one process: '
            f'{self.cold:.2f} samples/s',
            f'identical: all {self.samples} samples, bit for bit, for the same seeds',
            '', 'milliseconds per sample, one process:', format_table(self.steps)))


def benchmark_dataset(cfg: Config, samples: int = 50, rounds: int = 5, workers: int = 1, seed: int = 36) -> Benchmark:
    """Measure the training pipeline of a config, decoding everything and with a cache.

    The cache is a new folder beside the configured one and is deleted
    afterwards. Files are read once before anything is measured, so that both
    ways find them in memory. One worker is this process, several are those of
    a ``DataLoader``, as in training.

    Args:
        cfg: config with ``train_dataloader.dataset``.
        samples: samples per round; beyond the size of the data set it starts over.
        rounds: rounds of each way, in turn.
        workers: loading processes.
        seed: sample i of a round is drawn with ``seed + i``.

    Raises:
        ConfigError: no training data, or no loading transform of this package in its pipeline.
        ValueError: a count below 1, or the two ways differ in a sample.
        DatasetError, FileNotFoundError: see the data set.
    """
    for name, value in (('samples', samples), ('rounds', rounds), ('workers', workers)):
        if value < 1:
            raise ValueError(f'--{name} {value}: expected 1 or more.')
    dataset = _training_set(cfg)
    plain, loaders = dataset.pipeline, _loaders(dataset.pipeline)
    configured = next((step.cache for step in loaders if step.cache), None) or DecodedCache(DEFAULT_DIR)
    configured.folder.parent.mkdir(parents=True, exist_ok=True)
    with _one_thread(), tempfile.TemporaryDirectory(prefix='.benchmark-', dir=configured.folder.parent) as folder:
        for step in loaders:
            step.cache = None
        fast = copy.deepcopy(plain)
        for step in _loaders(fast):
            step.cache = DecodedCache(folder, configured.max_gib)
        decode, cached = (_Seeded(dataset, pipeline, seed) for pipeline in (plain, fast))

        distinct = min(samples, len(dataset))
        _rate(decode, distinct)
        cold = _rate(cached, distinct)
        cache_bytes = sum(path.stat().st_size for path in Path(folder).iterdir())
        _check_identical(decode, cached, samples)
        timed = [_timer(data, samples, workers) for data in (decode, cached)]
        rates = [(timed[0](), timed[1]()) for _ in range(rounds)]
        steps = _time_steps(dataset, (plain, fast), samples, seed)
    return Benchmark(samples, workers, decode=[one for one, _ in rates], cached=[other for _, other in rates],
                     cold=cold, cache_bytes=cache_bytes, steps=steps)


class _Seeded(Dataset):
    """Sample i of a pipeline, drawn with ``seed + i`` whoever asks."""

    def __init__(self, dataset: Dataset, pipeline: Compose, seed: int) -> None:
        self.dataset, self.pipeline, self.seed = dataset, pipeline, seed

    def __getitem__(self, index: int) -> dict:
        set_random_seed(self.seed + index)
        return self.pipeline(self.dataset.get_data_info(index % len(self.dataset)))


class _Timed:
    """A transform with a stop-watch."""

    def __init__(self, step: Callable, indent: str = '') -> None:
        self.step, self.seconds = step, 0.0
        self.name = indent + type(step).__name__

    def __call__(self, results: dict) -> dict | None:
        start = time.perf_counter()
        results = self.step(results)
        self.seconds += time.perf_counter() - start
        return results

    def take(self) -> float:
        seconds, self.seconds = self.seconds, 0.0
        return seconds


def _training_set(cfg: Config) -> Dataset:
    loader = cfg.get('train_dataloader')
    if not loader:
        raise ConfigError('the config has no train_dataloader, so there is no training pipeline to measure.')
    dataset = DATASETS.build({'_scope_': SCOPE, **loader.dataset})
    steps = getattr(getattr(dataset, 'pipeline', None), 'transforms', [])
    if not any(isinstance(step, FileLoader) for step in steps):
        raise ConfigError(
            f'train_dataloader.dataset: expected a data set with a pipeline that loads by LoadBiTemporalImages, '
            f'LoadImage or LoadChangeLabel, found {type(dataset).__name__} with '
            f'{", ".join(type(step).__name__ for step in steps) or "no pipeline of its own"}.')
    dataset.full_init()
    return dataset


def _loaders(pipeline: Compose) -> list[FileLoader]:
    return [step for step in pipeline.transforms if isinstance(step, FileLoader)]


@contextmanager
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads(), cv2.getNumThreads()
    _use_threads()
    try:
        yield
    finally:
        _use_threads(*before)


def _use_threads(of_torch: int = 1, of_cv2: int = 1) -> None:
    torch.set_num_threads(of_torch)
    cv2.setNumThreads(of_cv2)


def _rate(data: _Seeded, samples: int) -> float:
    start = time.perf_counter()
    for index in range(samples):
        data[index]
    return samples / (time.perf_counter() - start)


def _timer(data: _Seeded, samples: int, workers: int) -> Callable[[], float]:
    """Return what measures one round; its workers are started here."""
    if workers == 1:
        return lambda: _rate(data, samples)
    loader = DataLoader(data, batch_size=None, sampler=range(samples), num_workers=workers, persistent_workers=True,
                        collate_fn=_as_it_is, worker_init_fn=_start_worker)

    def measure() -> float:
        start = time.perf_counter()
        for _ in loader:
            pass
        return samples / (time.perf_counter() - start)

    measure()
    return measure


def _as_it_is(sample: dict) -> dict:
    return sample


def _start_worker(_: int) -> None:
    _use_threads()


def _check_identical(one: _Seeded, other: _Seeded, samples: int) -> None:
    for index in range(samples):
        a, b = one[index], other[index]
        labels = [sample['data_samples'].get('gt_sem_seg') for sample in (a, b)]
        same_label = labels[0] is None or torch.equal(labels[0].data, labels[1].data)
        same_meta = a['data_samples'].metainfo == b['data_samples'].metainfo
        if not (torch.equal(a['inputs'], b['inputs']) and same_label and same_meta):
            raise ValueError(f'sample {index} ({a["data_samples"].metainfo.get("img_path")}) differs between decoding '
                             f'and cache for seed {one.seed + index}; a transform draws from something else than '
                             'numpy.random, random and torch, or a file was changed just now.')


def _time_steps(dataset: Dataset, pipelines: tuple[Compose, Compose], samples: int, seed: int) -> list[dict]:
    timers, data = [], []
    for pipeline in map(copy.deepcopy, pipelines):
        timers.append(_put_timers(pipeline))
        data.append(_Seeded(dataset, pipeline, seed))
    seconds = np.empty((samples, 2, len(timers[0])))
    for index in range(samples):
        for way in (0, 1):
            data[way][index]
            seconds[index, way] = [timer.take() for timer in timers[way]]
    medians, means = (1e3 * summary(seconds, axis=0) for summary in (np.median, np.mean))
    return [{'transform': timer.name, 'decode: median': medians[0, i], 'decode: mean': means[0, i],
             'cached: median': medians[1, i], 'cached: mean': means[1, i]} for i, timer in enumerate(timers[0])]


def _put_timers(pipeline: Compose) -> list[_Timed]:
    """Wrap every transform, those for both dates too; theirs count both runs."""
    timers = []
    for i, step in enumerate(pipeline.transforms):
        pipeline.transforms[i] = _Timed(step)
        timers.append(pipeline.transforms[i])
        if isinstance(step, ForBothDates):
            inner = step.transforms
            inner.transforms = [_Timed(part, indent='  ') for part in inner.transforms]
            timers.extend(inner.transforms)
    return timers
