"""Workers that do not answer."""

import os
import signal
import sys

import pytest

from schanger_mm.benchmark.crew import Worker, WorkerError
from schanger_mm.benchmark.subject import Subject
from schanger_mm.benchmark.variants import VARIANTS
from schanger_mm.benchmark.worker import Job

JOB = Job(Subject.of_arch('4,4,6,8,10,12'), 'inference', VARIANTS['inference']['plain'], size=32, batch=2, threads=1,
          device='cpu', seed=0)


def reason_of(worker):
    with pytest.raises(WorkerError) as caught:
        worker.answer()
    assert worker.process.exitcode is not None
    return str(caught.value)


def test_worker_that_ends_is_noticed():
    assert reason_of(Worker(None, target=print)) == 'ended with status 0'


def test_worker_that_is_killed_is_noticed():
    worker = Worker(JOB)
    os.kill(worker.process.pid, signal.SIGKILL)
    assert reason_of(worker) == 'killed by signal 9 (out of memory?)'


@pytest.mark.skipif(not sys.platform.startswith('linux'), reason='reads /proc')
def test_worker_beyond_its_memory_is_ended():
    assert reason_of(Worker(JOB, memory_limit=2**20)) == 'out of memory: more than the limit of 0.000977 GiB'


def test_worker_that_takes_too_long_is_ended():
    assert reason_of(Worker(JOB, timeout=0.01)) == 'no answer in 0.01 s'
