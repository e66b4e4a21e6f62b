"""Whoever builds a part of ours first, what must be in place is in place: no checkpoint runs code."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
STAND_IN = ROOT / 'tests/test_neighbours/stand_in'
BUILD = """
import importlib, pathlib, sys
import torch
path, package, import_first = sys.argv[1:]
if import_first == 'custom_imports':
    from mmengine.config import Config
    Config.fromstring("custom_imports = dict(imports=['schanger_mm'], allow_failed_imports=False)", '.py')
assert ('schanger_mm' in sys.modules) == (import_first == 'custom_imports')
assert 'schanger_mm.registry' not in sys.modules
registry = importlib.import_module(package)
small = dict(type='schanger_mm.SCN', arch=(4, 4, 6, 8, 10, 12))
made = [registry.MODELS.build(small),
        registry.DATASETS.build(dict(type='schanger_mm.LEVIRCDDataset', data_root=path, pipeline=[], lazy_init=True)),
        registry.HOOKS.build(dict(type='schanger_mm.BadLossHook'))]
print(*(type(part).__name__ for part in made))

class Runs:
    def __reduce__(self):
        return pathlib.Path.touch, (pathlib.Path(path, 'canary'), )

torch.save({'state_dict': {}, 'more': Runs()}, f'{path}/hostile.pth')
model = registry.MODELS.build(dict(small, init_cfg=dict(type='Pretrained', checkpoint=f'{path}/hostile.pth')))
try:
    model.init_weights()
except ValueError as error:
    print(type(error).__name__, error)
"""


@pytest.mark.parametrize('import_first', ['nothing', 'custom_imports'])
@pytest.mark.parametrize('package', ['mmengine.registry', 'mmseg.registry', 'opencd.registry'])
def test_every_registry_builds_our_parts_and_no_weights_that_run_code(tmp_path, package, import_first):
    env = {**os.environ, 'PYTHONPATH': os.pathsep.join(map(str, (ROOT, STAND_IN))), 'OMP_NUM_THREADS': '1'}
    words = [sys.executable, '-c', BUILD, str(tmp_path), package, import_first]
    done = subprocess.run(words, env=env, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert 'SCN LEVIRCDDataset BadLossHook' in lines
    assert lines[-1].startswith(f'CheckpointError {tmp_path}/hostile.pth is refused: reading it would run code')
    assert not (tmp_path / 'canary').exists()
