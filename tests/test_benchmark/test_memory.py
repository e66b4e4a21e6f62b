"""Peak memory of a process."""

import os
import subprocess
import sys

import pytest
import torch

from schanger_mm.benchmark.memory import MIB, available, installed, resident

linux = pytest.mark.skipif(not sys.platform.startswith('linux'), reason='reads /proc')
CODE = """
import torch
from schanger_mm.apis.memory import keep_freed_memory
from schanger_mm.benchmark.memory import MIB, PeakMemory

def measure():
    torch.ones(200 * MIB // 4)  # an earlier peak, freed again
    peak = PeakMemory(torch.device('cpu'))
    before = peak.growth()
    a = torch.ones(64 * MIB // 4)
    del a
    torch.ones(40 * MIB // 4)
    print(before / MIB, peak.growth() / MIB)

measure()
keep_freed_memory()
measure()
"""


@linux
def test_growth_counts_from_construction_with_either_allocator(root):
    result = subprocess.run([sys.executable, '-c', CODE], capture_output=True, text=True, check=True,
                            env={**os.environ, 'PYTHONPATH': str(root), 'OMP_NUM_THREADS': '1'})
    for line in result.stdout.splitlines():
        before, after = map(float, line.split())
        assert before < 2 and after == pytest.approx(64, abs=4)


@linux
def test_resident_available_installed():
    assert resident() == pytest.approx(resident(str(os.getpid())), rel=0.1)
    assert 50 * MIB < resident() < installed()
    assert 0 < available(torch.device('cpu')) < installed()
    assert resident(str(2**22 + 1)) is None  # beyond Linux's largest process number
