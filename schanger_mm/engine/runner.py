"""Build a Runner from a config, ready to train or test."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.logging import MMLogger
from mmengine.runner import Runner
from mmengine.visualization import Visualizer
from torch import nn
from torch.utils.data import DataLoader

from schanger_mm.checkpoints import Checkpoint, read_checkpoint
from schanger_mm.checkpoints.hub import is_address
from schanger_mm.checkpoints.mmengine_loader import one_load
from schanger_mm.config.building import build, config_errors
from schanger_mm.config.loading import ConfigError
from schanger_mm.config.names import stem_of
from schanger_mm.datasets import SemiSampler
from schanger_mm.datasets.workers import end_workers, init_worker
from schanger_mm.engine.compilation import compile_loss
from schanger_mm.engine.console import quiet
from schanger_mm.engine.failures import explain_failures
from schanger_mm.engine.full_disk import outlive_full_disk, outlive_full_disk_drawing
from schanger_mm.engine.hooks import (
    LineageHook,
    PositionHook,
    SemiHook,
    SharedBuffersHook,
    StartReportHook,
    StopSignalHook,
)
from schanger_mm.engine.initial_weights import PretrainedCheck
from schanger_mm.engine.loops import LoopCheck
from schanger_mm.engine.processes import check_launcher, connect
from schanger_mm.engine.progress import progress_bar
from schanger_mm.engine.resume import ResumeGuard
from schanger_mm.engine.resumed_settings import ResumedSettings
from schanger_mm.engine.visual_backends import check_backends
from schanger_mm.registry import DATASETS, SCOPE
from schanger_mm.utils.devices import keep_freed_memory

_NUMBERS = {**{f'{split}_dataloader': dict(batch_size=1, num_workers=0) for split in ('train', 'val', 'test')},
            'train_cfg': dict(max_iters=1, max_epochs=1, val_interval=1), 'randomness': dict(seed=0)}
"""Whole numbers in a config, and the minimum of each."""


def prepare(cfg: Config, config_path: str, work_dir: str | None = None, launcher: str = 'none') -> None:
    """Set what the command line decides: launcher and work directory.

    The directory is, in this order of precedence, ``--work-dir``, the config's
    ``work_dir``, or ``work_dirs/<config name>``.

    Raises:
        ConfigError: the launcher did not start this process, or cannot connect it to others.
    """
    check_launcher(launcher)
    cfg.launcher = launcher
    cfg.work_dir = work_dir or cfg.get('work_dir') or str(Path('work_dirs') / stem_of(config_path))


def use_amp(cfg: Config) -> None:
    """Turn automatic mixed precision on (``--amp``).

    Raises:
        ConfigError: no GPU, where mmengine's mixed precision cannot work.
    """
    if not torch.cuda.is_available():
        raise ConfigError('--amp: mixed precision needs a GPU and none was found; omit --amp.')
    cfg.optim_wrapper.type = 'AmpOptimWrapper'
    cfg.optim_wrapper.setdefault('loss_scale', 'dynamic')


def set_on_nan(cfg: Config, on_nan: str) -> None:
    """Set what happens when a loss is NaN or Inf (``--on-nan``): ``'stop'`` or ``'skip'``."""
    cfg.setdefault('default_hooks', {})
    cfg.default_hooks.setdefault('bad_loss', dict(type='BadLossHook'))
    cfg.default_hooks.bad_loss.on_nan = on_nan


class _Runner(Runner):
    """mmengine's Runner; the workers of its data loaders leave stopping to the main process.

    ``compile`` in the config applies to the network only.

    Attributes:
        ahead: a checkpoint that has been read, for the first load of its file.
        loaded_sha256: SHA-256 of the checkpoint loaded last, if any.
    """

    ahead: Checkpoint | None = None
    loaded_sha256: str | None = None

    def build_model(self, model: nn.Module | dict) -> nn.Module:
        """Build the network; with ``semi`` in the config, the model around it that trains it."""
        semi = self.cfg.get('semi')
        return super().build_model(dict(semi, detector=model) if semi and isinstance(model, dict) else model)

    def load_checkpoint(self, filename: str, *args, **kwargs) -> dict:
        with one_load(self.ahead) as load:
            self.ahead = None
            content = super().load_checkpoint(filename, *args, **kwargs)
        self.loaded_sha256 = load.sha256
        return content

    @staticmethod
    def build_dataloader(dataloader: DataLoader | dict, *args, **kwargs) -> DataLoader:
        loader = Runner.build_dataloader(dataloader, *args, **kwargs)
        if isinstance(loader.sampler, SemiSampler):
            loader.sampler.check_batch(loader.batch_size or 1)
        loader.worker_init_fn = partial(init_worker, loader.worker_init_fn)
        return loader

    def build_visualizer(self, visualizer: Visualizer | dict | None = None) -> Visualizer:
        built = super().build_visualizer(visualizer)
        check_backends(built)
        outlive_full_disk_drawing(built)
        return built

    def build_logger(self, *args, **kwargs) -> MMLogger:
        logger = super().build_logger(*args, **kwargs)
        quiet(logger)
        outlive_full_disk(logger)
        return logger

    def _maybe_compile(self, target: str) -> None:
        if compile_loss(self.model, self.cfg.get('compile')):
            self.logger.info('the network is compiled in the first iteration, which takes minutes.')


def train(runner: Runner) -> None:
    """Train, and report where a failure happened and what to do.

    Raises:
        MemoryFailure, WorkerFailure: see :func:`~schanger_mm.engine.failures.explain_failures`.
        ConfigError: a part that is built only now is not registered, or has an unknown setting.
        BadLossError, SaveError: see the hooks.
        ConfigError: a batch is too small to be normalised.
        Stopped: Ctrl-C or SIGTERM; a checkpoint was saved.
    """
    try:
        with explain_failures(runner), config_errors(runner.cfg), progress_bar(runner):
            runner.train()  # builds optimiser, data sets and schedules, too
    except ValueError as error:
        if 'Expected more than 1 value per channel' not in str(error):
            raise
        raise ConfigError(
            'train_dataloader: batch normalisation needs more than one value per channel, and a batch of one image has '
            'a single one where the network reduces it to 1x1. Train with batch_size=2 or more (and drop_last=True, '
            'which leaves out a last batch of one), or with larger crops.') from error
    finally:
        for loop in (runner._train_loop, runner._val_loop):
            if isinstance(loader := getattr(loop, 'dataloader', None), DataLoader):
                end_workers(loader)
        for hook in runner.hooks:
            if isinstance(hook, StopSignalHook):
                hook.release()


def build_runner(cfg: Config, resumed: Checkpoint | None = None) -> Runner:
    """Build the Runner, on the GPU if there is one, and connect it to those of the other processes.

    Without a GPU, a config with mixed precision is trained in float32,
    and the log says so. Pre-trained weights of parts of the model are
    checked when training starts.

    Args:
        cfg: the config.
        resumed: what :func:`~schanger_mm.engine.resume.resume_from` read, so that the file is not read again.

    Raises:
        ConfigError: an initial checkpoint does not exist, or a part is not
            registered or has an unknown setting.
        CheckpointError: it cannot be read.
        ImportError: the model has parts of mmpretrain, or the visualizer a backend, that is not installed.
    """
    _check_numbers(cfg)
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
    ahead = resumed or _read_initial_weights(cfg)
    connect(cfg)
    with config_errors(cfg):
        runner = _Runner.from_cfg(cfg)
    runner.ahead = ahead
    runner.register_hook(PositionHook())
    runner.register_hook(PretrainedCheck())
    runner.register_hook(ResumeGuard())
    runner.register_hook(ResumedSettings())
    runner.register_hook(LoopCheck())
    runner.register_hook(SharedBuffersHook())
    runner.register_hook(StartReportHook())
    if runner._train_dataloader is not None:
        runner.register_hook(LineageHook())
    if cfg.get('semi'):
        runner.register_hook(SemiHook())
    if amp and not gpu:
        runner.logger.info('no GPU: training in float32 instead of mixed precision.')
    return runner


def _check_numbers(cfg: Config) -> None:
    """Reject a config without a model, and numbers for which torch and mmengine fail without naming the key."""
    if not cfg.get('model'):
        raise ConfigError(f'{cfg.filename}: no model in it; expected the config of a training.')
    for part, names in _NUMBERS.items():
        for name, least in names.items():
            value = (cfg.get(part) or {}).get(name)
            if value is not None and (not isinstance(value, int) or value < least):
                raise ConfigError(f'{part}.{name}={value!r}: expected a whole number from {least} up.')


def _read_initial_weights(cfg: Config) -> Checkpoint | None:
    """Read the weights now; mmengine would read them only after building everything else."""
    load_from = cfg.get('load_from')
    if is_address(load_from):
        checkpoint = read_checkpoint(load_from)
        cfg.load_from = checkpoint.name  # with the commit, which the log and the saved config then name
        return checkpoint
    if not load_from or '://' in load_from:
        return None
    if not os.path.isfile(load_from):
        missing = (
            f'load_from={load_from}: no such file. Train it first (see the first lines of the config), convert '
            'published weights with `schanger convert`, or train from scratch with '
            '--cfg-options load_from=None.')
        try:
            build(DATASETS, {'_scope_': SCOPE, **cfg.train_dataloader.dataset})
        except FileNotFoundError as error:  # report both at once
            raise ConfigError(f'{error}\n{missing}') from error
        raise ConfigError(missing)
    checkpoint = read_checkpoint(load_from)
    if not cfg.get('resume'):
        checkpoint.weights  # noqa: B018  (raises if it holds something else)
    return checkpoint
