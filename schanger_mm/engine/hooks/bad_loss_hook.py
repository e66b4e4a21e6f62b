"""Stop the training, or skip the update, if loss or gradients are not finite, and report the cause."""

from __future__ import annotations

import math
from collections import deque
from pathlib import Path
from typing import NamedTuple

import torch
from mmengine.dist import get_rank, get_world_size
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.optim import OptimWrapper
from torch import nn
from torch.nn.modules.batchnorm import _NormBase

from schanger_mm.engine.failed_batch import FOLDER, broken_inputs, label_values, list_samples, name_samples, write_batch
from schanger_mm.engine.update_gate import Look, UpdateGate
from schanger_mm.registry import HOOKS
from schanger_mm.utils.errors import SettingError, UserError

SKIPPED = 'skipped_updates'
MODES = ('stop', 'skip')
MOST_PENDING = 16
"""Iterations whose verdict may be on its way from a GPU; each keeps its batch."""


class BadLossError(UserError, ValueError):
    """Training cannot continue: loss, gradients or weights are NaN or Inf."""


class Iteration(NamedTuple):
    """An iteration whose update may have been left out."""

    number: int
    look: Look
    batch: dict | None
    outputs: dict | None


@HOOKS.register_module()
class BadLossHook(Hook):
    """Look at loss and gradients of every iteration before the optimiser's step; none that is not finite is applied.

    ``on_nan='stop'`` ends the training with the iteration, the files of the
    batch and a copy of it in ``<work_dir>/failures/iter_<n>``
    (:func:`~schanger_mm.engine.failed_batch.read_batch` reads it). Nothing is
    saved any more, so the newest checkpoint is a good one.

    ``on_nan='skip'`` leaves the update out, sets batch norm's running
    statistics (all buffers) back to what they were before, logs the files and
    continues, as often as the two limits allow. Of accumulated gradients the
    whole update is left out. The iteration counts, and the schedules move on.

    Training on a GPU with ``'stop'`` and a fused optimiser, the host does not
    wait for the verdict: it may read it some iterations later. The optimiser
    leaves out the bad update and all that follow, and before a checkpoint is
    saved the host does wait. Otherwise it waits in every iteration.

    In both modes a checkpoint whose weights or running statistics are not
    finite is refused. Gradients that overflow under a loss scaler are its
    business and no failure.

    Args:
        on_nan: 'stop' or 'skip'.
        max_in_row: with 'skip', stop when more updates than this are left out one after the other.
        max_skipped: with 'skip', stop when more than this are left out in all, before a resume included.

    Raises:
        ValueError: an argument is wrong.
        BadLossError: see above.
    """

    priority = 'HIGHEST'  # before the log, the weight average and the checkpoint

    def __init__(self, on_nan: str = 'stop', max_in_row: int = 10, max_skipped: int = 100) -> None:
        if on_nan not in MODES:
            raise SettingError(f'BadLossHook.on_nan: expected {" or ".join(map(repr, MODES))}, found {on_nan!r}')
        if min(max_in_row, max_skipped) < 1:
            raise SettingError(f'BadLossHook: max_in_row={max_in_row}, max_skipped={max_skipped}; expected 1 or more.')
        self.on_nan = on_nan
        self.max_in_row = max_in_row
        self.max_skipped = max_skipped
        self._gate: UpdateGate | None = None
        self._pending: deque[Iteration] = deque()
        self._in_row = 0
        self._buffers: list[torch.Tensor] = []
        self._before: list[torch.Tensor] = []

    def before_train(self, runner) -> None:
        """Put the gate before the optimiser."""
        if not isinstance(runner.optim_wrapper, OptimWrapper):
            raise SettingError(f'BadLossHook: optim_wrapper is {type(runner.optim_wrapper).__name__}; expected one '
                               'OptimWrapper; remove bad_loss from default_hooks.')
        self._gate = UpdateGate(runner.optim_wrapper, wait=self.on_nan == 'skip')
        if self.on_nan == 'skip':
            self._buffers = list(_network(runner).buffers())
            self._before = [buffer.clone() for buffer in self._buffers]

    def after_train(self, runner) -> None:
        """Look at the last iterations and take the gate away."""
        self._look(runner, most_pending=0)
        self._gate.remove()

    def before_train_iter(self, runner, batch_idx: int, data_batch: dict | None = None) -> None:
        """Note the buffers."""
        if self.on_nan == 'skip':
            _copy(self._before, self._buffers)

    def after_train_iter(self, runner, batch_idx: int, data_batch: dict | None = None,
                         outputs: dict | None = None) -> None:
        """Stop or continue, if an update was not applied."""
        if self._gate.look is not None:  # a custom train_step may make no update
            self._pending.append(Iteration(runner.iter + 1, self._gate.look, data_batch, outputs))
        self._look(runner, most_pending=0 if self._gate.waits else MOST_PENDING)

    def _look(self, runner, most_pending: int) -> None:
        while self._pending and (len(self._pending) > most_pending or self._pending[0].look.arrived()):
            iteration = self._pending.popleft()
            if problem := iteration.look.problem():
                self._handle(runner, iteration, problem)
            else:
                self._in_row = 0

    def _handle(self, runner, iteration: Iteration, problem: str) -> None:
        number, _, data_batch, outputs = iteration
        where = f'iteration {number}: {_explain(problem, outputs)}; batch: {list_samples(data_batch)}'
        if broken := broken_inputs(data_batch):
            whose = 'every input' if len(broken) == len(name_samples(data_batch)) else f'the input {"; ".join(broken)}'
            where += f' (NaN or Inf already in {whose})'
        elif values := label_values(data_batch):  # a wrong one makes the loss NaN on a GPU
            where += f' (labels hold {", ".join(map(str, values))})'
        if self.on_nan == 'stop':
            raise BadLossError(f'{where}. {_copy_of(runner, iteration, problem)} The update was not applied and '
                               'nothing saved since: continue with --resume and a lower '
                               'optim_wrapper.optimizer.lr if the batch is valid; --on-nan skip skips such batches.')
        _copy(self._buffers, self._before)
        self._in_row += 1
        skipped = int(runner.message_hub.runtime_info.get(SKIPPED, 0)) + 1
        runner.message_hub.update_info(SKIPPED, skipped)
        for value, limit, name, how in ((self._in_row, self.max_in_row, 'max_in_row', 'in a row'),
                                        (skipped, self.max_skipped, 'max_skipped', 'in all')):
            if value > limit:
                raise BadLossError(f'{where}. {value} updates skipped {how}, more than default_hooks.bad_loss.{name}='
                                   f'{limit}. {_copy_of(runner, iteration, problem)} Lower '
                                   'optim_wrapper.optimizer.lr or look at the data, and start from an earlier '
                                   'checkpoint (--resume FILE).')
        runner.logger.warning(f'{where}. Update skipped ({self._in_row} in a row, {skipped} in total).')
        for key in [key for key, value in _numbers(outputs).items() if not math.isfinite(value)]:
            del outputs[key]  # one NaN would hide the others of its interval in the log

    def before_save_checkpoint(self, runner, checkpoint: dict) -> None:
        """Refuse weights that are not finite, and any behind a bad update."""
        self._look(runner, most_pending=0)
        network = _network(runner)
        statistics = [f'{name}.{key}' for name, module in network.named_modules() if isinstance(module, _NormBase)
                      for key, _ in module.named_buffers(recurse=False)]
        named = dict([*network.named_parameters(), *network.named_buffers()])
        bad = [name for name in [*(name for name, _ in network.named_parameters()), *statistics]
               if named[name].is_floating_point() and not named[name].isfinite().all()]
        if bad:
            raise BadLossError(f'iteration {checkpoint["meta"]["iter"]}: {len(bad)} weights or running statistics are '
                               f'NaN or Inf, {bad[0]} first, so no checkpoint is written; earlier ones are untouched. '
                               'Continue from one with --resume and a lower optim_wrapper.optimizer.lr.')


