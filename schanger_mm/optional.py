"""Packages that only some parts need."""

from __future__ import annotations

import importlib
from types import ModuleType


def require(module: str, extra: str, what: str) -> ModuleType:
    """Import an optional package.

    Args:
        module: name to import, such as ``'kornia.augmentation'``.
        extra: the extra of this package that installs it.
        what: the part that needs it, for the message.

    Raises:
        ImportError: it is not installed; the message holds the command.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        package = module.partition('.')[0]
        if (error.name or '').partition('.')[0] != package:
            raise  # the package is there and lacks something of its own
        raise ImportError(f'{what} needs {package}, which is not installed: '
                          f'pip install "schanger-mm[{extra}]"') from error
