"""Check pre-trained weights in a model's ``init_cfg`` before training starts."""

from __future__ import annotations

import os
from collections.abc import Mapping

from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.model import is_model_wrapper
from mmengine.runner import BaseLoop
from mmengine.runner.checkpoint import CheckpointLoader
from torch import nn

from schanger_mm.checkpoints import CheckpointError, read_weights
from schanger_mm.checkpoints.hub import HubError, is_address, pinned
from schanger_mm.config.loading import ConfigError
from schanger_mm.utils.text import first_of


class PretrainedCheck(Hook):
    """Run :func:`check_pretrained` when training starts; a test needs no initial weights."""

    def before_run(self, runner) -> None:
        """Check; mmengine initialises the weights after this and before the first iteration."""
        if isinstance(runner._train_loop, BaseLoop):
            model = runner.model.module if is_model_wrapper(runner.model) else runner.model
            check_pretrained(model, runner.cfg.get('model'))


def check_pretrained(model: nn.Module, cfg: Mapping | None = None) -> None:
    """Fetch what every ``init_cfg=dict(type='Pretrained', checkpoint=...)`` names, and see whether it fits.

    mmengine would load the entries that fit by name and leave the rest random.
    Downloads stay in torch's cache, so nothing is downloaded twice.

    Args:
        model: the model of the Runner, before its weights are initialised.
        cfg: its config, from which the message takes the key that names a file: mmsegmentation's and Open-CD's
            ``pretrained`` becomes an ``init_cfg`` while a part is built.

    Raises:
        ConfigError: a file does not exist or is damaged, a download or
            torchvision is not available, or the weights fill less than half of
            the part.
    """
    for name, module in model.named_modules():
        settings = getattr(module, 'init_cfg', None) or []
        for setting in settings if isinstance(settings, list) else [settings]:
            if setting.get('type') == 'Pretrained':
                checkpoint = setting['checkpoint']
                own = '.'.join(filter(None, ('model', name, 'init_cfg')))
                off = _pretrained_key(cfg, checkpoint) or own
                key = off if off.endswith('pretrained') else f'{off}.checkpoint'
                ways = f'Use a local file with --cfg-options {key}=FILE, or start from random weights by {off}=None.'
                if is_address(checkpoint):  # so that the weights loaded later are those that are checked here
                    checkpoint = setting['checkpoint'] = _pin(key, checkpoint, ways)
                _check_fit(key, f'{own}.prefix', module, setting, _fetch(key, checkpoint, ways))


def _pretrained_key(node: object, checkpoint: str, path: str = 'model') -> str | None:
    """Return where the config names a file as ``pretrained``, None where it does not."""
    if not isinstance(node, Mapping):
        return None
    if node.get('pretrained') == checkpoint:
        return f'{path}.pretrained'
    found = (_pretrained_key(value, checkpoint, f'{path}.{name}') for name, value in node.items())
    return next(filter(None, found), None)


def _pin(key: str, address: str, ways: str) -> str:
    try:
        found = pinned(address)
    except HubError as error:
        raise ConfigError(f'{key}: {error} {ways}') from error
    print_log(f'{key}={address} is {found}', logger='current')
    return found


def _fetch(key: str, checkpoint: str, ways: str) -> dict:
    if '://' not in checkpoint:
        if not os.path.isfile(os.path.expanduser(checkpoint)):
            raise ConfigError(f'{key}={checkpoint}: no such file. {ways}')
        try:
            return read_weights(os.path.expanduser(checkpoint))
        except ValueError as error:
            raise ConfigError(f'{key}: {error} {ways}') from error
    try:
        content = CheckpointLoader.load_checkpoint(checkpoint, map_location='cpu')
    except CheckpointError as error:
        raise ConfigError(f'{key}: {error} {ways}') from error
    return content.get('state_dict', content)


def _check_fit(key: str, prefix_key: str, module: nn.Module, setting: dict, state: dict) -> None:
    prefix = (setting.get('prefix') or '').rstrip('.')
    found = {name.removeprefix(f'{prefix}.'): value for name, value in state.items()
             if not prefix or name.startswith(f'{prefix}.')}
    wanted = {name: value.shape for name, value in module.state_dict().items()}
    fit = sum(name in found and found[name].shape == shape for name, shape in wanted.items())
    if 2 * fit >= len(wanted):
        return
    example = next((f'{name} has shape {tuple(found[name].shape)}, expected {tuple(shape)}'
                    for name, shape in wanted.items() if name in found and found[name].shape != shape),
                   f'it has {first_of(list(state), most=3)}, expected {first_of(list(wanted), most=3)}')
    raise ConfigError(
        f'{key}={setting["checkpoint"]}: fills only {fit} of {len(wanted)} entries of '
        f'{type(module).__name__}; {example}. Name weights of this network, with {prefix_key} where their names '
        "start with more ('backbone.'); a checkpoint of a whole network goes into load_from.")