def _explain(problem: str, outputs: dict | None) -> str:
    if problem == 'elsewhere':
        problem = 'an update of another process is not finite'
    parts = [f'{key} {value:.4g}' for key, value in _numbers(outputs).items() if key != 'loss']
    return f'{problem} ({", ".join(parts)})' if parts else problem


def _copy_of(runner, iteration: Iteration, problem: str) -> str:
    name = f'iter_{iteration.number}' + (f'_process_{get_rank()}' if get_world_size() > 1 else '')
    facts = dict(iteration=iteration.number, problem=problem, seed=runner.seed,
                 outputs={key: repr(value) for key, value in _numbers(iteration.outputs).items()})
    try:
        return f'A copy of the batch: {write_batch(Path(runner.work_dir) / FOLDER / name, iteration.batch, facts)}.'
    except OSError as error:
        return f'No copy of the batch could be saved ({error}).'


def _numbers(outputs: dict | None) -> dict[str, float]:
    return {key: torch.as_tensor(value).detach().item() for key, value in (outputs or {}).items()}


def _network(runner) -> nn.Module:
    return runner.model.module if is_model_wrapper(runner.model) else runner.model


def _copy(to: list[torch.Tensor], what: list[torch.Tensor]) -> None:
    with torch.no_grad():
        for target, source in zip(to, what):
            target.copy_(source)
