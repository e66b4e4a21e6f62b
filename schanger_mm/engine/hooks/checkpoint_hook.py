"""Write checkpoints completely or not at all."""

from __future__ import annotations

import math
import os
import shutil
from pathlib import Path

from mmengine.dist import is_main_process
from mmengine.fileio import LocalBackend, register_backend
from mmengine.hooks import CheckpointHook

from schanger_mm.checkpoints.pointer import POINTER
from schanger_mm.checkpoints.reading import wanted_of
from schanger_mm.registry import HOOKS
from schanger_mm.utils.errors import UserError
from schanger_mm.utils.files import FULL, remove_partial, write_durably
from schanger_mm.utils.text import first_of

MIB = 1 << 20


class SaveError(UserError, OSError):
    """A checkpoint could not be written."""


@register_backend('durable')
class DurableBackend(LocalBackend):
    """mmengine's local files, each written completely or not at all.

    Raises:
        SaveError: the disk is full or refuses; what was there before
            is untouched.
    """

    def put(self, obj: bytes, filepath: str | Path) -> None:
        """Write bytes."""
        path = Path(filepath)
        try:
            write_durably(path, obj)
        except OSError as error:
            problem = error.strerror
            if error.errno in FULL:
                problem = (f'no space left: it takes {len(obj) / MIB:.1f} MiB and '
                           f'{shutil.disk_usage(path.parent).free / MIB:.1f} MiB are free')
            raise SaveError(f'{path} could not be written: {problem}. What was saved before is untouched; free '
                            'some space, or fix the cause, and continue with --resume.') from error

    def put_text(self, obj: str, filepath: str | Path, encoding: str = 'utf-8') -> None:
        """Write text."""
        self.put(obj.encode(encoding), filepath)


class _RemovesLater(DurableBackend):
    """Keeps files to be removed until their replacement is complete."""

    def __init__(self) -> None:
        self.waiting: list[str] = []

    def remove(self, filepath: str | Path) -> None:
        """Remove it at the next :meth:`remove_now`."""
        self.waiting.append(str(filepath))

    def remove_now(self) -> None:
        """Remove the files marked for removal."""
        for path in self.waiting:
            Path(path).unlink(missing_ok=True)
        self.waiting.clear()


def _is_greater(score: float, best: float) -> bool:
    """Compare scores of which nan ranks just above 0, and a later nan above an earlier one.

    F1 is nan where nothing is to be found and nothing was found; where something was found there, it is 0.
    """
    if math.isnan(score):
        return not best > 0
    return score > (0 if math.isnan(best) else best)


