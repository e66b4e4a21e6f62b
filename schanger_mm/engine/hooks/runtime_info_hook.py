"""Log losses without waiting for the GPU in every iteration."""

from __future__ import annotations

import torch
from mmengine.hooks import LoggerHook, RuntimeInfoHook
from torch import Tensor

from schanger_mm.registry import HOOKS


@HOOKS.register_module()
class LazyRuntimeInfoHook(RuntimeInfoHook):
    """mmengine's RuntimeInfoHook, which reads losses when the log is written instead of in every iteration.

    Reading a loss makes the host wait until the GPU has computed it. Here the
    losses stay on the GPU until ``LoggerHook`` writes a line, a checkpoint is
    saved or an epoch or the training ends; then all of them are read at once,
    in their order. Hooks that read ``train/loss`` from the message hub in
    between see the last value that was read.
    """

    def __init__(self) -> None:
        self._waiting: list[tuple[str, Tensor]] = []

    def before_train(self, runner) -> None:
        """Record when the log is written."""
        super().before_train(runner)
        self._waiting.clear()
        self._intervals = [hook.interval for hook in runner.hooks if isinstance(hook, LoggerHook)]

    def after_train_iter(self, runner, batch_idx: int, data_batch: dict | None = None,
                         outputs: dict | None = None) -> None:
        """Keep the losses, and read all pending ones before the log is written."""
        for key, value in (outputs or {}).items():
            if isinstance(value, Tensor):
                self._waiting.append((key, value.detach()))
            else:
                runner.message_hub.update_scalar(f'train/{key}', value)
        if self.end_of_epoch(runner.train_dataloader, batch_idx) or runner.iter + 1 == runner.max_iters or any(
                self.every_n_inner_iters(batch_idx, interval) for interval in self._intervals):
            self._hand_over(runner)

    def after_train(self, runner) -> None:
        """Read the pending losses."""
        self._hand_over(runner)
        super().after_train(runner)

    def before_save_checkpoint(self, runner, checkpoint: dict) -> None:
        """Read the pending losses, also for the checkpoint."""
        if self._waiting:
            self._hand_over(runner)
            checkpoint['message_hub'] = runner.message_hub.state_dict()

    def _hand_over(self, runner) -> None:
        if not self._waiting:
            return
        values = torch.stack([value.double().reshape(()) for _, value in self._waiting]).cpu().numpy()
        for (key, _), value in zip(self._waiting, values):
            runner.message_hub.update_scalar(f'train/{key}', float(value))
        self._waiting.clear()
