"""The progress of a scene, as a bar or as lines of JSON, and a clock for its parts."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from types import TracebackType
from typing import TYPE_CHECKING

from schanger_mm.scene.plan import Block, Plan, megapixels

if TYPE_CHECKING:
    from rich.progress import Progress


INTERVAL = 0.5
"""Seconds between two lines of JSON, at least."""


def write_json(**content: object) -> None:
    """Write a line of JSON to stderr, for a program that reads it; docs/scenes.md describes the keys."""
    print(json.dumps(content), file=sys.stderr, flush=True)


class Bar:
    """Megapixels done, megapixels per second and time left, on stderr; silent unless it is a terminal.

    Args:
        plan: of the scene.
        blocks: blocks still to be predicted.
        name: text in front of the bar.
        as_json: write lines of JSON instead, also where stderr is no terminal.
    """

    def __init__(self, plan: Plan, blocks: list[Block], name: str, as_json: bool = False):
        self._plan, self._total = plan, megapixels(blocks)
        self._name, self._json, self._written = name, as_json, -INTERVAL
        self._bar = _bar() if sys.stderr.isatty() and not as_json else None
        if self._bar is not None:
            self._task = self._bar.add_task(name, total=self._total, speed='', left='')
        # by windows, which take the time: blocks of the same size may have different numbers of them
        self._per_window = self._total / max(sum(len(plan.windows(block)) for block in blocks), 1)
        self._finished = self._begun = 0
        self._started = time.perf_counter()

    def __enter__(self) -> Bar:
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        if self._bar is not None:
            self._bar.stop()

    def windows(self, count: int) -> None:
        """Count windows of blocks that are not finished yet."""
        self._begun += count
        self._show()

    def block(self, block: Block) -> None:
        """Count a finished block."""
        windows = len(self._plan.windows(block))
        self._finished += windows
        # some of the next block's may be counted already: it is predicted while this one is stored
        self._begun = max(0, self._begun - windows)
        self._show()

    def _show(self) -> None:
        if self._bar is None and not self._json:
            return
        done = (self._finished + self._begun) * self._per_window
        passed = time.perf_counter() - self._started
        speed = done / max(passed, 1e-9)
        seconds = round((self._total - done) / speed)
        if self._bar is not None:
            # rich's own time left knows 30 s only, less than a block takes where workers report no windows
            left = timedelta(seconds=seconds)
            self._bar.update(self._task, completed=done, speed=f'{speed:.3g} MP/s', left=f'{left} left')
        elif passed - self._written >= INTERVAL or done >= self._total:
            self._written = passed
            write_json(fraction=round(done / self._total, 4), megapixels_per_second=float(f'{speed:.3g}'),
                       seconds_left=seconds, message=self._name)


def _bar() -> Progress:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn
    return Progress(TextColumn('{task.description}'), BarColumn(), TaskProgressColumn(),
                    TextColumn('{task.fields[speed]}'), TextColumn('{task.fields[left]}'), console=Console(stderr=True))


class Clock:
    """Seconds by activity; parts that run in different threads have different names."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._started = time.perf_counter()

    def report(self) -> dict[str, float]:
        """Return seconds by name, to the millisecond, and the ``total`` since the clock was made."""
        seconds = dict(total=time.perf_counter() - self._started, **self.seconds)
        return {name: round(value, 3) for name, value in seconds.items()}

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        """Add the time that the block takes to ``name``."""
        started = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - started
