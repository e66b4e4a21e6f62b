"""The adaptations to the installed stack that no other test sees."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from schanger_mm.config import compat

ROOT = Path(__file__).resolve().parents[2]


def test_an_imported_transformers_stays(monkeypatch):
    monkeypatch.setitem(sys.modules, 'transformers', sys)
    compat.leave_transformers_out()
    assert sys.modules['transformers'] is sys


@pytest.mark.long
@pytest.mark.parametrize('module', ['config.loading', 'checkpoints', 'registry', 'models'])
def test_mmengine_does_not_import_transformers(module, tmp_path):
    """A stand-in that says when it is imported; importing it later still works."""
    (tmp_path / 'transformers.py').write_text("print('imported'); Adafactor = None")
    code = f"import schanger_mm.{module}; print('ready'); import transformers"
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, cwd=ROOT,
                          env={**os.environ, 'PYTHONPATH': f'{tmp_path}{os.pathsep}{ROOT}'})
    assert done.stdout.split() == ['ready', 'imported'], done.stderr[-1000:]
