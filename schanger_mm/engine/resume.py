"""Continue a run from one of its checkpoints, or from another checkpoint."""

from __future__ import annotations

import logging
import os
import re
from pathlib import Path

from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.logging import print_log

from schanger_mm.checkpoints import Checkpoint, CheckpointError, read_checkpoint
from schanger_mm.checkpoints.pointer import POINTER
from schanger_mm.config.loading import ConfigError
from schanger_mm.utils.text import first_of


def resume_from(cfg: Config, checkpoint: str) -> Checkpoint | None:
    """Continue a run: from the newest checkpoint of its work directory (``'auto'``) or from a file.

    If the work directory has none yet, the run starts as without the
    option, including initial weights.

    Returns:
        The checkpoint that was read, for :func:`~schanger_mm.engine.runner.build_runner`; None without one.

    Raises:
        ConfigError: the file does not exist, holds weights only, or its run
            had another length.
        CheckpointError: the file cannot be read.
    """
    if checkpoint == 'auto':
        found = latest_checkpoint(cfg.work_dir)
    elif os.path.isfile(checkpoint):
        found = read_checkpoint(checkpoint)
    else:
        raise ConfigError(f'--resume {checkpoint}: no such file; plain --resume takes the newest of {cfg.work_dir}.')
    if found is None:
        print_log(f'--resume: no checkpoint in {cfg.work_dir} yet, so this run starts from its beginning.')
        return None
    if missing := missing_parts(found):
        raise ConfigError(f'--resume {found.path}: it has no {missing}, so it is not what a training saves to be '
                          'continued (iter_*.pth); start a new run from its weights with --cfg-options load_from=FILE.')
    _check_length(cfg, found)
    cfg.resume = True
    cfg.load_from = str(found.path)
    return found


def _check_length(cfg: Config, checkpoint: Checkpoint) -> None:
    """Reject another length: mmengine would keep the old schedule, and train on after its end."""
    if not checkpoint.has_config:
        return
    try:
        before = checkpoint.config().get('train_cfg') or {}
    except CheckpointError as error:
        print_log(f'--resume: {error}; whether its run has the length of this one was not checked.', level='WARNING')
        return
    for key in ('max_iters', 'max_epochs'):
        if before.get(key) != cfg.train_cfg.get(key):
            raise ConfigError(
                f'--resume {checkpoint.path}: the run was started with train_cfg.{key}={before.get(key)}, now it is '
                f'{cfg.train_cfg.get(key)}. Resume with the same length (--max-iters), or start a new run from these '
                'weights with --cfg-options load_from=FILE.')


class ResumeGuard(Hook):
    """Keep a checkpoint from naming files that mmengine would delete.

    ``CheckpointHook`` removes the previous best checkpoint when there is a better
    one, and the oldest of those that it keeps; it reads their names from the
    checkpoint that a run resumes from. Names are dropped unless they are the
    run's own files.
    """

    def after_load_checkpoint(self, runner, checkpoint: dict) -> None:
        """Check the file names in the log before mmengine uses it."""
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


SAVED = r'(iter|epoch)_\d+'
"""Names of checkpoints other than the best ones, without their suffix."""


def latest_checkpoint(work_dir: str | Path) -> Checkpoint | None:
    """Read the checkpoint to resume from, or None if the folder holds none yet.

    That is the one that ``last_checkpoint`` names; if this is missing, damaged or
    names a file that cannot be read, the newest readable ``iter_*.pth`` or
    ``epoch_*.pth``, by its time. The log names the skipped files.

    Raises:
        ConfigError: there are checkpoints, but none can be read.
    """
    folder = Path(work_dir)
    found = [path for path in folder.glob('*.pth') if re.fullmatch(SAVED, path.stem)]
    found.sort(key=lambda path: path.stat().st_mtime_ns, reverse=True)
    pointer = folder / POINTER
    named = Path(pointer.read_text(encoding='utf-8', errors='replace').strip('\0\n ')) if pointer.is_file() else None
    if named and named.name:
        there = named if named.is_file() else folder / named.name  # the folder may have been moved
        found = [there, *(path for path in found if path != there)]
    problems = []
    for path in found:
        try:
            checkpoint = _resumable(path)
        except CheckpointError as error:
            problems.append(str(error))
            continue
        if problems:
            print_log(f'--resume: skipped {"; ".join(problems)}. Using {path}.', 'current', logging.WARNING)
        return checkpoint
    if problems:
        raise ConfigError(f'--resume: no checkpoint of {folder} can be resumed from: {"; ".join(problems)}. Name '
                          'another one with --resume FILE, or start a new run in another --work-dir.')
    return None


def refuse_earlier_run(work_dir: str | Path) -> None:
    """Keep a new run from replacing the checkpoints of an earlier one.

    Raises:
        ConfigError: the work directory holds checkpoints.
    """
    found = sorted(path.name for path in Path(work_dir).glob('*.pth')
                   if re.fullmatch(f'{SAVED}|best_.+', path.stem))
    if found:
        raise ConfigError(f'{work_dir} holds {first_of(found, most=1)} of an earlier run, which this one would '
                          'replace. Use --resume to continue that run, use another --work-dir, or pass --overwrite.')


def missing_parts(checkpoint: Checkpoint) -> str:
    """Name the parts, besides weights, that a checkpoint lacks for resuming with mmengine's Runner; usually none."""
    return ', '.join(key for key in ('meta', 'message_hub', 'optimizer')
                     if not isinstance(checkpoint.content.get(key), dict))


def _resumable(path: Path) -> Checkpoint:
    """Read a checkpoint that a run can be resumed from.

    Raises:
        CheckpointError: it cannot be resumed from.
    """
    if not path.is_file():
        raise CheckpointError(f'{path} (named by {POINTER}) does not exist')
    checkpoint = read_checkpoint(path)
    if missing := missing_parts(checkpoint):
        raise CheckpointError(f'{path} has no {missing}')
    return checkpoint
