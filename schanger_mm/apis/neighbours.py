"""Parts of other packages that a config names, such as ``mmpretrain.ConvNeXt``: there, or one error says what to do."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import Path

from mmengine.config import Config

from schanger_mm.config_names import PACKAGES

INSTALL = {
    'mmpretrain': 'pip install "schanger-mm[mmpretrain]" (beside the original stack: pip install mmpretrain)',
    'opencd': PACKAGES['opencd'],
}
"""Packages whose parts fit into a config of this one, mmsegmentation apart, and how to install them."""


class NeighbourError(ImportError):
    """A config names parts of a package that cannot be imported."""


def check_neighbours(cfg: Config, path: str | Path) -> None:
    """Import the packages of :data:`INSTALL` whose parts a config names.

    mmengine would say that the part is in no registry, whatever the reason.

    Args:
        cfg: the config.
        path: its file, for the message.

    Raises:
        NeighbourError: one of them is not installed, or lacks something of its own.
    """
    for key, name in _names(cfg._cfg_dict):
        package = name.partition('.')[0]
        if package not in INSTALL:
            continue
        try:
            importlib.import_module(f'{package}.registry')
            importlib.import_module(f'{package}.models')
        except (ImportError, AssertionError) as error:  # they assert the versions that they want
            raise NeighbourError(f'{path}: {key} is {name!r}, and {package} cannot be imported ({error}); '
                                 f'{INSTALL[package]}.') from error


def _names(node: object, key: str = '') -> Iterator[tuple[str, str]]:
    """Yield the key and the value of everything that names a part or a scope."""
    if isinstance(node, dict):
        for name, value in node.items():
            inner = f'{key}.{name}' if key else str(name)
            if name in ('type', '_scope_', 'default_scope') and isinstance(value, str):
                yield inner, value
            else:
                yield from _names(value, inner)
    elif isinstance(node, (list, tuple)):
        for index, value in enumerate(node):
            yield from _names(value, f'{key}.{index}')
