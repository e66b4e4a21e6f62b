"""Shorten a run without changing the shape of its schedule."""

from __future__ import annotations

from mmengine.config import Config

from schanger_mm.utils.errors import SettingError


def shorten(cfg: Config, max_iters: int) -> None:
    """Rescale a config to ``max_iters`` iterations, in place; training by epochs becomes training by iterations.

    Learning-rate phases keep their share of the run, and so does the memory of
    the weight average (interval / momentum iterations). Validation and
    checkpointing run at least five times. Overriding ``train_cfg.max_iters``
    alone would leave a short run inside the warm-up.

    Args:
        cfg: config with ``train_cfg.max_iters`` or ``train_cfg.max_epochs``.
        max_iters: the new length, in iterations.

    Raises:
        SettingError: the config has neither, or ``max_iters`` is not positive.
    """
    old = cfg.train_cfg.get('max_iters') or cfg.train_cfg.get('max_epochs')
    if not old or max_iters < 1:
        raise SettingError(
            f'--max-iters {max_iters}: needs a positive number and a config with train_cfg.max_iters or max_epochs '
            f'(found {dict(cfg.train_cfg)}).')
    share = max_iters / old
    if 'max_iters' not in cfg.train_cfg:
        _count_iterations(cfg, share)
    schedulers = cfg.get('param_scheduler') or []
    schedulers = schedulers if isinstance(schedulers, list) else [schedulers]
    for scheduler in schedulers:
        for key in ('begin', 'end', 'T_max'):
            if key in scheduler:
                scheduler[key] = round(scheduler[key] * share)
    # a phase shorter than half an iteration is dropped
    cfg.param_scheduler = [s for s in schedulers if s.get('end') is None or s['end'] > s.get('begin', 0)]
    for hook in cfg.get('custom_hooks') or []:
        if hook['type'].endswith('EMAHook'):
            interval, momentum = hook.get('interval', 1), hook.get('momentum', 2e-4)
            horizon = interval / momentum * share
            hook['interval'] = max(1, round(interval * share))
            hook['momentum'] = min(0.5, hook['interval'] / horizon)
    interval = min(cfg.train_cfg.get('val_interval', max_iters), max(1, max_iters // 5))
    cfg.train_cfg.update(max_iters=max_iters, val_interval=interval)
    checkpoint = cfg.default_hooks.checkpoint
    checkpoint.interval = min(checkpoint.get('interval', interval), interval)
    cfg.default_hooks.logger.interval = min(cfg.default_hooks.logger.get('interval', 50), max(1, max_iters // 20))


def _count_iterations(cfg: Config, share: float) -> None:
    """Convert a config that trains by epochs to iterations, ``share`` of them per epoch.

    The lengths of schedulers remain in epochs and are rescaled later.
    """
    train_cfg = dict(type='IterBasedTrainLoop')
    if cfg.get('val_cfg'):
        train_cfg['val_interval'] = max(1, round(cfg.train_cfg.get('val_interval', 1) * share))
    cfg.train_cfg = train_cfg
    cfg.train_dataloader.sampler = dict(type='SeededInfiniteSampler', shuffle=True)
    schedulers = cfg.get('param_scheduler') or []
    for scheduler in schedulers if isinstance(schedulers, list) else [schedulers]:
        scheduler.by_epoch = False
        scheduler.pop('convert_to_iter_based', None)
    checkpoint = cfg.default_hooks.checkpoint
    checkpoint.update(by_epoch=False, interval=max(1, round(checkpoint.get('interval', 1) * share)))
    cfg.default_hooks.logger.log_metric_by_epoch = False
