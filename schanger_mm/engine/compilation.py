"""Use torch.compile in training, for the network and its losses only."""

from __future__ import annotations

import os

import torch
from mmengine.model import is_model_wrapper
from torch import nn

from schanger_mm.config.loading import ConfigError

SAME_DRAWS = {'fallback_random': True}
"""Random numbers (stochastic depth) equal those of the uncompiled network, and so do losses."""


def compile_loss(model: nn.Module, setting: object) -> bool:
    """Let ``loss`` of a network run compiled (``compile`` of a config).

    mmengine compiles ``train_step``, including the data preprocessor, the
    optimiser and code inserted by hooks, which cannot be traced. Here these
    are not compiled. Neither is prediction: a validation may have images of
    many sizes, and each size would be compiled again.

    A small function is compiled first, so that a missing compiler is reported
    at once and not after minutes.

    Args:
        model: the network, possibly in a wrapper for several processes.
        setting: True, with the random numbers of the uncompiled network; or
            keyword arguments of ``torch.compile``, whose own default draws
            different ones. None or False: nothing is done.

    Returns:
        Whether it is compiled.

    Raises:
        ConfigError: the setting is of another type; the network has no method
            ``loss``, or a part that recomputes, which cannot be compiled; or
            torch.compile does not work here.
    """
    if setting is None or setting is False:
        return False
    if setting is not True and not isinstance(setting, dict):
        raise ConfigError(f'compile={setting!r}: expected True, or a dict of options of torch.compile such as '
                          "dict(mode='max-autotune').")
    network = model.module if is_model_wrapper(model) else model
    if not callable(getattr(network, 'loss', None)):
        raise ConfigError(f'compile={setting!r}: {type(network).__name__} has no method loss(), which is what is '
                          'compiled; omit compile.')
    if any(getattr(part, 'with_cp', False) for part in network.modules()):
        raise ConfigError(f'compile={setting!r}: torch.compile cannot trace blocks that run again in the backward '
                          'pass; omit compile, or set with_cp=False in model.backbone and model.decode_head.')
    options = {'options': SAME_DRAWS} if setting is True else dict(setting)
    _try(options, next(network.parameters()).device, setting)
    network.loss = torch.compile(network.loss, **options)  # type: ignore[assignment,operator]
    return True


def _try(options: dict, device: torch.device, setting: object) -> None:
    """Compile something small."""
    try:
        torch.compile(lambda x: x + 1, **options)(torch.zeros(2, device=device))
    except (RuntimeError, TypeError, ValueError) as error:
        reason = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
        what = ('PyTorch needs a working C++ compiler (install g++, or name one by the environment variable CXX, now '
                f'{os.environ.get("CXX", "not set")})' if 'InvalidCxxCompiler' in str(error) else
                f'torch.compile does not work here ({reason.strip():.300})')
        raise ConfigError(f'compile={setting!r}: {what}, or omit compile.') from error
