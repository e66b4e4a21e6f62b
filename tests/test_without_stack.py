"""What happens where the stack, or a part of it, is not installed."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ENV = {**os.environ, 'PYTHONPATH': str(Path(__file__).parents[1]), 'OMP_NUM_THREADS': '1'}


def python(code):
    return subprocess.run([sys.executable, '-c', code], env=ENV, capture_output=True, text=True)


def test_layers_losses_and_backbone_need_torch_and_mmengine_alone():
    result = python("""
import sys
sys.modules.update(mmseg=None, mmcv=None)
import torch
from schanger_mm.models import SCN, TFM, BCEDiceLoss
from schanger_mm.models.layers import SCAM
features = SCN('small')(torch.zeros(2, 3, 32, 32))
print(len(TFM([f.shape[1] for f in features])(features, features)))
""")
    assert result.stdout.strip() == '5', result.stderr


@pytest.mark.parametrize('missing', ['mmengine', 'torch'])
def test_the_package_needs_no_stack_and_its_parts_say_which_command_installs_one(missing):
    result = python(f"""
import importlib, sys
sys.modules[{missing!r}] = None
import schanger_mm
print(schanger_mm.__version__)
from schanger_mm.utils.errors import MissingPackageError
for room in 'registry', 'models', 'datasets', 'evaluation', 'visualization', 'engine.hooks':
    try:
        importlib.import_module(f'schanger_mm.{{room}}')
    except MissingPackageError as error:
        print(error)
""")
    version, *said = result.stdout.splitlines()
    assert version[0].isdigit() and len(said) == 6 and len(set(said)) == 1, result.stdout + result.stderr
    assert f', and {missing} is not installed: ' in said[0]
    assert '`pip install "schanger-mm[mm]"`' in said[0] and '"schanger-mm[openmmlab]"' in said[0]


@pytest.mark.parametrize('words', [
    ['train', 'configs/schanger/demo.py'], ['predict', 'a.pth', 'a.tif', 'b.tif', '--out', 'c']])
def test_a_command_says_it_in_one_line(words):
    result = python(f"""
import importlib, sys
sys.modules['mmengine'] = None
from schanger_mm.commands import cli
raise SystemExit(cli.run(importlib.import_module('schanger_mm.commands.{words[0]}'), {words[1:]!r}))
""")
    assert result.returncode == 2 and result.stderr.count('\n') == 1, result.stderr
    assert 'mmengine is not installed: install one with `pip install "schanger-mm[mm]"`' in result.stderr


def test_the_first_import_loads_the_version_alone():
    result = python("""
import sys
before = set(sys.modules)
import schanger_mm
print(sorted(set(sys.modules) - before))
""")
    assert result.stdout.strip() == "['schanger_mm', 'schanger_mm.version']"
