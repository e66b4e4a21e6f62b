"""What the tools call."""

from schanger_mm.apis.config import ConfigError, load_config
from schanger_mm.apis.detector import ChangeDetector
from schanger_mm.apis.errors import run
from schanger_mm.apis.evaluate import MODES, evaluate, test_only
from schanger_mm.apis.inferencer import ChangeInferencer
from schanger_mm.apis.latest import refuse_earlier_run
from schanger_mm.apis.options import OptionsAction
from schanger_mm.apis.resume import resume_from
from schanger_mm.apis.runner import build_runner, prepare, set_on_nan, train, use_amp
from schanger_mm.apis.schedule import shorten
from schanger_mm.checkpoints import guard_mmengine

guard_mmengine()  # some networks read files while they are built, whichever entry point builds them

__all__ = [
    'ChangeDetector', 'ChangeInferencer', 'ConfigError', 'MODES', 'OptionsAction', 'build_runner', 'evaluate',
    'load_config', 'prepare', 'refuse_earlier_run', 'resume_from', 'run', 'set_on_nan', 'shorten',
    'test_only', 'train', 'use_amp'
]
