"""The process that measures a variant."""

import subprocess
import sys

import pytest
import torch

from schanger_mm.benchmark import measure as module
from schanger_mm.benchmark.measure import Job, measure, read_peak, start_peak

TINY = '4,4,6,8,10,12'
GROWTH = """
import torch
from schanger_mm.benchmark.measure import read_peak, start_peak
from schanger_mm.utils.devices import keep_freed_memory
for _ in range(2):
    torch.ones(200 * 2**18)  # an earlier peak of 200 MiB, freed again
    before = start_peak(torch.device('cpu'))
    a = torch.ones(64 * 2**18)
    del a
    torch.ones(40 * 2**18)
    print((read_peak(torch.device('cpu')) - before) / 2**20)
    keep_freed_memory()
"""


def test_calls_are_timed_and_probabilities_are_of_each_pair():
    threads = torch.get_num_threads()
    answer, first = measure(Job(TINY, size=32, batch=2, rounds=3, threads=1))
    torch.set_num_threads(threads)
    assert len(answer['seconds']) == 3 and min(answer['seconds']) > 0 and answer['malloc'] == 'default'
    assert first.shape == (2, 32, 32) and 0 <= first.min() < first.max() <= 1


def test_a_process_on_the_cpu_waits_for_no_gpu(monkeypatch):
    monkeypatch.setattr(torch.accelerator, 'is_available', lambda: True)
    monkeypatch.setattr(torch.accelerator, 'synchronize', lambda *_: pytest.fail('initialises a GPU'))
    threads = torch.get_num_threads()
    answer, _ = measure(Job(TINY, size=32, rounds=1, threads=1))
    torch.set_num_threads(threads)
    assert len(answer['seconds']) == 1


def test_timings_are_kept_if_kernels_cannot_be_counted_and_pairs_not_scored(demo_checkpoint, monkeypatch):
    def fail(*_):
        raise RuntimeError('no profiler\nhere')
    monkeypatch.setattr(module, 'count_launches', fail)
    threads = torch.get_num_threads()
    answer, first = measure(Job(str(demo_checkpoint), size=32, rounds=2, threads=1, data='missing'))
    torch.set_num_threads(threads)
    assert len(answer['seconds']) == 2 and answer['launches'] is answer['f1'] is first is None
    kernels, f1 = answer['problems']
    assert kernels == 'kernels: RuntimeError: no profiler' and f1.startswith('F1: ') and 'missing' in f1


def test_training_gives_one_loss_for_one_seed():
    threads = torch.get_num_threads()
    losses = [float(measure(Job(TINY, 'train', 32, rounds=1, threads=1))[1]) for _ in range(2)]
    torch.set_num_threads(threads)
    assert losses[0] == losses[1] > 1


@pytest.mark.parametrize('system', ['darwin', 'win32'])
def test_where_nothing_tells_the_peak_it_is_0(monkeypatch, system):
    monkeypatch.setattr(sys, 'platform', system)
    assert start_peak(torch.device('cpu')) == read_peak(torch.device('cpu')) == 0


@pytest.mark.long
@pytest.mark.skipif(not sys.platform.startswith('linux'), reason='reads /proc')
def test_growth_of_memory_counts_from_the_start_with_either_allocator(root):
    done = subprocess.run([sys.executable, '-c', GROWTH], capture_output=True, text=True, check=True, cwd=root)
    assert [float(line) for line in done.stdout.splitlines()] == pytest.approx([64, 64], abs=4)
