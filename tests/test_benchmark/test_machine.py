"""What the machine is and can do."""

import gc
import os
import platform

import pytest
import torch

from schanger_mm.benchmark import machine as module
from schanger_mm.benchmark.machine import describe_machine, measure_ceilings, now


def test_products_and_copies_are_measured_and_threads_and_precision_are_as_before():
    before = torch.get_num_threads(), torch.get_float32_matmul_precision()
    found = measure_ceilings(torch.device('cpu'), before[0] + 1, ('fp32', 'bf16'), seconds=0.01, side=64)
    assert list(found) == ['fp32', 'bf16', 'copy'] and all(1e6 < value < 1e15 for value in found.values())
    assert (torch.get_num_threads(), torch.get_float32_matmul_precision()) == before


def test_tensors_are_released_before_other_processes_measure(monkeypatch):
    held = []
    monkeypatch.setattr(torch.cuda, 'empty_cache', lambda: held.append(
        [x.shape for x in gc.get_objects() if type(x) is torch.Tensor and x.numel() in (32 * 32, 64 * 2**20)]))
    measure_ceilings(torch.device('cpu'), 1, ['fp32'], seconds=0.01, side=32)
    assert held == [[]]


def test_only_the_measured_gpu_is_waited_for(monkeypatch):
    waited = []
    monkeypatch.setattr(torch.cuda, 'synchronize', waited.append)
    monkeypatch.setattr(torch.accelerator, 'synchronize', lambda *_: pytest.fail('initialises a GPU'))
    monkeypatch.setattr(torch.accelerator, 'is_available', lambda: True)
    first = now(torch.device('cpu'))
    assert waited == [] and now(torch.device('cuda', 1)) >= first and waited == [torch.device('cuda', 1)]


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
