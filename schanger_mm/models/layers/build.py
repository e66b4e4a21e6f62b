"""Building the parts that a config can replace."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn

from schanger_mm.registry import MODELS, SCOPE
from schanger_mm.utils.errors import SettingError


def build_part(config: Mapping | None, type: str, **settings: Any) -> nn.Module:
    """Build a part of a network from its config.

    A type without prefix is looked up in this package's registry, whatever the
    default scope of the config is.

    Args:
        config: config of the part; what it sets wins over ``settings``.
        type: the part where the config names none.
        **settings: what the network knows, such as the channels.

    Raises:
        SettingError: ``config`` is no table.
    """
    if not isinstance(config, Mapping):
        raise SettingError(f'the config of a {type} is {config!r}; expected a table such as dict(type={type!r}).')
    return MODELS.build({'_scope_': SCOPE, 'type': type, **settings, **config})
