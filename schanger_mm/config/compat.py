"""Everything that depends on which OpenMMLab stack is installed.

Two stacks share the module names ``mmengine``, ``mmcv`` and ``mmseg``: the
maintained ``onedl-*`` packages and the original ones. No code outside this
module may depend on which of them is installed.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import io
import sys
import threading
import warnings
from collections.abc import Iterable, Iterator
from importlib import metadata

from schanger_mm.utils.errors import MissingPackageError
from schanger_mm.utils.text import first_line

STACK = 'torch', 'mmengine', 'mmcv', 'mmseg'
INSTALL_HINT = ('install one with `pip install "schanger-mm[mm]"` (maintained packages, '
                'no compiler), or, beside Open-CD, with `pip install "schanger-mm[openmmlab]"`')


def prepare() -> None:
    """Adapt the installed stack; ``schanger_mm.registry`` calls this before anything is built.

    Raises:
        MissingPackageError: no stack is installed; the message says which
            command installs one.
    """
    try:
        importlib.import_module('torch')
        leave_transformers_out()
    except ModuleNotFoundError as error:
        if (message := missing_stack(error)) is None:
            raise
        raise MissingPackageError(message) from error
    _silence_deprecations()
    _map_base_config_names()
    _find_configs_by_module()
    if fault := hide_unfit_torchvision('mmpretrain'):
        warnings.warn(fault, stacklevel=2)
    _import_mmseg_quietly()


def leave_transformers_out() -> None:
    """Import mmengine without transformers, which it would import for one optimiser (``Adafactor``).

    That takes seconds in every process, and imports huggingface_hub before its telemetry is switched off. Configs can
    name torch's optimiser, ``TorchAdafactor``. Can be removed when mmengine imports transformers where it is used.
    """
    if 'transformers' in sys.modules:
        importlib.import_module('mmengine.optim')
        return
    sys.modules['transformers'] = None  # type: ignore[assignment]  # so documented: an import raises ImportError
    try:
        importlib.import_module('mmengine.optim')
    finally:
        del sys.modules['transformers']


def missing_stack(error: ModuleNotFoundError) -> str | None:
    """Say which command installs the stack whose import failed; None if the error is about another package."""
    package = str(error.name).partition('.')[0]
    if package not in STACK:
        return None
    return ('this part of schanger_mm needs an OpenMMLab stack (torch, mmengine, mmcv, mmseg), and '
            f'{package} is not installed: {INSTALL_HINT}.')


def _silence_deprecations() -> None:
    # mmengine 0.10.7 (pkg_resources) and mmsegmentation 1.2.2 (its own build_loss) use deprecated functions; users
    # cannot act on these warnings. Can be removed with the original stack.
    for message in ('pkg_resources is deprecated as an API', '``build_loss`` would be deprecated soon'):
        warnings.filterwarnings('ignore', message=message, category=UserWarning)


def _map_base_config_names() -> None:
    # onedl-mmengine's `get_config('mmseg::...')` looks under the original
    # distribution name; can be removed when onedl-mmengine maps it itself.
    from mmengine.config import utils
    try:
        metadata.distribution('onedl-mmsegmentation')
    except metadata.PackageNotFoundError:
        return
    utils.MODULE2PACKAGE['mmseg'] = 'onedl-mmsegmentation'


def _find_configs_by_module() -> None:
    # mmengine rejects `_base_ = 'opencd::...'` and ours; schanger_mm/config/names.py explains why and until when.
    from schanger_mm.config.names import teach_mmengine
    teach_mmengine()


_torchvision_fault = None


def hide_unfit_torchvision(package: str) -> str | None:
    """Keep a torchvision that was built for another torch out of the process, and return what is wrong with it.

    Importing it raises a RuntimeError ("operator torchvision::nms does not
    exist"), which mmsegmentation and mmpretrain let through where they would
    do without torchvision. Can go when mmsegmentation catches it.

    Args:
        package: the package that imports it; nothing is imported where it is not installed.
    """
    global _torchvision_fault
    with contextlib.suppress(ValueError):  # put into sys.modules by hand, without a spec
        if importlib.util.find_spec(package) is None or importlib.util.find_spec('torchvision') is None:
            return _torchvision_fault
    try:
        importlib.import_module('torchvision')
    except (RuntimeError, OSError) as error:
        import torch
        _torchvision_fault = (f'the installed torchvision does not fit torch {torch.__version__} '
                              f'({first_line(error)}) and is not used')
        sys.modules['torchvision'] = None  # type: ignore[assignment]
    except ImportError:
        pass
    return _torchvision_fault


def _import_mmseg_quietly() -> None:
    # onedl-mmsegmentation prints "Could not import OneDL" three times and mmcv
    # warns about compiled ops that are not used here; can be removed when they log it.
    if importlib.util.find_spec('mmseg') is None:
        return  # layers, losses and SCN work without it
    noise = io.StringIO()
    with contextlib.redirect_stdout(noise), warnings.catch_warnings():
        warnings.filterwarnings('ignore', message='Fail to import')
        importlib.import_module('mmseg.models')
        importlib.import_module('mmseg.datasets')
    rest = [line for line in noise.getvalue().splitlines() if 'OneDL' not in line]
    if rest:
        print('\n'.join(rest))


_safe_globals = threading.RLock()


@contextlib.contextmanager
def only_these_globals(classes: Iterable[type]) -> Iterator[None]:
    """Let ``torch.load(weights_only=True)`` use only these classes besides torch's own.

    Torch keeps one table per process: entries that others added, such as
    mmengine's ``getattr``, are removed meanwhile, and threads wait for each
    other.

    Args:
        classes: found in files by their ``__module__`` and ``__qualname__``.
    """
    import torch
    table = torch.serialization
    with _safe_globals:
        others = table.get_safe_globals()
        table.clear_safe_globals()
        table.add_safe_globals(list(classes))
        try:
            yield
        finally:
            table.clear_safe_globals()
            table.add_safe_globals(others)
