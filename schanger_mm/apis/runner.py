"""From a config to a Runner that is ready to train or test."""

from __future__ import annotations

import logging
import os
from functools import partial
from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.runner import Runner
from torch.utils.data import DataLoader

from schanger_mm.apis.compilation import compile_loss
from schanger_mm.apis.config import ConfigError
from schanger_mm.apis.failures import speaking
from schanger_mm.apis.initial_weights import PretrainedCheck
from schanger_mm.apis.memory import keep_freed_memory
from schanger_mm.apis.processes import check_launcher, connect
from schanger_mm.apis.resume import ResumeGuard
from schanger_mm.checkpoints import read_weights
from schanger_mm.datasets.workers import init_worker
from schanger_mm.engine import PositionHook, SharedBuffersHook, StopSignalHook
from schanger_mm.registry import DATASETS, SCOPE


def prepare(cfg: Config, config_path: str, work_dir: str | None = None, launcher: str = 'none') -> None:
    """Fill in what the command line decides: launcher and work directory.

    The directory is, in this order, ``--work-dir``, the config's ``work_dir``,
    or ``work_dirs/<config name>``.

    Raises:
        ConfigError: the launcher did not start this process, or cannot connect it to others.
    """
    check_launcher(launcher)
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


def set_on_nan(cfg: Config, on_nan: str) -> None:
    """Decide what happens at a loss that is NaN or Inf (``--on-nan``): ``'stop'`` or ``'skip'``."""
    cfg.setdefault('default_hooks', {})
    cfg.default_hooks.setdefault('bad_loss', dict(type='BadLossHook'))
    cfg.default_hooks.bad_loss.on_nan = on_nan


class _Runner(Runner):
    """mmengine's, whose data loaders' workers leave it to the main process when to stop.

    ``compile`` of the config is for the network alone.
    """

    @staticmethod
    def build_dataloader(dataloader: DataLoader | dict, *args, **kwargs) -> DataLoader:
        loader = Runner.build_dataloader(dataloader, *args, **kwargs)
        loader.worker_init_fn = partial(init_worker, loader.worker_init_fn)
        return loader

    def _maybe_compile(self, target: str) -> None:
        if compile_loss(self.model, self.cfg.get('compile')):
            self.logger.info('the network is compiled in the first iteration, which takes minutes.')


def train(runner: Runner) -> None:
    """Train, and say of a failure where it happened and what to do.

    Raises:
        MemoryFailure, WorkerFailure: see :func:`~schanger_mm.apis.failures.speaking`.
        BadLossError, SaveError: see the hooks.
        Stopped: Ctrl-C or SIGTERM; a checkpoint was saved.
    """
    try:
        with speaking(runner):
            runner.train()
    finally:
        for hook in runner.hooks:
            if isinstance(hook, StopSignalHook):
                hook.release()


def build_runner(cfg: Config) -> Runner:
    """Build the Runner, on the GPU where there is one, and connect it to those of the other processes.

    Without a GPU a config that asks for mixed precision is trained in float32,
    and the log says so. Pre-trained weights that parts of the model name are
    checked when training starts.

    Raises:
        ConfigError: an initial checkpoint does not exist, or a part refuses
            one of its settings.
        CheckpointError: it cannot be read.
        ImportError: the model has parts of mmpretrain, which is not installed.
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
    connect(cfg)
    runner = _Runner.from_cfg(cfg)
    runner.register_hook(PositionHook())
    runner.register_hook(PretrainedCheck())
    runner.register_hook(ResumeGuard())
    runner.register_hook(SharedBuffersHook())
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
    if not cfg.get('resume'):
        read_weights(load_from)  # mmengine reads it only when everything else is built


def _is_news(record: logging.LogRecord) -> bool:
    """Keep mmengine's hundreds of lines on weight decay and its own deprecations off the screen, not off the file."""
    return not record.getMessage().startswith(('paramwise_options', '"FileClient"', '"HardDiskBackend"'))
