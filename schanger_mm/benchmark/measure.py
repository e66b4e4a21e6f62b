"""All variants of one network, task, size and batch, measured in turns."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from schanger_mm.benchmark.cost import Cost
from schanger_mm.benchmark.crew import Worker, WorkerError
from schanger_mm.benchmark.memory import available
from schanger_mm.benchmark.subject import Subject
from schanger_mm.benchmark.variants import BYTES, PLAIN, Variant
from schanger_mm.benchmark.worker import Job

FIGURES = ('median', 'min', 'max', 'speed_up', 'peak_ratio', 'pairs_per_second', 'megapixels_per_second',
           'flops_per_second', 'matmul_share', 'bytes_per_second', 'copy_share')
"""What is derived from a row."""
_SHARE = 0.8  # of the free memory that all workers together may keep between their turns


@dataclass
class Row:
    """What was measured of one variant.

    Args:
        variant: which.
        malloc: setting of the allocator that the process had.
        seconds: of each round.
        started: when each of them started, seconds on one clock.
        peak: growth of the process's memory, bytes.
        loss: of the first call, in training.
        difference: largest absolute difference of probabilities to the plain form.
        failure: why there is no more; None where all went well.
    """

    variant: Variant
    malloc: str = 'default'
    seconds: list[float] = field(default_factory=list)
    started: list[float] = field(default_factory=list)
    peak: int | None = None
    loss: float | None = None
    difference: float | None = None
    failure: str | None = None

    @property
    def median(self) -> float | None:
        """Median seconds; None without a result."""
        return statistics.median(self.seconds) if self.seconds and self.failure is None else None


@dataclass
class Comparison:
    """The variants of one network, task, size and batch.

    Args:
        subject: the network.
        task: ``'inference'`` or ``'train'``.
        size: side of the inputs, px.
        batch: pairs per call.
        cost: of one call.
        rows: one per variant.
        order: names of the variants in the order they ran in, by round.
        kept: whether workers kept their memory between turns; where it did not suffice for all, each gave it back
            after its turn and made an untimed call before the next.
    """

    subject: Subject
    task: str
    size: int
    batch: int
    cost: Cost
    rows: list[Row]
    order: list[list[str]] = field(default_factory=list)
    kept: bool = True

    @property
    def plain(self) -> Row | None:
        """The row that others are compared with, where it has a result."""
        return next((row for row in self.rows if row.variant.name == PLAIN and row.median), None)

    def figures(self, row: Row, ceilings: dict[str, float]) -> dict[str, float | None]:
        """Derive what tables show; None where there is no result, or no plain one to compare with.

        ``speed_up`` and ``peak_ratio`` are ratios to plain: above 1 is faster,
        below 1 is less memory. ``matmul_share`` and ``copy_share`` hold the
        arithmetic of the network, and what its convolutions would move one
        after the other, against the ceilings.
        """
        seconds = row.median
        if seconds is None:
            return dict.fromkeys(FIGURES)
        plain = self.plain
        plain_seconds, plain_peak = (plain.median, plain.peak) if plain else (None, None)
        flops = self.cost.flops / seconds
        moved = self.cost.values * BYTES[row.variant.precision] / seconds
        return dict(zip(FIGURES, (
            seconds, min(row.seconds), max(row.seconds), _ratio(plain_seconds, seconds), _ratio(row.peak, plain_peak),
            self.batch / seconds, self.batch * self.size**2 / 1e6 / seconds,
            flops, flops / ceilings[row.variant.precision], moved, moved / ceilings['copy']), strict=True))

    def as_dict(self, ceilings: dict[str, float]) -> dict[str, Any]:
        """Everything, as JSON holds it."""
        variants = [dict(
            name=row.variant.name, title=row.variant.title, precision=row.variant.precision, malloc=row.malloc,
            failure=row.failure, seconds=row.seconds, started=row.started, peak_bytes=row.peak, loss=row.loss,
            max_probability_difference=row.difference, **self.figures(row, ceilings)) for row in self.rows]
        return dict(network=self.subject.name, checkpoint=self.subject.checkpoint, task=self.task, size=self.size,
                    batch=self.batch, dates=self.cost.dates, flops=self.cost.flops, layer_values=self.cost.values,
                    memory_kept_between_turns=self.kept, order=self.order, variants=variants)


@dataclass(frozen=True)
class Conditions:
    """How to measure.

    Args:
        rounds: timed calls of each variant.
        threads: of every runtime.
        device: such as ``'cpu'`` or ``'cuda:0'``.
        seed: of weights, inputs and labels.
        memory_limit: bytes that one variant may take; None: what is free, less a tenth.
        timeout: seconds to wait for one answer.
    """

    rounds: int = 7
    threads: int = 2
    device: str = 'cpu'
    seed: int = 0
    memory_limit: int | None = None
    timeout: float = 3600.0


def compare(subject: Subject, task: str, size: int, batch: int, cost: Cost, variants: Sequence[Variant],
            conditions: Conditions, say: Callable[[str], None]) -> Comparison:
    """Measure variants in turns, each in a process of its own.

    In one process the first variant would decide for all: an allocator cannot
    be set back to its default, freed memory that one variant left behind makes
    the next look frugal and fast, and threads and caches of several runtimes
    would share an address space. So each variant has its own process, and only
    one of them works at a time: one call each per round, in an order that is
    reversed from round to round, so that whatever else the machine does meets
    all of them alike.

    A variant that raises, dies, takes too much memory or too long becomes a
    row that says so.
    """
    result = Comparison(subject, task, size, batch, cost, [Row(variant) for variant in variants])
    device = torch.device(conditions.device)
    free = available(device)
    limit = conditions.memory_limit or (None if free is None else int(0.9 * free))
    jobs = [Job(subject, task, variant, size, batch, conditions.threads, conditions.device, conditions.seed, limit)
            for variant in variants]
    workers: dict[str, Worker] = {}
    try:
        for job in jobs:  # they import and build at the same time
            workers[job.variant.name] = Worker(job, limit if device.type == 'cpu' else None, conditions.timeout)
        _warm_up(result, workers, say)
        rows = [row for row in result.rows if row.failure is None]
        free = available(device)
        result.kept = free is not None and sum(row.peak or 0 for row in rows) < _SHARE * free
        if result.kept:
            for row in rows:
                _turn(row, workers, warm=False, let_go=False, timed=False)
        for number in range(conditions.rounds):
            say(f'round {number + 1} of {conditions.rounds}')
            order = [row for row in (rows, rows[::-1])[number % 2] if row.failure is None]
            for row in order:
                _turn(row, workers, warm=not result.kept, let_go=not result.kept)
            result.order.append([row.variant.name for row in order])
    finally:
        for worker in workers.values():
            worker.end()
    return result


def _warm_up(result: Comparison, workers: dict[str, Worker], say: Callable[[str], None]) -> None:
    """Build, run and compare, one variant after the other."""
    results: dict[str, Any] = {}
    for row in result.rows:
        name = row.variant.name
        say(f'warm-up of {row.variant.title}')
        try:
            row.malloc = workers[name].answer()
            answer = workers[name].ask('warm_up')
        except WorkerError as error:
            row.failure = str(error)
            continue
        row.peak = answer['peak']
        if result.task == 'train':
            row.loss = answer['result']
        else:
            results[name] = answer['result']
    plain = results.get(PLAIN)
    for row in result.rows:
        row.difference = _difference(results.get(row.variant.name), plain)


def _ratio(value: float | None, other: float | None) -> float | None:
    return value / other if value is not None and other else None


def _difference(found: np.ndarray | None, plain: np.ndarray | None) -> float | None:
    if found is None or plain is None or found.shape != plain.shape:
        return None
    return float(np.abs(found - plain).max())


def _turn(row: Row, workers: dict[str, Worker], warm: bool, let_go: bool, timed: bool = True) -> None:
    try:
        started, seconds = workers[row.variant.name].ask('turn', warm, let_go)
    except WorkerError as error:
        row.failure = str(error)
        return
    if timed:
        row.started.append(started)
        row.seconds.append(seconds)
