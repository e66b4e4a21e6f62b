"""The progress bar of a scene, and where its time went."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

from schanger_mm.scene.plan import Block, Plan, megapixels


class Bar:
    """Megapixels done, megapixels per second and time left, on stderr; silent where that is no terminal.

    Args:
        plan: of the scene.
        blocks: those that are still to be predicted.
        name: what is shown before the bar.
    """

    def __init__(self, plan: Plan, blocks: list[Block], name: str):
        console = Console(stderr=True)
        self._bar = Progress(TextColumn('{task.description}'), BarColumn(), TaskProgressColumn(),
                             TextColumn('{task.fields[speed]}'), TextColumn('{task.fields[left]}'),
                             console=console, disable=not console.is_terminal)
        self._plan, self._total = plan, megapixels(blocks)
        self._task = self._bar.add_task(name, total=self._total, speed='', left='')
        # by windows, which is where the time goes: blocks of one size may have different numbers of them
        self._per_window = self._total / max(sum(len(plan.windows(block)) for block in blocks), 1)
        self._finished = self._begun = 0
        self._started = time.perf_counter()

    def __enter__(self) -> Bar:
        self._bar.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
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
        done = (self._finished + self._begun) * self._per_window
        speed = done / max(time.perf_counter() - self._started, 1e-9)
        # rich's own time left knows 30 s only, less than a block takes where workers report no windows
        left = timedelta(seconds=round((self._total - done) / speed))
        self._bar.update(self._task, completed=done, speed=f'{speed:.3g} MP/s', left=f'{left} left')


class Clock:
    """Seconds by what they were spent on; parts that run in different threads have different names."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._started = time.perf_counter()

    def report(self) -> dict[str, float]:
        """Seconds by name, to the millisecond, and the ``total`` since the clock was made."""
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
