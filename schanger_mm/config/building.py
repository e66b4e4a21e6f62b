"""Build parts from configs; mmengine's errors about a config become a ConfigError."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any

from mmengine.config import Config
from mmengine.registry import Registry

from schanger_mm.config.loading import ConfigError
from schanger_mm.utils.errors import UserError

_REGISTER = 'correct it, or let custom_imports name the module that registers it.'


def build(registry: Registry, part: Mapping, **default_args) -> Any:
    """Build a part as ``registry.build`` does.

    Raises:
        ConfigError: see :func:`config_errors`.
    """
    with config_errors(part):
        return registry.build(part, **default_args)


@contextmanager
def config_errors(cfg: Config | Mapping) -> Iterator[None]:
    """Convert mmengine's errors about ``cfg`` within the block; every other error passes unchanged.

    Args:
        cfg: what is built within the block, completely or in parts.

    Raises:
        ConfigError: a type that is missing or not registered, an unknown or
            missing setting of a part, settings of the wrong type or that
            do not fit together, or an epoch without a batch.
    """
    try:
        yield
    except UserError:
        raise
    except (KeyError, TypeError, ValueError, AssertionError) as error:
        message = _reword(error, cfg)
        if message is None:
            raise
        raise ConfigError(message) from error


def _reword(error: Exception, cfg: Config | Mapping) -> str | None:
    """Return the message for the user, or None if the error does not come from the config."""
    frames = list(_frames(error.__traceback__))
    modules = [str(frame.f_globals.get('__name__', '')) for frame in frames]
    text = str(error.args[0]) if error.args else ''
    if isinstance(error, AssertionError):  # of schedulers that count epochs
        if modules[-1].startswith('mmengine.optim.scheduler') and 'epoch_length' in text:
            return ('train_dataloader: an epoch has no batch, since the data set holds fewer images than batch_size '
                    'and drop_last=True discards the rest; lower train_dataloader.batch_size.')
    elif isinstance(error, KeyError):
        if modules[-1].startswith('mmengine.registry'):
            return _reword_look_up(text)
    elif text == 'None is not a callable object':  # from inspect.signature, for an optimiser that is not registered
        if any(module.startswith('mmengine.optim') for module in modules):
            return f'optim_wrapper.optimizer.type: no optimiser is registered under this name; {_REGISTER}'
    elif any(module.startswith('mmengine.registry') for module in modules):
        if found := re.search(r"unexpected keyword argument '(\w+)'", text):
            if _has_key(cfg, found[1]):
                return f'a part has an unknown setting: {text}'
        elif 'missing' in text and 'required' in text and modules[-1].startswith('mmengine.registry'):
            return f'a part is missing a setting: {text}'
        elif modules[-1].startswith('mmengine.registry'):  # something other than a dict where a part is built
            return f'a part of the config is of the wrong kind: {text}'
    elif frames[-1].f_code.co_name == 'call_hook':  # a hook's own TypeError, which mmengine raises there again
        return None
    elif modules[-1] == 'mmengine.runner.runner':  # settings that do not fit together or have the wrong type
        return f'the config cannot be used: {text:.500}'
    return None


def _reword_look_up(text: str) -> str | None:
    if found := re.match(r'(\S+) is not in the (.+?) registry', text):
        return f'the config asks for {found[1]!r}, and {found[2]} has no part of this name; {_REGISTER}'
    if found := re.match(r'`cfg` or `default_args` must contain the key "type", but got (.{,200})', text):
        return f'a part of the config has no type: {found[1]}'
    return None


def _frames(traceback: TracebackType | None) -> Iterator[FrameType]:
    """Yield the frames that an error passed through; the last one raised it."""
    while traceback is not None:
        yield traceback.tb_frame
        traceback = traceback.tb_next


def _has_key(node: object, key: str) -> bool:
    if isinstance(node, Config):
        return _has_key(node._cfg_dict, key)
    if isinstance(node, Mapping):
        return key in node or any(_has_key(value, key) for value in node.values())
    if isinstance(node, (list, tuple)):
        return any(_has_key(value, key) for value in node)
    return False
