"""Everything that depends on which OpenMMLab stack is installed.

Two stacks share the module names ``mmengine``, ``mmcv`` and ``mmseg``: the
maintained ``onedl-*`` packages and the original ones. Nothing outside this
module may know which of them it runs on.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import io
import threading
import warnings
from collections.abc import Iterable, Iterator
from importlib import metadata

import torch

INSTALL_HINT = ('install one with `pip install -r requirements.txt` (maintained packages, '
                'no compiler), or, beside Open-CD, with `pip install "schanger-mm[openmmlab]"`')


def prepare() -> None:
    """Make the installed stack usable; called once, on package import.

    Raises:
        ImportError: no stack is installed; the message says which command
            installs one.
    """
    if importlib.util.find_spec('mmengine') is None:
        raise ImportError(f'schanger_mm needs an OpenMMLab stack (mmengine, mmcv, mmseg): {INSTALL_HINT}.')
    _silence_deprecations()
    _map_base_config_names()
    _find_configs_by_module()
    _import_mmseg_quietly()


def _silence_deprecations() -> None:
    # What mmengine 0.10.7 (pkg_resources) and mmsegmentation 1.2.2 (its own build_loss) use is deprecated; nobody but
    # them can act on these warnings. Can go with the original stack.
    for message in ('pkg_resources is deprecated as an API', '``build_loss`` would be deprecated soon'):
        warnings.filterwarnings('ignore', message=message, category=UserWarning)


def _map_base_config_names() -> None:
    # onedl-mmengine's `get_config('mmseg::...')` looks under the original
    # distribution name; can go when onedl-mmengine maps it itself.
    from mmengine.config import utils
    try:
        metadata.distribution('onedl-mmsegmentation')
    except metadata.PackageNotFoundError:
        return
    utils.MODULE2PACKAGE['mmseg'] = 'onedl-mmsegmentation'


def _find_configs_by_module() -> None:
    # mmengine refuses `_base_ = 'opencd::...'` and ours; schanger_mm/config_names.py says why and until when.
    from schanger_mm.config_names import teach_mmengine
    teach_mmengine()


def _import_mmseg_quietly() -> None:
    # onedl-mmsegmentation prints "Could not import OneDL" three times and mmcv
    # warns about compiled ops that nothing here uses; can go when they log it.
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
    """Let ``torch.load(weights_only=True)`` name these classes, beside torch's own, and nothing else.

    Torch keeps one table for the process: what others allowed in it, such as
    mmengine's ``getattr``, is put aside meanwhile, and threads wait for each
    other.

    Args:
        classes: found in files by their ``__module__`` and ``__qualname__``.
    """
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
