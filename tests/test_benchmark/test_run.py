"""Turns, failures and mistakes."""

import os
import signal
import subprocess
import sys
from itertools import count

import pytest
import torch

from schanger_mm.benchmark import run as module
from schanger_mm.benchmark.measure import Job
from schanger_mm.benchmark.run import benchmark, compare

TINY = Job('4,4,6,8,10,12', size=32, threads=1, rounds=3)


def test_variants_run_in_order_and_then_in_reverse_with_the_calls_split(monkeypatch):
    said, seconds = [], count(1)

    def run(command, **_):
        folder = module.Path(command[-1])
        job = Job(**module.json.loads((folder / 'job.json').read_text()))
        calls = [float(next(seconds)) for _ in range(job.rounds)]
        (folder / 'result.json').write_text(module.json.dumps(dict(seconds=calls, peak_bytes=int(max(calls)))))
        module.np.save(folder / f'{job.variant}.npy', [0.5, 0.75 if job.variant == 'fast' else 0.5])
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(module.subprocess, 'run', run)
    rows = compare(TINY, ['plain', 'fast'], 60, said.append)
    assert said == ['plain, 2 calls', 'fast, 2 calls', 'fast, 1 calls', 'plain, 1 calls']
    assert [row['seconds'] for row in rows] == [[1, 2, 6], [3, 4, 5]]
    assert [(row['peak_bytes'], row['difference'], row['failure']) for row in rows] == [(6, 0, None), (5, 0.25, None)]


@pytest.mark.parametrize(('code', 'failure'), [
    (f'import os; os.kill(os.getpid(), {int(signal.SIGKILL)})', 'killed by signal 9 (out of memory?)'),
    ('import sys; sys.exit("no torch")', 'ended with status 1: no torch\n'),
    ('import time; time.sleep(60)', 'no answer in 0.5 s')])
def test_a_process_that_dies_is_a_row_and_is_not_tried_again(code, failure, monkeypatch):
    start, said = subprocess.run, []
    monkeypatch.setattr(module.subprocess, 'run', lambda _, **kwargs: start([sys.executable, '-c', code], **kwargs))
    row, = compare(TINY, ['plain'], 0.5 if 'sleep' in code else 60, said.append)
    assert row['failure'] == failure and row['seconds'] == [] and row['difference'] is None
    assert said == ['plain, 2 calls']


@pytest.mark.long
def test_processes_find_this_package_and_what_a_network_raises_is_a_row(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(os.environ, 'OMP_NUM_THREADS', '1')
    row, = compare(Job('none.py', rounds=1), ['plain'], 300, lambda text: None)
    assert row['failure'].startswith('ConfigError: ') and 'none.py' in row['failure']


@pytest.mark.parametrize(('jobs', 'variants', 'message'), [
    ([Job('small', batch=0)], None, 'batch 0: expected 1 or more'),
    ([Job('small', size=100)], None, 'size 100: small works on multiples of 16 px'),
    ([Job('small', rounds=0)], None, 'rounds 0'), ([Job('small', threads=0)], None, 'threads 0'),
    ([Job('small')], ['plain', 'quick'], '--variants quick: unknown on --device cpu; expected of inference: plain, '),
    ([Job('small')], ['fast-fp16'], '--variants fast-fp16: unknown on --device cpu'),
    ([Job('small', device='tpu9000')], None, '--device tpu9000: expected cpu, cuda or cuda:N')])
def test_mistakes_are_found_before_anything_is_measured(jobs, variants, message, monkeypatch):
    monkeypatch.setattr(module, 'measure_ceilings', lambda *_: pytest.fail('measured'))
    with pytest.raises(ValueError, match=message):
        benchmark(jobs, variants)


def test_missing_gpu_is_said(monkeypatch):
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)
    with pytest.raises(ValueError, match='--device cuda: no GPU was found'):
        benchmark([Job('small', device='cuda')])
