"""The public API. A name is imported when it is first used, so that ``import schanger_mm.apis`` is fast."""

import importlib
from typing import Any

_MODULES = {
    'ChangeDetector': 'schanger_mm.apis.detector',
    'ChangeInferencer': 'schanger_mm.apis.inferencer',
    'ConfigError': 'schanger_mm.config.loading',
    'MODES': 'schanger_mm.apis.scoring',
    'build_runner': 'schanger_mm.engine.runner',
    'evaluate': 'schanger_mm.apis.scoring',
    'load_config': 'schanger_mm.config.loading',
    'parse_options': 'schanger_mm.config.loading',
    'prepare': 'schanger_mm.engine.runner',
    'refuse_earlier_run': 'schanger_mm.engine.resume',
    'resume_from': 'schanger_mm.engine.resume',
    'set_on_nan': 'schanger_mm.engine.runner',
    'shorten': 'schanger_mm.config.schedule',
    'test_only': 'schanger_mm.apis.scoring',
    'train': 'schanger_mm.engine.runner',
    'use_amp': 'schanger_mm.engine.runner',
}
__all__ = list(_MODULES)


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
    return getattr(importlib.import_module(_MODULES[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
