"""From a config to a Runner that is ready to train or test."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable
from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.logging import print_log
from mmengine.runner import Runner

from schanger_mm.apis.config import ConfigError
from schanger_mm.apis.convert import ConversionError
from schanger_mm.apis.memory import keep_freed_memory
from schanger_mm.datasets.errors import DatasetError


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

    Raises:
        ConfigError: the file does not exist.
    """
    cfg.resume = True
    if checkpoint == 'auto':
        cfg.load_from = None
    elif os.path.isfile(checkpoint):
        cfg.load_from = checkpoint
    else:
        raise ConfigError(f'--resume {checkpoint}: no such file; plain --resume takes the newest of {cfg.work_dir}.')


def build_runner(cfg: Config) -> Runner:
    """Build the Runner, on the GPU where there is one.

    Without a GPU a config that asks for mixed precision is trained in float32,
    and the log says so.

    Raises:
        ConfigError: an initial checkpoint does not exist, or a part refuses
            one of its settings.
    """
    keep_freed_memory()
    wrapper = cfg.get('optim_wrapper')
    if wrapper is not None and wrapper.get('type') == 'AmpOptimWrapper' and not torch.cuda.is_available():
        print_log('no GPU: training in float32 instead of mixed precision.', logger='current')
        wrapper.type = 'OptimWrapper'
        wrapper.pop('loss_scale', None)
        wrapper.pop('dtype', None)
    load_from = cfg.get('load_from')
    if load_from and '://' not in load_from and not os.path.isfile(load_from):
        raise ConfigError(
            f'load_from={load_from}: no such file. Train it first (see the first lines of the config), convert '
            'published weights with tools/model_converters/schanger2mm.py, or train from scratch with '
            '--cfg-options load_from=None.')
    try:
        runner = Runner.from_cfg(cfg)
    except TypeError as error:
        if 'unexpected keyword' not in str(error):
            raise
        raise ConfigError(f'a part does not know one of its settings: {error}') from error
    for handler in runner.logger.handlers:
        if not isinstance(handler, logging.FileHandler):
            handler.addFilter(_is_news)
    return runner


def _is_news(record: logging.LogRecord) -> bool:
    """Keep mmengine's hundreds of lines on weight decay and its own deprecations off the screen, not off the file."""
    return not record.getMessage().startswith(('paramwise_options', '"FileClient"', '"HardDiskBackend"'))


def test_only(cfg: Config, checkpoint: str, out: str | None = None, show_dir: str | None = None) -> None:
    """Turn a training config into one that scores ``checkpoint``, in place.

    Args:
        cfg: the config.
        checkpoint: file with the weights; every entry must fit.
        out: folder for predictions and ``per_image.csv``.
        show_dir: folder for pictures of every test image.

    Raises:
        ConfigError: the checkpoint does not exist.
    """
    if '://' not in checkpoint and not os.path.isfile(checkpoint):
        raise ConfigError(f'no checkpoint {checkpoint}; a training writes best_*.pth and iter_*.pth to its work_dir.')
    cfg.load_from = checkpoint
    cfg.resume = False
    if out:
        cfg.test_evaluator.output_dir = out
    if show_dir:
        cfg.default_hooks.visualization.update(draw=True, interval=1, max_images=None, test_out_dir=show_dir)


def run(main: Callable[[], None]) -> int:
    """Run a tool; a user's mistake ends in one line on stderr instead of a traceback.

    Returns:
        The exit status: 0, or 2 after a mistake.
    """
    try:
        main()
    except (ConfigError, ConversionError, DatasetError, FileNotFoundError) as error:
        print(f'error: {error}', file=sys.stderr)
        return 2
    return 0
