"""Measure what a training costs, across resumes."""

from __future__ import annotations

import time

from mmengine.hooks import Hook

from schanger_mm.registry import HOOKS

ENTRY = 'training_time'


@HOOKS.register_module()
class TrainingTimeHook(Hook):
    """Log the time spent on training so far: ``core_minutes`` of this process, ``minutes`` of the clock.

    Validations do not count (nor, within a few milliseconds, does loading the first batch after one), and neither do
    iterations that were lost because a kill came before their checkpoint: the resumed run continues with the time of
    the checkpoint that it starts from. ``core_minutes`` are processor time of all threads of this process; workers of
    data loaders are other processes, so set ``num_workers=0`` where they matter.

    Checkpoints get an entry ``training_time`` with ``cpu_seconds`` and ``seconds``.
    """

    priority = 'VERY_HIGH'  # the log that is written behind it holds this iteration

    def __init__(self) -> None:
        self._spent = (0.0, 0.0)
        self._since: tuple[float, float] | None = None

    def after_load_checkpoint(self, runner, checkpoint: dict) -> None:
        """Continue with the time of the checkpoint."""
        if runner._resume and (entry := checkpoint.get(ENTRY)):
            self._spent = entry['cpu_seconds'], entry['seconds']

    def before_train(self, runner) -> None:
        """Start the clock."""
        self._since = _now()

    def before_train_iter(self, runner, batch_idx: int, data_batch: dict | None = None) -> None:
        """Start the clock after a validation."""
        if self._since is None:
            self._since = _now()

    def after_train_iter(self, runner, batch_idx: int, data_batch: dict | None = None,
                         outputs: dict | None = None) -> None:
        """Hand the time to the log."""
        self._log(runner, 'train')

    def before_val_epoch(self, runner) -> None:
        """Stop the clock."""
        self._spent, self._since = self._total(), None

    def after_val_epoch(self, runner, metrics: dict[str, float] | None = None) -> None:
        """Hand the time before the validation to the log."""
        self._log(runner, 'val')

    def before_save_checkpoint(self, runner, checkpoint: dict) -> None:
        """Add the entry."""
        cpu_seconds, seconds = self._total()
        checkpoint[ENTRY] = dict(cpu_seconds=cpu_seconds, seconds=seconds)

    def _total(self) -> tuple[float, float]:
        if self._since is None:
            return self._spent
        return tuple(spent + now - since for spent, now, since in zip(self._spent, _now(), self._since))  # type: ignore

    def _log(self, runner, mode: str) -> None:
        for name, seconds in zip(('core_minutes', 'minutes'), self._total()):
            runner.message_hub.update_scalar(f'{mode}/{name}', seconds / 60)


def _now() -> tuple[float, float]:
    """Return the processor time of this process and the time of a clock, in seconds."""
    return time.process_time(), time.perf_counter()
