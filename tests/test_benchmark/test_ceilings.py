"""What the machine can do."""

import torch

from schanger_mm.benchmark import ceilings
from schanger_mm.benchmark.machine import describe_machine, describe_versions


def test_products_and_copies_are_measured_with_the_threads_asked_for(monkeypatch):
    monkeypatch.setattr(ceilings, '_SIDES', dict(cpu=64))
    monkeypatch.setattr(ceilings, '_COPY', dict(cpu=2**20))
    threads = torch.get_num_threads()
    found = ceilings.measure_ceilings(torch.device('cpu'), threads + 1, ('fp32', 'bf16'), seconds=0)
    assert list(found) == ['fp32', 'bf16', 'copy'] and all(1e6 < value < 1e15 for value in found.values())
    assert torch.get_num_threads() == threads


def test_ceiling_is_the_shortest_run(monkeypatch):
    clock = iter([0, 3, 10, 11, 20, 22])
    monkeypatch.setattr(ceilings.time, 'perf_counter', lambda: next(clock))
    assert ceilings._best(lambda: None, torch.device('cpu'), seconds=0) == 1


def test_machine_and_versions(monkeypatch):
    monkeypatch.setenv('MALLOC_ARENA_MAX', '1')
    machine = describe_machine(torch.device('cpu'))
    assert machine['processor'] and machine['cores'] >= machine['usable_cores'] >= 1 and machine['gpu'] is None
    assert machine['allocator_environment']['MALLOC_ARENA_MAX'] == '1'
    assert {'python', 'torch', 'numpy'} <= set(describe_versions())
