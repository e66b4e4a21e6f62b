"""Backends of the visualizer, such as TensorBoard: added by name (``--vis``), and checked before a run."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence

from mmengine.config import Config
from mmengine.dist import is_main_process
from mmengine.visualization import LocalVisBackend, Visualizer

from schanger_mm.utils.errors import MissingPackageError, SettingError
from schanger_mm.utils.optional import keep_silent
from schanger_mm.utils.text import first_line

BACKENDS = {'tensorboard': 'TensorboardVisBackend', 'wandb': 'WandbVisBackend', 'mlflow': 'MLflowVisBackend'}
"""mmengine's backends by name, which is that of the package that they need."""


def add_backends(cfg: Config, names: Sequence[str]) -> None:
    """Let the visualizer of a config also log to these backends; one that the config has stays as it is.

    Args:
        cfg: the config.
        names: of :data:`BACKENDS`.

    Raises:
        MissingPackageError: the package of one is not installed.
    """
    for name in names:
        spec = importlib.util.find_spec(name)
        if spec is None or spec.origin is None:  # a folder of that name in the working directory is no package
            raise MissingPackageError(f'--vis {name}: the package is not installed: pip install {name}')
        if not cfg.get('visualizer'):
            cfg.visualizer = dict(type='ChangeVisualizer', name='visualizer')
        there = list(cfg.visualizer.get('vis_backends') or [])
        if all(backend['type'] != BACKENDS[name] for backend in there):
            cfg.visualizer.vis_backends = [*there, dict(type=BACKENDS[name])]


def check_backends(visualizer: Visualizer) -> None:
    """Start every backend now; mmengine would start it during the run, and fail with a traceback there.

    Raises:
        MissingPackageError: one needs a package that is not installed.
        SettingError: the package refuses to start, for example since nobody is logged in.
    """
    if not is_main_process():
        return
    for backend in visualizer._vis_backends.values():
        if isinstance(backend, LocalVisBackend):
            continue
        package = next((name for name, kind in BACKENDS.items() if kind == type(backend).__name__), '')
        keep_silent(package)
        try:
            getattr(backend, 'experiment')  # noqa: B009  (a property that imports)
        except ImportError as error:
            raise MissingPackageError(
                f'visualizer.vis_backends: {type(backend).__name__} needs a package that is not installed '
                f'({first_line(error)}). Install it, or remove the backend: LocalVisBackend needs none.') from error
        except Exception as error:
            if not package or type(error).__module__.partition('.')[0] != package:
                raise
            raise SettingError(f'visualizer.vis_backends: {type(backend).__name__} does not start: '
                               f'{first_line(error)}') from error
