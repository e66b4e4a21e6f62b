"""Report config settings that a resumed run does not use: optimiser and schedules continue as saved."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping

from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.runner import EpochBasedTrainLoop

from schanger_mm.checkpoints import config_values
from schanger_mm.config.image_reading import loader_settings
from schanger_mm.config.loading import ConfigError

ABSENT = 'the default'
KEPT = ('optim_wrapper.optimizer', 'optim_wrapper.paramwise_cfg', 'optim_wrapper.loss_scale', 'param_scheduler',
        'randomness.seed')
"""Settings that mmengine takes from the checkpoint instead of the config."""


class ResumedSettings(Hook):
    """Report settings that differ from those of the resumed run, and are not used.

    mmengine loads the state of optimiser and schedulers, including the saved
    learning rate, weight decay, betas, milestones and so on.
    """

    def after_load_checkpoint(self, runner, checkpoint: dict) -> None:
        """Compare the config with that of the checkpoint; one warning per value.

        Raises:
            ConfigError: images are read in another way, or the optimiser or a scheduler has another type, which the
                saved state does not fit.
        """
        if not runner._resume:
            return
        advice = ('To use it, start a new run from these weights in another --work-dir, without --resume: '
                  f'--cfg-options load_from={runner._load_from}')
        _report_if_ended(runner, checkpoint['meta'])
        try:
            before = config_values(checkpoint['meta'].get('cfg') or '')
        except ValueError as error:
            runner.logger.warning(f'{runner._load_from}: its config is not made of plain values ({error}), so it is '
                                  'not known which settings of optim_wrapper and param_scheduler differ from it; '
                                  'those of the checkpoint are used.')
            return
        read, reads = (loader_settings(cfg, ('train_dataloader', )) for cfg in (before, runner.cfg))
        if read != reads:
            raise ConfigError(f'train_dataloader loads images with {reads or "no settings"}, and in '
                              f'{runner._load_from} with {read or "none"}: the weights would see other values. Set it '
                              f'back. {advice}')
        for key, old, new in changed_settings(before, runner.cfg):
            if key.endswith('.type') or key == 'param_scheduler':
                raise ConfigError(f'{key} is {new}, and was {old} in {runner._load_from}, whose state does not fit. '
                                  f'Set it back. {advice}')
            runner.logger.warning(f'{key}={new} is not used: the resumed run keeps the value it was started with, '
                                  f'{old}. {advice}')
            _set_back(runner.cfg, before, key)


def changed_settings(before: Mapping, now: Mapping) -> Iterator[tuple[str, object, object]]:
    """Compare the settings in :data:`KEPT` of two configs.

    Yields:
        Key, old value and new value of each difference; for ``param_scheduler`` itself, the numbers of schedulers.
    """
    for key in KEPT:
        yield from _differences(key, _value(before, key), _value(now, key))


def _set_back(cfg: Config, before: Mapping, key: str) -> None:
    """Set the config, which is saved in checkpoints, to the values in use."""
    section = next(kept for kept in KEPT if key.startswith(kept))
    *path, last = section.split('.')
    part, value = cfg, _value(before, section)
    for name in path:
        part = part.setdefault(name, {})
    if value is None:
        part.pop(last, None)
    else:
        part[last] = copy.deepcopy(value)


def _value(cfg: Mapping, key: str) -> object:
    value: object = cfg
    for name in key.split('.'):
        value = value.get(name) if hasattr(value, 'get') else None
    if key == 'param_scheduler' and isinstance(value, Mapping):
        return [value]
    return value


def _differences(key: str, old: object, new: object) -> Iterator[tuple[str, object, object]]:
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for name in dict.fromkeys((*old, *new)):
            yield from _differences(f'{key}.{name}', old.get(name, ABSENT), new.get(name, ABSENT))
    elif key == 'param_scheduler':
        many, more = (list(value) if isinstance(value, (list, tuple)) else [] for value in (old, new))
        if len(many) != len(more):
            yield key, f'{len(many)} schedulers', f'{len(more)} schedulers'
        else:
            for place, pair in enumerate(zip(many, more)):
                yield from _differences(f'{key}.{place}', *pair)
    elif _plain(old) != _plain(new) and not (key.endswith('loss_scale') and None in (old, new)):
        yield key, old, new


def _plain(value: object) -> object:
    return [_plain(item) for item in value] if isinstance(value, (list, tuple)) else value


def _report_if_ended(runner, meta: Mapping) -> None:
    loop = runner.train_loop
    done, length, what = ((meta.get('epoch'), loop.max_epochs, 'epochs') if isinstance(loop, EpochBasedTrainLoop) else
                          (meta.get('iter'), loop.max_iters, 'iterations'))
    if isinstance(done, int) and done >= length:
        runner.logger.warning(f'{runner._load_from}: this run has ended after {done} of {length} {what}, so nothing '
                              'is left to train. For more, start a new run from its weights in another --work-dir, '
                              f'without --resume: --cfg-options load_from={runner._load_from}')
