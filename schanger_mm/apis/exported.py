"""Scoring an exported file in the place of a checkpoint."""

from __future__ import annotations

import os

from mmengine.config import Config, ConfigDict

from schanger_mm.apis.config import ConfigError
from schanger_mm.deploy.card import BACKENDS, backend_of


def use_exported(cfg: Config, file: str, backend: str | None = None, precision: str = 'fp32',
                 trust: bool = False) -> None:
    """Put an exported file in the place of a config's network, in place, so that a test scores it.

    A ``.pt2`` file is loaded, and with it run, only if ``trust`` is set.

    Raises:
        ConfigError: the file does not exist, or is none that the backend runs.
    """
    if backend_of(file) is None:
        raise ConfigError(f'{file} with --backend: expected an exported network '
                          f'({", ".join(BACKENDS.values())}); tools/export.py makes one of a checkpoint.')
    if not os.path.isfile(file):
        raise ConfigError(f'no exported network {file}; tools/export.py makes one of a checkpoint.')
    cfg.model = ConfigDict(type='ExportedDetector', file=file, backend=backend, precision=precision, trust=trust,
                           test_cfg=cfg.model.get('test_cfg') or dict(mode='whole'))
    cfg.data_preprocessor = None  # the file knows its statistics
    cfg.custom_hooks = []  # they are about training, and average or load weights
    cfg.load_from = None
    cfg.exported = dict(file=file, backend=backend or backend_of(file), precision=precision)  # for the report
