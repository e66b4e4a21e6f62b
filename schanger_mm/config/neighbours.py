"""Parts of other packages that a config uses, such as ``mmpretrain.ConvNeXt``."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import Path

from mmengine.config import Config

from schanger_mm.config import compat
from schanger_mm.config.names import PACKAGES
from schanger_mm.utils.errors import UserError
from schanger_mm.utils.text import first_line

NEIGHBOURS = 'mmpretrain', 'opencd'
"""Packages whose parts fit into a config of this one, mmsegmentation apart."""


class NeighbourError(UserError, ImportError):
    """A config names parts of a package that cannot be imported."""


def install_hint(package: str, torch_version: str) -> str:
    """Return how to install a package without moving the installed torch.

    mmpretrain needs torchvision, each version of which fits one version of
    torch: 0.28.0 fits 2.13.0. pip would take the newest, and its torch.
    """
    if package == 'opencd':
        return PACKAGES['opencd']
    release, _, build = torch_version.partition('+')
    major, minor, patch = (release.split('.') + ['0', '0'])[:3]
    vision = f'0.{int(minor) + 15}.{patch}' if (major, minor.isdigit()) == ('2', True) else '*'
    index = f' --extra-index-url https://download.pytorch.org/whl/{build}' if build else ''
    return (f'pip install "schanger-mm[mmpretrain]" "torch=={release}" "torchvision=={vision}{build and "+" + build}" '
            f'-c requirements/constraints.txt{index} (beside the original stack: mmpretrain in the place of '
            'schanger-mm[mmpretrain], without -c)')


def check_neighbours(cfg: Config, path: str | Path) -> None:
    """Import the packages of :data:`NEIGHBOURS` whose parts a config names.

    mmengine would only say that the part is in no registry, whatever the cause.

    Args:
        cfg: the config.
        path: its file, for the message.

    Raises:
        NeighbourError: one of them is not installed, or lacks a dependency.
    """
    for key, name in _names(cfg._cfg_dict):
        package = name.partition('.')[0]
        if package not in NEIGHBOURS:
            continue
        try:
            if fault := compat.hide_unfit_torchvision(package):
                raise ImportError(fault)
            importlib.import_module(f'{package}.registry')
            importlib.import_module(f'{package}.models')
        except (ImportError, AssertionError) as error:  # they assert the versions that they want
            import torch
            raise NeighbourError(f'{path}: {key} is {name!r}, and {package} cannot be imported ({first_line(error)}); '
                                 f'{install_hint(package, torch.__version__)}.') from error


def _names(node: object, key: str = '') -> Iterator[tuple[str, str]]:
    """Yield key and value of every setting that names a part or a scope."""
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
