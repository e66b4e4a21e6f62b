"""What happens where the stack, or a part of it, is not installed."""

import os
import subprocess
import sys
from pathlib import Path

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


def test_without_any_stack_the_error_says_which_command_installs_one():
    result = python("import sys; sys.modules['mmengine'] = None; import schanger_mm")
    assert result.returncode != 0
    assert 'pip install -r requirements.txt' in result.stderr and 'schanger-mm[openmmlab]' in result.stderr
