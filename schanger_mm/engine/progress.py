"""A progress bar of a training, on terminals only; log lines scroll above it."""

from __future__ import annotations

import contextlib
import logging
import sys
import time
from collections.abc import Iterator
from typing import TextIO

from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.runner import Runner
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

INTERVAL = 0.25
"""Seconds between two drawings of the bar; there is no thread, so it stands still during a long iteration."""
MEMORY = 600.0
"""Seconds of the past from which the time left is estimated, validations included."""
ENDLESS = 2**40
"""Loops without an end have more iterations than this."""


@contextlib.contextmanager
def progress_bar(runner: Runner) -> Iterator[None]:
    """Show the progress of the training in this block, with the time left.

    There is none where stdout or stderr is not a terminal (the log lines are
    plain there), and in all processes but the first. Nothing is read from the
    GPU, and log files get what they always get.

    Args:
        runner: the Runner that is to train.
    """
    if not (is_main_process() and _is_terminal(sys.stdout) and _is_terminal(sys.stderr)):
        yield
        return
    console = Console(file=_Terminal(sys.stdout))  # type: ignore[arg-type]
    if console.is_dumb_terminal:
        yield
        return
    progress = Progress(
        TextColumn('{task.description}'), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn('left'),
        TimeRemainingColumn(), console=console, auto_refresh=False, speed_estimate_period=MEMORY)
    runner.register_hook(_ProgressHook(progress), priority='LOWEST')
    with progress, _lines_above(console, runner.logger):
        yield


class _ProgressHook(Hook):
    """Move the bar; a second one is there while the network is validated."""

    def __init__(self, progress: Progress):
        self._progress = progress
        self._training: TaskID | None = None
        self._validation: TaskID | None = None
        self._drawn = 0.0

    def before_train(self, runner: Runner) -> None:
        """Begin where the training begins, or is resumed."""
        total = runner.max_iters if runner.max_iters < ENDLESS else None
        self._training = self._progress.add_task('training', total=total, completed=runner.iter)
        self._progress.refresh()

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch=None, outputs=None) -> None:
        """Count an iteration."""
        self._move(self._training, runner.iter + 1)

    def before_val(self, runner: Runner) -> None:
        """Show the second bar."""
        self._validation = self._progress.add_task('validation', total=len(runner.val_loop.dataloader))

    def after_val_iter(self, runner: Runner, batch_idx: int, data_batch=None, outputs=None) -> None:
        """Count a batch."""
        self._move(self._validation, batch_idx + 1)

    def after_val(self, runner: Runner) -> None:
        """Remove the second bar."""
        if self._validation is not None:
            self._progress.remove_task(self._validation)
            self._validation = None

    def after_train(self, runner: Runner) -> None:
        """Draw the end."""
        self._progress.refresh()

    def _move(self, task: TaskID | None, completed: int) -> None:
        if task is None:
            return
        self._progress.update(task, completed=completed)
        if (now := time.monotonic()) - self._drawn >= INTERVAL:
            self._drawn = now
            self._progress.refresh()


class _Terminal:
    """A terminal that may go away: what cannot be written is lost, and the training goes on."""

    def __init__(self, stream: TextIO):
        self._stream = stream

    def __getattr__(self, name: str):
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        with contextlib.suppress(OSError):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with contextlib.suppress(OSError):
            self._stream.flush()


class _Above:
    """A stream for a log handler whose lines appear above the bar, as long as they are."""

    def __init__(self, console: Console, stream: TextIO):
        self._console = console
        self._stream = stream

    def __getattr__(self, name: str):
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        if text.strip('\n'):
            self._console.print(Text.from_ansi(text.removesuffix('\n')), soft_wrap=True, highlight=False)
        return len(text)


@contextlib.contextmanager
def _lines_above(console: Console, logger: logging.Logger) -> Iterator[None]:
    """Let the console handlers of a logger write above what is drawn at the bottom."""
    handlers = [handler for handler in logger.handlers
                if isinstance(handler, logging.StreamHandler) and not isinstance(handler, logging.FileHandler)]
    streams = [handler.stream for handler in handlers]
    for handler in handlers:  # not by setStream(), which flushes the old stream; it may be closed
        handler.stream = _Above(console, handler.stream)
    try:
        yield
    finally:
        for handler, stream in zip(handlers, streams):
            handler.stream = stream


def _is_terminal(stream: TextIO | None) -> bool:
    return stream is not None and not stream.closed and stream.isatty()
