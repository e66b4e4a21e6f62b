"""What the machine is and can do."""

import os
import platform

import torch

from schanger_mm.benchmark import machine as module
from schanger_mm.benchmark.machine import describe_machine, measure_ceilings


def test_products_and_copies_are_measured_and_threads_and_precision_are_as_before():
    before = torch.get_num_threads(), torch.get_float32_matmul_precision()
    found = measure_ceilings(torch.device('cpu'), before[0] + 1, ('fp32', 'bf16'), seconds=0.01, side=64)
    assert list(found) == ['fp32', 'bf16', 'copy'] and all(1e6 < value < 1e15 for value in found.values())
    assert (torch.get_num_threads(), torch.get_float32_matmul_precision()) == before


def test_machine_and_versions(monkeypatch):
    monkeypatch.setenv('MALLOC_ARENA_MAX', '1')
    machine = describe_machine(torch.device('cpu'))
    assert machine['gpu'] == 'not used' and 'MALLOC_ARENA_MAX=1' in machine['allocator']
    assert machine['processor'].endswith('cores') and f'torch {torch.__version__}' in machine['versions']


def test_where_the_system_does_not_tell_load_and_processor(monkeypatch, tmp_path):
    """Windows has neither, macOS no /proc."""
    monkeypatch.delattr(os, 'getloadavg', raising=False)
    monkeypatch.setattr(module, 'Path', lambda path: tmp_path / 'none')
    machine = describe_machine(torch.device('cpu'))
    assert machine['load'] == 'unknown'
    assert machine['processor'] == f'{platform.processor()}, {os.cpu_count()} cores'
