import os
import sys

import pytest

from schanger_mm.data_tools import parallel
from schanger_mm.data_tools.parallel import run_parallel
from schanger_mm.datasets import DatasetError


def process_of(number):
    return number, os.getpid()


def fail_at_two(number):
    if number == 2:
        raise DatasetError('two is corrupt')
    return number


def end(number):
    os._exit(number)


@pytest.mark.parametrize('workers', [1, 2])
def test_results_come_in_order(workers):
    results = list(run_parallel(process_of, range(20), workers))
    assert [number for number, _ in results] == list(range(20))
    assert (os.getpid() in {process for _, process in results}) == (workers == 1)


@pytest.mark.parametrize('workers', [1, 2])
def test_an_error_ends_the_run_and_was_raised_in_this_package(workers):
    with pytest.raises(DatasetError, match='two is corrupt') as caught:
        list(run_parallel(fail_at_two, range(50), workers))
    assert caught.traceback[-1].path.name == 'parallel.py'  # which is how a tool knows it for a mistake of the user


def test_a_process_that_dies_is_said():
    with pytest.raises(OSError, match='use fewer --workers'):
        list(run_parallel(end, [1, 2, 3], 2))


def test_nobody_at_work_is_refused():
    with pytest.raises(ValueError, match='--workers: expected 1 or more, found 0'):
        list(run_parallel(process_of, [1], 0))


@pytest.mark.parametrize(('system', 'expected'), [('win32', 61), ('linux', 80)])
def test_windows_waits_for_at_most_61_processes(monkeypatch, system, expected):
    def pool(workers, **options):
        assert workers == expected
        raise InterruptedError
    monkeypatch.setattr(sys, 'platform', system)
    monkeypatch.setattr(parallel, 'ProcessPoolExecutor', pool)
    with pytest.raises(InterruptedError):
        list(run_parallel(process_of, range(100), 80))
