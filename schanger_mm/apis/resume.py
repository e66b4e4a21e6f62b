"""Continuing a run from one of its checkpoints, or from somebody's."""

from __future__ import annotations

import os
from pathlib import Path

from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.logging import print_log

from schanger_mm.apis.config import ConfigError
from schanger_mm.apis.latest import latest_checkpoint, missing_parts
from schanger_mm.checkpoints import config_values, read_checkpoint


def resume_from(cfg: Config, checkpoint: str) -> None:
    """Continue a run: from the newest checkpoint of its work directory (``'auto'``) or from a file.

    Where the work directory holds none yet, the run starts as without the
    option, initial weights included.

    Raises:
        ConfigError: the file does not exist, holds weights only, or its run
            had another length.
        CheckpointError: the file cannot be read.
    """
    found = latest_checkpoint(cfg.work_dir) if checkpoint == 'auto' else checkpoint
    if found is None:
        print_log(f'--resume: no checkpoint in {cfg.work_dir} yet, so this run starts from its beginning.')
        return
    if not os.path.isfile(found):
        raise ConfigError(f'--resume {found}: no such file; plain --resume takes the newest of {cfg.work_dir}.')
    content = read_checkpoint(found)
    if missing := missing_parts(content):
        raise ConfigError(f'--resume {found}: it has no {missing}, so it is not what a training saves to be '
                          'continued (iter_*.pth); start a new run from its weights with --cfg-options load_from=FILE.')
    _check_length(cfg, found, content['meta'].get('cfg'))
    cfg.resume = True
    cfg.load_from = found


def _check_length(cfg: Config, checkpoint: str, text: object) -> None:
    """Refuse to resume with another length: mmengine would keep the old schedule, and train at its dead end."""
    if not isinstance(text, str):
        return
    try:
        before = config_values(text).get('train_cfg') or {}
    except ValueError as error:
        print_log(f'--resume {checkpoint}: its config is not made of plain values ({error}) and is not executed, so '
                  'nobody checked that its run has the length of this one.', level='WARNING')
        return
    for key in ('max_iters', 'max_epochs'):
        if before.get(key) != cfg.train_cfg.get(key):
            raise ConfigError(
                f'--resume {checkpoint}: the run was started with train_cfg.{key}={before.get(key)}, now it is '
                f'{cfg.train_cfg.get(key)}. Resume with the same length (--max-iters), or start a new run from these '
                'weights with --cfg-options load_from=FILE.')


class ResumeGuard(Hook):
    """Keep a checkpoint from naming files that mmengine would delete.

    ``CheckpointHook`` removes the best checkpoint before when it has a better
    one, and the oldest of those that it keeps; which ones these are, it reads
    in the checkpoint that a run resumes from. They are forgotten unless they
    are the run's own.
    """

    def after_load_checkpoint(self, runner, checkpoint: dict) -> None:
        """Look at what the log says of files, before mmengine takes it over."""
        if not runner._resume:
            return
        info = checkpoint['message_hub'].get('runtime_info', {})
        own = _lies_in(runner._load_from, runner.work_dir)
        for key in [key for key in info if str(key).startswith(('best_ckpt', 'last_ckpt'))]:
            if not _lies_in(info[key], runner.work_dir):
                runner.logger.warning(f'{runner._load_from}: its {key} {info[key]!r:.200} is not in {runner.work_dir}, '
                                      'so this run leaves that file alone.')
                del info[key]
        kept = info.get('keep_ckpt_ids')
        if kept is not None and not (own and isinstance(kept, list) and all(type(step) is int for step in kept)):
            del info['keep_ckpt_ids']


def _lies_in(path: object, folder: str) -> bool:
    return isinstance(path, str) and Path(path).resolve().parent == Path(folder).resolve() and path.endswith('.pth')