@HOOKS.register_module()
class AtomicCheckpointHook(CheckpointHook):
    """mmengine's CheckpointHook; a kill or a full disk at any moment leaves complete checkpoints.

    A file is written under another name, brought to the disk and renamed.
    Then ``last_checkpoint`` moves to it, and last the checkpoints that are one
    too many are removed; the best one goes when the next best is whole. So the
    folder needs room for one checkpoint more than ``max_keep_ckpts``. What a
    killed run left half written is removed when the next one starts.

    Of a score that should be large, nan counts as just above 0: on a
    validation split without a changed pixel, a network that finds nothing is
    better than one with false alarms.

    Args:
        **kwargs: those of mmengine's hook. With ``backend_args`` of your own
            (an object store) all this is what that backend makes of it.

    Raises:
        SaveError: a checkpoint cannot be written.
    """

    rule_map = {**CheckpointHook.rule_map, 'greater': _is_greater}

    def __init__(self, **kwargs) -> None:
        if kwargs.get('file_client_args') is None and '://' not in str(kwargs.get('out_dir')):
            kwargs['backend_args'] = kwargs.get('backend_args') or dict(backend='durable')
        super().__init__(**kwargs)
        self._checked = False  # whether a checkpoint of this run can be read

    def before_train(self, runner) -> None:
        """Remove partial files of a killed run."""
        super().before_train(runner)
        if isinstance(self.file_backend, DurableBackend):
            self.file_backend = _RemovesLater()
        # after a resume a validation may come first; its best score belongs into the checkpoint resumed from
        self.last_ckpt = runner.message_hub.runtime_info.get('last_ckpt')
        if is_main_process():
            names = (self.filename_tmpl.format('*'), 'best_*.pth', POINTER)
            left = [file for folder in {str(self.out_dir), runner.work_dir} for name in names
                    for file in remove_partial(Path(folder), name)]
            if left:
                runner.logger.info(f'removed partial files of a killed run: {", ".join(left)}')

    def before_save_checkpoint(self, runner, checkpoint: dict) -> None:
        """Leave out the functions of schedules: reading them would run code, and their constructors make them again."""
        schedules = checkpoint.get('param_schedulers', [])
        for group in schedules.values() if isinstance(schedules, dict) else [schedules]:
            group[:] = [{key: value for key, value in state.items() if not callable(value)} for state in group]

    def save_now(self, runner, done: int) -> None:
        """Save an unscheduled checkpoint, after ``done`` iterations.

        In a training by epochs it is ``iter_<done>.pth`` next to the epochs' checkpoints, and stays until someone
        removes it; the epochs that it counts are those that are complete.

        Raises:
            SaveError: it cannot be written.
        """
        meta = dict(epoch=runner.epoch, iter=done)
        if self.by_epoch:
            self._write(runner, f'iter_{done}.pth', meta)
        else:
            self._save_checkpoint_with_step(runner, done, meta)

    def _save_checkpoint_with_step(self, runner, step: int, meta: dict) -> None:
        self._remove_now()  # this may follow a new best checkpoint, which is whole by now
        too_many = []
        if self.max_keep_ckpts > 0 and step not in self.keep_ckpt_ids:
            if len(self.keep_ckpt_ids) == self.max_keep_ckpts:
                too_many = [self.keep_ckpt_ids[0]]
            self.keep_ckpt_ids.append(step)
            # a start after a kill removes what is too many in this list
            runner.message_hub.update_info('keep_ckpt_ids', [*too_many, *self.keep_ckpt_ids])
        self._write(runner, self.filename_tmpl.format(step), meta)
        if is_main_process():
            for old in too_many:
                self.file_backend.remove(self.file_backend.join_path(self.out_dir, self.filename_tmpl.format(old)))
        self._remove_now()

    def _write(self, runner, name: str, meta: dict) -> None:
        self.last_ckpt = self.file_backend.join_path(self.out_dir, name)
        runner.message_hub.update_info('last_ckpt', self.last_ckpt)
        runner.save_checkpoint(
            self.out_dir, name, self.file_client_args, save_optimizer=self.save_optimizer,
            save_param_scheduler=self.save_param_scheduler, meta=meta, by_epoch=self.by_epoch,
            backend_args=self.backend_args, **self.args)
        if is_main_process():
            DurableBackend().put_text(self.last_ckpt, os.path.join(runner.work_dir, POINTER))
            if not self._checked:
                self._warn_if_unreadable(runner)

    def _warn_if_unreadable(self, runner) -> None:
        """Warn at the first checkpoint if a part of the run saves objects that would be rejected when loading."""
        path, self._checked = Path(self.last_ckpt), True
        if path.is_file() and (names := wanted_of(path)):
            runner.logger.warning(
                f'{path} cannot be tested or resumed from: it holds objects of {first_of(names)}, and reading those '
                'would run code. Some schedule, optimiser or hook of this run saves them; have it save numbers, '
                'texts and tensors only.')

    def _save_best_checkpoint(self, runner, metrics: dict) -> None:
        super()._save_best_checkpoint(runner, metrics)
        self._remove_now()

    def _remove_now(self) -> None:
        if isinstance(self.file_backend, _RemovesLater):
            self.file_backend.remove_now()
