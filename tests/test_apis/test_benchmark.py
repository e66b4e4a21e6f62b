"""The whole benchmark on a network that takes milliseconds."""

import json
import sys
from itertools import pairwise

import pytest
import torch

from schanger_mm.apis import benchmark as module
from schanger_mm.apis.benchmark import benchmark
from schanger_mm.benchmark.measure import Conditions
from schanger_mm.benchmark.subject import Subject

TINY = Subject.of_arch('4,4,6,8,10,12')


@pytest.fixture(autouse=True)
def _ceilings(monkeypatch):
    values = iter([dict(fp32=1e9, bf16=2e9, copy=3e9), dict(fp32=4e9, bf16=1e9, copy=2e9)])
    monkeypatch.setattr(module, 'measure_ceilings', lambda *_: next(values))


def test_results_are_interleaved_complete_and_json():
    kept = []
    result = benchmark([TINY], sizes=[32], variants=['plain', 'fast-bf16'], conditions=Conditions(rounds=2, threads=1),
                       command='python tools/benchmark.py', keep=lambda so_far: kept.append(so_far.as_dict()))
    facts = json.loads(json.dumps(kept[-1]))
    assert facts == json.loads(json.dumps(result.as_dict())) and len(kept) == 1
    assert facts['command'] == 'python tools/benchmark.py' and facts['threads'] == 1
    assert facts['ceilings'] == dict(fp32=[1e9, 4e9], bf16=[2e9, 1e9], copy=[3e9, 2e9])
    assert facts['machine']['processor'] and 'torch' in facts['versions']
    found, = facts['results']
    assert (found['task'], found['size'], found['batch'], found['dates']) == ('inference', 32, 1, 2)
    assert found['order'] == [['plain', 'fast-bf16'], ['fast-bf16', 'plain']]
    plain, fast = found['variants']
    assert plain['failure'] is fast['failure'] is None
    turns = sorted((start, start + seconds) for one in (plain, fast)
                   for start, seconds in zip(one['started'], one['seconds'], strict=True))
    assert len(turns) == 4 and all(end < start for (_, end), (start, _) in pairwise(turns))
    assert plain['started'][0] < fast['started'][0] < fast['started'][1] < plain['started'][1]
    assert fast['speed_up'] == pytest.approx(plain['median'] / fast['median'])
    assert fast['matmul_share'] == pytest.approx(found['flops'] / fast['median'] / 2e9)
    assert 0 < fast['max_probability_difference'] < 0.3 and plain['max_probability_difference'] == 0
    assert plain['malloc'] == 'default'
    assert fast['malloc'] == ('limited' if sys.platform.startswith('linux') else 'default')
    assert '| fast bf16' in str(result)


@pytest.mark.skipif(not sys.platform.startswith('linux'), reason='reads /proc')
def test_variants_beyond_the_memory_limit_are_rows():
    result = benchmark([TINY], tasks=['train'], sizes=[32], variants=['plain'],
                       conditions=Conditions(rounds=1, memory_limit=2**20))
    row, = result.as_dict()['results'][0]['variants']
    assert row['failure'] == 'out of memory: more than the limit of 0.000977 GiB' and row['seconds'] == []
    assert '| out of memory |' in str(result)


@pytest.mark.parametrize(('request_', 'conditions', 'message'), [
    (dict(batches=[1, 0]), {}, '--batches 0: expected 1 or more'),
    (dict(sizes=[0]), {}, '--sizes 0: expected 1 or more'),
    (dict(sizes=[64, 100, 250]), {}, '--sizes 100 250: SChanger-4,4,6,8,10,12 works on multiples of 16 px'),
    (dict(tasks=['test']), {}, '--task test: expected inference or train'),
    (dict(variants=['quick']), {}, '--variants quick: unknown here'),
    ({}, dict(rounds=0), '--rounds 0'), ({}, dict(threads=0), '--threads 0'),
    ({}, dict(memory_limit=0), '--memory-limit: expected more than 0 GiB'),
    ({}, dict(device='tpu9000'), '--device tpu9000: expected cpu, cuda or cuda:N'),
    ({}, dict(device='meta'), '--device meta: expected cpu, cuda or cuda:N'),
])
def test_mistakes_are_found_before_anything_is_measured(request_, conditions, message, monkeypatch):
    monkeypatch.setattr(module, 'measure_ceilings', lambda *_: pytest.fail('measured'))
    with pytest.raises(ValueError, match=message):
        benchmark([TINY], **request_, conditions=Conditions(**conditions))


def test_missing_gpu_is_said(monkeypatch):
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)
    with pytest.raises(ValueError, match='--device cuda: no GPU was found'):
        benchmark([TINY], conditions=Conditions(device='cuda'))
