"""Packages that only some parts need."""

from __future__ import annotations

import importlib
import os
import sys
from types import ModuleType


def require(module: str, extra: str, what: str) -> ModuleType:
    """Import an optional package.

    Packages that report their use to their makers do not when they are imported by this.

    Args:
        module: name to import, such as ``'kornia.augmentation'``.
        extra: the extra of this package that installs it.
        what: the part that needs it, for the message.

    Raises:
        ImportError: it is not installed; the message holds the command.
    """
    package = module.partition('.')[0]
    _keep_silent(package)
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if (error.name or '').partition('.')[0] != package:
            raise  # the package is there and lacks something of its own
        raise ImportError(f'{what} needs {package}, which is not installed: '
                          f'pip install "schanger-mm[{extra}]"') from error


def _keep_silent(package: str) -> None:
    """Keep a package from reporting to its makers; a user who asked for it before this stays heard."""
    if package == 'onnxruntime':  # 1.31 and newer, see its Privacy.md; read when it is imported
        os.environ.setdefault('ORT_DISABLE_TELEMETRY', '1')
    elif package == 'openvino':  # 2026.4 has no variable for it, but does without where its reporter is not installed
        sys.modules.setdefault('openvino_telemetry', None)  # type: ignore[arg-type]  # so documented: cannot be imported
