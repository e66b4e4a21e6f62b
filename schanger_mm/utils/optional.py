"""Optional packages."""

from __future__ import annotations

import importlib
import os
import sys
from types import ModuleType

from schanger_mm.utils.errors import MissingPackageError

_NAMES = {'google': 'protobuf', 'skimage': 'scikit-image'}
"""Names under which packages are installed, where they are not those of their modules."""


def require(module: str, extra: str, what: str) -> ModuleType:
    """Import an optional package.

    Telemetry of packages imported this way is switched off.

    Args:
        module: name to import, such as ``'kornia.augmentation'``.
        extra: the extra of this package that installs it.
        what: the part that needs it, for the message.

    Raises:
        MissingPackageError: it is not installed; the message holds the command.
    """
    package = module.partition('.')[0]
    keep_silent(package)
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if (error.name or '').partition('.')[0] != package:
            raise  # the package is installed but lacks a dependency
        raise MissingPackageError(f'{what} needs {_NAMES.get(package, package)}, which is not installed: '
                                  f'pip install "schanger-mm[{extra}]"') from error


def keep_silent(package: str) -> None:
    """Switch off the telemetry of a package that is to be imported, unless the user has chosen otherwise."""
    if package == 'onnxruntime':  # 1.31 and newer, see its Privacy.md; read when it is imported
        os.environ.setdefault('ORT_DISABLE_TELEMETRY', '1')
    elif package in ('huggingface_hub', 'transformers') and 'HF_HUB_DISABLE_TELEMETRY' not in os.environ:
        os.environ['HF_HUB_DISABLE_TELEMETRY'] = '1'
        if constants := sys.modules.get('huggingface_hub.constants'):  # another package has imported it
            constants.HF_HUB_DISABLE_TELEMETRY = True  # type: ignore[attr-defined]
    elif package == 'mlflow':  # 3.2 and newer
        os.environ.setdefault('MLFLOW_DISABLE_TELEMETRY', 'true')
    elif package == 'wandb':  # its reports of its own errors; what is logged is sent, as the user asked
        os.environ.setdefault('WANDB_ERROR_REPORTING', 'false')
    elif package == 'openvino':  # 2026.4 has no variable, but sends nothing without its telemetry package
        sys.modules.setdefault('openvino_telemetry', None)  # type: ignore[arg-type]  # so documented: cannot be imported
