"""A loss or an update that is not finite stops the training, or is left out, and says where it came from."""

from __future__ import annotations

import math
from pathlib import Path

import torch
from mmengine.dist import get_rank, get_world_size
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.optim import OptimWrapper
from torch import nn
from torch.nn.modules.batchnorm import _NormBase

from schanger_mm.engine.failed_batch import FOLDER, broken_inputs, list_samples, name_samples, write_batch
from schanger_mm.engine.update_gate import UpdateGate
from schanger_mm.registry import HOOKS

SKIPPED = 'skipped_updates'
MODES = ('stop', 'skip')


class BadLossError(ValueError):
    """Training cannot go on: loss, gradients or weights are NaN or Inf."""


@HOOKS.register_module()
class BadLossHook(Hook):
    """Look at loss and gradients of every iteration before the optimiser's step; none that is not finite is applied.

    ``on_nan='stop'`` ends the training with the iteration, the files of the
    batch and a copy of it in ``<work_dir>/failures/iter_<n>``
    (:func:`~schanger_mm.engine.failed_batch.read_batch` reads it). Nothing is
    saved any more, so the newest checkpoint is a good one.

    ``on_nan='skip'`` leaves the update out, sets batch norm's running
    statistics (all buffers) back to what they were before, logs the files and
    goes on, as often as the two limits allow. Of accumulated gradients the
    whole update is left out. The iteration counts, and the schedules move on.

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
            raise ValueError(f'BadLossHook.on_nan: expected {" or ".join(map(repr, MODES))}, found {on_nan!r}')
        if min(max_in_row, max_skipped) < 1:
            raise ValueError(f'BadLossHook: max_in_row={max_in_row}, max_skipped={max_skipped}; expected 1 or more.')
        self.on_nan = on_nan
        self.max_in_row = max_in_row
        self.max_skipped = max_skipped
        self._gate: UpdateGate | None = None
        self._in_row = 0
        self._buffers: list[torch.Tensor] = []
        self._before: list[torch.Tensor] = []

    def before_train(self, runner) -> None:
        """Put the gate before the optimiser."""
        if not isinstance(runner.optim_wrapper, OptimWrapper):
            raise ValueError(f'BadLossHook: optim_wrapper is {type(runner.optim_wrapper).__name__}; expected one '
                             'OptimWrapper; leave bad_loss out of default_hooks.')
        self._gate = UpdateGate(runner.optim_wrapper)
        if self.on_nan == 'skip':
            self._buffers = list(_network(runner).buffers())
            self._before = [buffer.clone() for buffer in self._buffers]

    def after_train(self, runner) -> None:
        """Take the gate away."""
        self._gate.remove()

    def before_train_iter(self, runner, batch_idx: int, data_batch: dict | None = None) -> None:
        """Note the buffers."""
        if self.on_nan == 'skip':
            _copy(self._before, self._buffers)

    def after_train_iter(self, runner, batch_idx: int, data_batch: dict | None = None,
                         outputs: dict | None = None) -> None:
        """Stop or go on, if the update was not applied."""
        if self._gate.problem is None:
            self._in_row = 0
            return
        where = f'iteration {runner.iter + 1}: {self._explain(outputs)}; batch: {list_samples(data_batch)}'
        if broken := broken_inputs(data_batch):
            whose = 'every input' if len(broken) == len(name_samples(data_batch)) else f'the input {"; ".join(broken)}'
            where += f' (NaN or Inf already in {whose})'
        if self.on_nan == 'stop':
            raise BadLossError(f'{where}. {self._copy_of(runner, data_batch, outputs)} The update was not applied and '
                               'nothing saved since: go on with --resume, with a lower '
                               'optim_wrapper.optimizer.lr if the batch is sound; --on-nan skip leaves such batches '
                               'out.')
        _copy(self._buffers, self._before)
        self._in_row += 1
        skipped = int(runner.message_hub.runtime_info.get(SKIPPED, 0)) + 1
        runner.message_hub.update_info(SKIPPED, skipped)
        for value, limit, name, how in ((self._in_row, self.max_in_row, 'max_in_row', 'one after the other'),
                                        (skipped, self.max_skipped, 'max_skipped', 'in all')):
            if value > limit:
                raise BadLossError(f'{where}. {value} updates left out {how}, more than default_hooks.bad_loss.{name}='
                                   f'{limit}. {self._copy_of(runner, data_batch, outputs)} Lower '
                                   'optim_wrapper.optimizer.lr or look at the data, and start from an earlier '
                                   'checkpoint (--resume FILE).')
        runner.logger.warning(f'{where}. Update left out ({self._in_row} in a row, {skipped} in all).')
        for key in [key for key, value in _numbers(outputs).items() if not math.isfinite(value)]:
            del outputs[key]  # one NaN would hide the others of its interval in the log

    def before_save_checkpoint(self, runner, checkpoint: dict) -> None:
        """Refuse weights that are not finite."""
        network = _network(runner)
        statistics = [f'{name}.{key}' for name, module in network.named_modules() if isinstance(module, _NormBase)
                      for key, _ in module.named_buffers(recurse=False)]
        named = dict([*network.named_parameters(), *network.named_buffers()])
        bad = [name for name in [*(name for name, _ in network.named_parameters()), *statistics]
               if named[name].is_floating_point() and not named[name].isfinite().all()]
        if bad:
            raise BadLossError(f'iteration {checkpoint["meta"]["iter"]}: {len(bad)} weights or running statistics are '
                               f'NaN or Inf, {bad[0]} first, so no checkpoint is written; those before are untouched. '
                               'Go on from one with --resume, with a lower optim_wrapper.optimizer.lr.')

    def _explain(self, outputs: dict | None) -> str:
        problem = 'an update of another process is not finite' if self._gate.problem == 'elsewhere' else (
            self._gate.problem)
        parts = [f'{key} {value:.4g}' for key, value in _numbers(outputs).items() if key != 'loss']
        return f'{problem} ({", ".join(parts)})' if parts else str(problem)

    def _copy_of(self, runner, batch: object, outputs: dict | None) -> str:
        name = f'iter_{runner.iter + 1}' + (f'_process_{get_rank()}' if get_world_size() > 1 else '')
        facts = dict(iteration=runner.iter + 1, problem=self._gate.problem, seed=runner.seed,
                     outputs={key: repr(value) for key, value in _numbers(outputs).items()})
        try:
            return f'A copy of the batch: {write_batch(Path(runner.work_dir) / FOLDER / name, batch, facts)}.'
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
