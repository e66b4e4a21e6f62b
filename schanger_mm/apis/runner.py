"""From a config to a Runner that is ready to train or test."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.logging import print_log
from mmengine.runner import Runner, find_latest_checkpoint

from schanger_mm.apis.config import ConfigError
from schanger_mm.apis.convert import read_checkpoint
from schanger_mm.apis.initial_weights import PretrainedCheck
from schanger_mm.apis.memory import keep_freed_memory
from schanger_mm.registry import DATASETS, SCOPE


def prepare(cfg: Config, config_path: str, work_dir: str | None = None, launcher: str = 'none') -> None:
    """Fill in what the command line decides: launcher and work directory.

    The directory is, in this order, ``--work-dir``, the config's ``work_dir``,
    or ``work_dirs/<config name>``.

    Raises:
        ConfigError: a distributed launcher without a GPU, which mmengine cannot start.
    """
    if launcher != 'none' and not torch.cuda.is_available():
        raise ConfigError(f'--launcher {launcher}: distributed runs need GPUs and none was found; leave it away.')
    cfg.launcher = launcher
    cfg.work_dir = work_dir or cfg.get('work_dir') or str(Path('work_dirs') / Path(config_path).stem)


def use_amp(cfg: Config) -> None:
    """Turn automatic mixed precision on (``--amp``).

    Raises:
        ConfigError: no GPU, where mmengine's mixed precision cannot work.
    """
    if not torch.cuda.is_available():
        raise ConfigError('--amp: mixed precision needs a GPU and none was found; leave --amp away.')
    cfg.optim_wrapper.type = 'AmpOptimWrapper'
    cfg.optim_wrapper.setdefault('loss_scale', 'dynamic')


def resume_from(cfg: Config, checkpoint: str) -> None:
    """Continue a run: from the newest checkpoint of its work directory (``'auto'``) or from a file.

    Where the work directory holds none yet, the run starts as without the
    option, initial weights included.

    Raises:
        ConfigError: the file does not exist, or its run had another length.
    """
    found = find_latest_checkpoint(cfg.work_dir) if checkpoint == 'auto' else checkpoint
    if found is None:
        print_log(f'--resume: no checkpoint in {cfg.work_dir} yet, so this run starts from its beginning.')
        return
    if not os.path.isfile(found):
        raise ConfigError(f'--resume {found}: no such file; plain --resume takes the newest of {cfg.work_dir}.')
    _check_length(cfg, found)
    cfg.resume = True
    cfg.load_from = found


def _check_length(cfg: Config, checkpoint: str) -> None:
    """Refuse to resume with another length: mmengine would keep the old schedule, and train at its dead end."""
    meta = read_checkpoint(checkpoint).get('meta') or {}
    if not meta.get('cfg'):
        return
    before = Config.fromstring(meta['cfg'], '.py').get('train_cfg') or {}
    for key in ('max_iters', 'max_epochs'):
        if before.get(key) != cfg.train_cfg.get(key):
            raise ConfigError(
                f'--resume {checkpoint}: the run was started with train_cfg.{key}={before.get(key)}, now it is '
                f'{cfg.train_cfg.get(key)}. Resume with the same length (--max-iters), or start a new run from these '
                'weights with --cfg-options load_from=FILE.')


def build_runner(cfg: Config) -> Runner:
    """Build the Runner, on the GPU where there is one.

    Without a GPU a config that asks for mixed precision is trained in float32,
    and the log says so. Pre-trained weights that parts of the model name are
    checked when training starts.

    Raises:
        ConfigError: an initial checkpoint does not exist, or a part refuses
            one of its settings.
    """
    gpu = torch.cuda.is_available()
    if not gpu:
        keep_freed_memory()
    wrapper = cfg.get('optim_wrapper') or {}
    amp = wrapper.get('type') == 'AmpOptimWrapper'
    if amp and not gpu:
        wrapper.type = 'OptimWrapper'
    if wrapper.get('type') == 'OptimWrapper':  # settings of mixed precision
        wrapper.pop('loss_scale', None)
        wrapper.pop('dtype', None)
    for key in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
        if (loader := cfg.get(key)) and loader.get('num_workers') == 0:
            loader.persistent_workers = False  # torch refuses it without workers
    _check_initial_weights(cfg)
    runner = Runner.from_cfg(cfg)
    runner.register_hook(PretrainedCheck())
    if amp and not gpu:
        runner.logger.info('no GPU: training in float32 instead of mixed precision.')
    for handler in runner.logger.handlers:
        if not isinstance(handler, logging.FileHandler):
            handler.addFilter(_is_news)
    return runner


def _check_initial_weights(cfg: Config) -> None:
    load_from = cfg.get('load_from')
    if not load_from or '://' in load_from:
        return
    if load_from.endswith('.safetensors'):
        raise ConfigError(f'load_from={load_from}: mmengine reads .pth files only; convert it with '
                          'tools/model_converters/schanger2mm.py, naming a file that ends in .pth.')
    if not os.path.isfile(load_from):
        missing = (
            f'load_from={load_from}: no such file. Train it first (see the first lines of the config), convert '
            'published weights with tools/model_converters/schanger2mm.py, or train from scratch with '
            '--cfg-options load_from=None.')
        try:
            DATASETS.build({'_scope_': SCOPE, **cfg.train_dataloader.dataset})
        except FileNotFoundError as error:  # say both at once
            raise ConfigError(f'{error}\n{missing}') from error
        raise ConfigError(missing)


def _is_news(record: logging.LogRecord) -> bool:
    """Keep mmengine's hundreds of lines on weight decay and its own deprecations off the screen, not off the file."""
    return not record.getMessage().startswith(('paramwise_options', '"FileClient"', '"HardDiskBackend"'))
