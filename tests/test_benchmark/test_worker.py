"""The process that measures a variant, run in this one."""

import time
from dataclasses import replace
from multiprocessing import Pipe

import numpy as np
import pytest
import torch

from schanger_mm.benchmark.subject import Subject
from schanger_mm.benchmark.variants import VARIANTS
from schanger_mm.benchmark.worker import Bench, Failed, Job, _reason, probabilities, work

JOB = Job(Subject.of_arch('4,4,6,8,10,12'), 'inference', VARIANTS['inference']['plain'], size=32, batch=2, threads=1,
          device='cpu', seed=0)


@pytest.fixture(autouse=True)
def _threads():
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


def test_requests_are_answered_until_none_comes():
    ours, theirs = Pipe()
    for request in (('warm_up', ()), ('turn', (True, True)), None):
        ours.send(request)
    start = time.perf_counter()
    work(theirs, JOB)
    end = time.perf_counter()
    assert ours.recv() == 'default'
    warm = ours.recv()
    assert warm['peak'] >= 0 and warm['result'].shape == (2, 32, 32)
    started, seconds = ours.recv()
    assert start < started < started + seconds < end
    assert not ours.poll()


def test_training_answers_with_its_loss():
    job = replace(JOB, task='train', variant=VARIANTS['train']['plain'])
    results = [Bench(job).warm_up()['result'] for _ in range(2)]
    assert results[0] == results[1] > 1


def test_what_the_network_raises_is_an_answer():
    ours, theirs = Pipe()
    work(theirs, replace(JOB, subject=Subject('none', model=dict(type='NoSuchDetector', decode_head={}))))
    answer = ours.recv()
    assert isinstance(answer, Failed) and answer.reason.startswith('KeyError: ') and 'NoSuch' in answer.reason


@pytest.mark.parametrize(('error', 'reason'), [
    (MemoryError(), 'out of memory'),
    (torch.OutOfMemoryError('CUDA out of memory.\nmore'), 'out of memory: CUDA out of memory.'),
    (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried"), 'out of memory: [enforce'),
    (ValueError('no such form'), 'ValueError: no such form'), (ValueError(), 'ValueError'),
])
def test_reasons(error, reason):
    assert _reason(error).startswith(reason)


def test_probabilities_of_one_two_and_more_classes():
    logits = torch.randn(2, 3, 4, 4, dtype=torch.bfloat16)
    np.testing.assert_allclose(probabilities(logits[:, :1]), logits[:, 0].float().sigmoid())
    two = probabilities(logits[:, :2])
    np.testing.assert_allclose(two, (logits[:, 1].float() - logits[:, 0].float()).sigmoid(), rtol=1e-5)
    assert probabilities(logits).shape == (2, 3, 4, 4)
    assert probabilities([logits]) is None
