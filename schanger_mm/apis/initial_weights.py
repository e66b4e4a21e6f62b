"""Pre-trained weights that a model's ``init_cfg`` names, checked before training starts."""

from __future__ import annotations

import os

from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import BaseLoop
from mmengine.runner.checkpoint import CheckpointLoader
from torch import nn

from schanger_mm.apis.config import ConfigError
from schanger_mm.checkpoints import CheckpointError, read_weights


class PretrainedCheck(Hook):
    """Run :func:`check_pretrained` when training starts; a test needs no initial weights."""

    def before_run(self, runner) -> None:
        """Check; mmengine initialises the weights after this and before the first iteration."""
        if isinstance(runner._train_loop, BaseLoop):
            check_pretrained(runner.model.module if is_model_wrapper(runner.model) else runner.model)


def check_pretrained(model: nn.Module) -> None:
    """Fetch what every ``init_cfg=dict(type='Pretrained', checkpoint=...)`` names, and see whether it fits.

    mmengine would fill what fits by name and train the rest from random
    values. What is fetched stays in torch's cache, so nothing is downloaded
    twice.

    Args:
        model: the model of the Runner, before its weights are initialised.

    Raises:
        ConfigError: a file does not exist or is damaged, a download or
            torchvision is not to be had, or the weights fill less than half of
            the part.
    """
    for name, module in model.named_modules():
        settings = getattr(module, 'init_cfg', None) or []
        for setting in settings if isinstance(settings, list) else [settings]:
            if setting.get('type') == 'Pretrained':
                key = '.'.join(filter(None, ('model', name, 'init_cfg')))
                _check_fit(key, module, setting, _fetch(key, setting['checkpoint']))


def _fetch(key: str, checkpoint: str) -> dict:
    ways = (f'Name a local file by --cfg-options {key}.checkpoint=FILE, or start from random weights by {key}=None.')
    if '://' not in checkpoint:
        if not os.path.isfile(os.path.expanduser(checkpoint)):
            raise ConfigError(f'{key}.checkpoint={checkpoint}: no such file. {ways}')
        try:
            return read_weights(os.path.expanduser(checkpoint))
        except ValueError as error:
            raise ConfigError(f'{key}.checkpoint: {error} {ways}') from error
    try:
        content = CheckpointLoader.load_checkpoint(checkpoint, map_location='cpu')
    except CheckpointError as error:
        raise ConfigError(f'{key}.checkpoint: {error} {ways}') from error
    return content.get('state_dict', content)


def _check_fit(key: str, module: nn.Module, setting: dict, state: dict) -> None:
    prefix = (setting.get('prefix') or '').rstrip('.')
    found = {name.removeprefix(f'{prefix}.'): value for name, value in state.items()
             if not prefix or name.startswith(f'{prefix}.')}
    wanted = {name: value.shape for name, value in module.state_dict().items()}
    fit = sum(name in found and found[name].shape == shape for name, shape in wanted.items())
    if 2 * fit >= len(wanted):
        return
    example = next((f'{name} has shape {tuple(found[name].shape)}, expected {tuple(shape)}'
                    for name, shape in wanted.items() if name in found and found[name].shape != shape),
                   f'it has {", ".join(list(state)[:3])}, expected {", ".join(list(wanted)[:3])}')
    raise ConfigError(
        f'{key}.checkpoint={setting["checkpoint"]}: fills only {fit} of {len(wanted)} entries of '
        f'{type(module).__name__}; {example}. Name weights of this network, with {key}.prefix where their names '
        "start with more ('backbone.'); a checkpoint of a whole network goes into load_from.")
