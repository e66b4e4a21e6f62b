"""Checkpoints that are whole or not there."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from mmengine.dist import is_main_process
from mmengine.fileio import LocalBackend, register_backend
from mmengine.hooks import CheckpointHook

from schanger_mm.atomic import FULL, remove_partial, write_durably
from schanger_mm.registry import HOOKS

POINTER = 'last_checkpoint'
MIB = 1 << 20


class SaveError(OSError):
    """A checkpoint could not be written."""


@register_backend('durable')
class DurableBackend(LocalBackend):
    """mmengine's local files, each written whole or not at all.

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
            raise SaveError(f'{path} could not be written: {problem}. What was saved before is untouched; make '
                            'room, or set right what is wrong, and go on with --resume.') from error

    def put_text(self, obj: str, filepath: str | Path, encoding: str = 'utf-8') -> None:
        """Write text."""
        self.put(obj.encode(encoding), filepath)


class _RemovesLater(DurableBackend):
    """Keeps what it is told to remove until what replaces it is whole."""

    def __init__(self) -> None:
        self.waiting: list[str] = []

    def remove(self, filepath: str | Path) -> None:
        """Remove it at the next :meth:`remove_now`."""
        self.waiting.append(str(filepath))

    def remove_now(self) -> None:
        """Remove what was to be removed."""
        for path in self.waiting:
            Path(path).unlink(missing_ok=True)
        self.waiting.clear()


@HOOKS.register_module()
class AtomicCheckpointHook(CheckpointHook):
    """mmengine's CheckpointHook; a kill or a full disk at any moment leaves whole checkpoints to go on from.

    A file is written under another name, brought to the disk and renamed.
    Then ``last_checkpoint`` moves to it, and last the checkpoints that are one
    too many are removed; the best one goes when the next best is whole. So the
    folder needs room for one checkpoint more than ``max_keep_ckpts``. What a
    killed run left half written is removed when the next one starts.

    Args:
        **kwargs: those of mmengine's hook. With ``backend_args`` of your own
            (an object store) all this is what that backend makes of it.

    Raises:
        SaveError: a checkpoint cannot be written.
    """

    def __init__(self, **kwargs) -> None:
        if kwargs.get('file_client_args') is None and '://' not in str(kwargs.get('out_dir')):
            kwargs['backend_args'] = kwargs.get('backend_args') or dict(backend='durable')
        super().__init__(**kwargs)

    def before_train(self, runner) -> None:
        """Remove what a killed run left half written."""
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
                runner.logger.info(f'removed what a killed run left half written: {", ".join(left)}')

    def save_now(self, runner, done: int) -> None:
        """Save a checkpoint out of turn, after ``done`` iterations.

        In a training by epochs it is ``iter_<done>.pth`` beside the epochs' checkpoints, and stays until somebody
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

    def _save_best_checkpoint(self, runner, metrics: dict) -> None:
        super()._save_best_checkpoint(runner, metrics)
        self._remove_now()

    def _remove_now(self) -> None:
        if isinstance(self.file_backend, _RemovesLater):
            self.file_backend.remove_now()
