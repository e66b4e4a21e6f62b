"""Score the current weights beside their average."""

from __future__ import annotations

import logging
from copy import deepcopy

import torch
from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.runner.amp import autocast

from schanger_mm.registry import HOOKS


@HOOKS.register_module()
class LiveWeightsHook(Hook):
    """Score the current weights after each validation, which scores their moving average.

    The log gets each score of the current weights with ``live/`` before its name. Where ``metric`` of the average is
    more than ``tolerance`` lower, a warning says so, since the average is what is saved. A validation takes twice the
    time.

    Args:
        metric: name of the score to compare, where greater is better.
        tolerance: difference, in units of the metric, that needs no warning.
    """

    priority = 55  # after EMAHook (50) has put the current weights back, before LoggerHook (60) writes the scores

    def __init__(self, metric: str = 'changed/F1', tolerance: float = 1.0):
        self.metric = metric
        self.tolerance = tolerance

    def after_val_epoch(self, runner, metrics: dict[str, float] | None = None) -> None:
        """Score the current weights and compare."""
        live = self._score(runner)
        for name, value in live.items():
            runner.message_hub.update_scalar(f'val/live/{name}', value)
        average = (metrics or {}).get(self.metric)
        if average is not None and live[self.metric] - average > self.tolerance:
            print_log(
                f'{self.metric} of the averaged weights is {average:.2f}, of the current weights '
                f'{live[self.metric]:.2f}. It is the average that is saved. This is common while scores rise quickly; '
                'if it stays so, shorten the average: custom_hooks, EMAHook, a smaller memory= or a larger momentum=.',
                logger='current', level=logging.WARNING)

    @torch.no_grad()
    def _score(self, runner) -> dict[str, float]:
        loop = runner.val_loop
        evaluator = deepcopy(loop.evaluator)
        runner.model.eval()
        for batch in loop.dataloader:
            with autocast(enabled=loop.fp16):
                outputs = runner.model.val_step(batch)
            evaluator.process(data_samples=outputs, data_batch=batch)
        return evaluator.evaluate(len(loop.dataloader.dataset))
