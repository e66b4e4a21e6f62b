"""A block in another process; with Dask around it in test_dask_runner.py."""

import os
import pickle
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
import rasterio
import torch

from schanger_mm.deploy.model import SceneModel
from schanger_mm.geo.errors import SceneError
from schanger_mm.geo.pair import PairSpec
from schanger_mm.scene import workers as tasks
from schanger_mm.scene.plan import Settings
from schanger_mm.scene.run import predict_scene
from schanger_mm.scene.workers import DaskRunner


@pytest.fixture(autouse=True)
def fresh_process(monkeypatch):
    monkeypatch.setattr(tasks, '_kept', [])
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


def test_a_process_opens_rasters_and_network_once(task, serial, monkeypatch):
    loads, load = [], SceneModel.load
    monkeypatch.setattr(SceneModel, 'load', lambda *words: loads.append(words) or load(*words))
    for block in task.plan.blocks()[:3]:
        assert pickle.loads(pickle.dumps(task))(block).tobytes() == serial[block.index].tobytes()
    assert loads == [(task.model, task.weights, 'cpu', 'fp32')]


def test_the_threads_of_the_task_are_set_for_every_block(make_task, monkeypatch):
    task, said = make_task(threads=3), []
    monkeypatch.setattr(torch, 'set_num_threads', said.append)
    for block in task.plan.blocks()[:2]:
        task(block)
    assert said == [3, 3, 3]  # before the network is loaded, too


def test_the_precision_reaches_the_network(make_task, serial):
    task = make_task(precision='bf16')
    block = task.plan.blocks()[0]
    found, expected = task(block).astype(int), serial[0].astype(int)
    assert 0 < np.abs(found - expected).max() <= 8


@pytest.mark.parametrize(('changes', 'message'), [
    (dict(versions=dict(schanger_mm='9.9')), 'other versions: schanger_mm .* instead of 9.9.* install the same'),
    (dict(weights_sha256='0'), 'other weights in .*weights.pth: sha256 .* instead of 0; all machines'),
])
def test_a_task_checks_its_process(make_task, changes, message):
    task = make_task(**changes)
    with pytest.raises(SceneError, match=message):
        task(task.plan.blocks()[0])


def test_other_rasters_under_the_same_name_are_refused(make_task, task_inputs, tmp_path):
    for name in ('a.tif', 'b.tif', 'weights.pth'):
        (tmp_path / name).write_bytes((task_inputs / name).read_bytes())
    copy = make_task(tmp_path)
    with rasterio.open(tmp_path / 'b.tif', 'r+') as file:
        file.write(np.zeros((3, 5, 5), np.uint8), window=((0, 5), (0, 5)))
    with pytest.raises(SceneError, match=r'other files: .*b\.tif .*SHA-256 .* instead of .*rsync -a'):
        copy(copy.plan.blocks()[0])


def test_the_same_pixels_of_another_time_are_refused(make_task, task_inputs, tmp_path):
    for name in ('a.tif', 'b.tif', 'weights.pth'):
        (tmp_path / name).write_bytes((task_inputs / name).read_bytes())
    copy = make_task(tmp_path)
    os.utime(tmp_path / 'a.tif', (1, 1))
    with pytest.raises(SceneError, match=r'other files: .*a\.tif .*time 1000000000, '):
        copy(copy.plan.blocks()[0])


distributed = pytest.importorskip('distributed')


ROOT = Path(__file__).parents[2]


@pytest.fixture
def cluster():
    """Start a scheduler and two workers as a user does, each in a process of its own; yield address and workers."""
    env = {**os.environ, 'PYTHONPATH': str(ROOT), 'OMP_NUM_THREADS': '1'}
    start = [sys.executable, '-m', 'distributed.cli.dask_scheduler', '--host', '127.0.0.1', '--port', '0',
             '--no-dashboard']
    scheduler = subprocess.Popen(start, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    line = next(line for line in scheduler.stderr if 'Scheduler at:' in line)
    address = line.split()[-1]
    join = [sys.executable, '-m', 'distributed.cli.dask_worker', address, '--nthreads', '1', '--no-nanny',
            '--no-dashboard', '--host', '127.0.0.1']
    started = []

    def worker(**settings):
        started.append(subprocess.Popen(join, env={**env, **settings}, stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL))
        return started[-1]

    yield address, worker
    for process in (*started, scheduler):
        process.kill()
        process.wait()
    scheduler.stderr.close()


def wait_for(address, workers):
    with distributed.Client(address) as client:
        client.wait_for_workers(workers, timeout=60)


def check_equal(results, serial):
    assert sorted(results) == sorted(serial)
    for index, block in results.items():
        assert block.tobytes() == serial[index].tobytes(), f'block {index} differs from the serial run'


def children():
    return {process.pid for process in psutil.Process().children(recursive=True)}


@pytest.mark.long
def test_two_processes_give_the_serial_bytes_and_leave_nothing_running(task, serial):
    before = children()
    results = {block.index: array for block, array in DaskRunner(workers=2)(task.plan.blocks(), task)}
    check_equal(results, serial)
    deadline = time.monotonic() + 10
    while (left := [pid for pid in children() - before if 'spawn_main' in ' '.join(psutil.Process(pid).cmdline())]) \
            and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not left


@pytest.mark.long
def test_blocks_of_a_killed_worker_run_again_on_the_other(cluster, task, serial):
    address, worker = cluster
    workers = [worker(), worker()]
    wait_for(address, 2)
    results = {}
    for block, array in DaskRunner(scheduler=address)(task.plan.blocks(), task):
        results[block.index] = array
        if len(results) == 3:
            os.kill(workers[0].pid, signal.SIGKILL)
    assert workers[0].wait(10) == -signal.SIGKILL and workers[1].poll() is None
    check_equal(results, serial)


@pytest.mark.long
def test_a_slow_reader_of_results_holds_the_workers_back(cluster, task):
    address, worker = cluster
    worker()
    wait_for(address, 1)
    taken = []

    def blocks():
        for block in task.plan.blocks():
            taken.append(block.index)
            yield block

    results = DaskRunner(scheduler=address)(blocks(), task)
    next(results)
    time.sleep(1)
    assert len(taken) == 2, 'two per worker are in flight, whatever the time'
    results.close()


@pytest.mark.long
def test_a_worker_without_the_package_is_named(cluster, task, tmp_path):
    address, worker = cluster
    (tmp_path / 'sitecustomize.py').write_text("import sys\nsys.modules['schanger_mm'] = None\n")
    worker(PYTHONPATH=str(tmp_path))
    wait_for(address, 1)
    with pytest.raises(SceneError, match=r'worker tcp://.* lacks a package .*schanger_mm.*; install schanger-mm\[geo'):
        list(DaskRunner(scheduler=address)(task.plan.blocks(), task))


@pytest.mark.long
def test_what_a_worker_refuses_ends_the_run_with_its_reason(cluster, make_task):
    address, worker = cluster
    worker()
    wait_for(address, 1)
    task = make_task(weights_sha256='0' * 64)
    with pytest.raises(SceneError, match='could not predict block .*other weights in .*weights.pth: sha256'):
        list(DaskRunner(scheduler=address)(task.plan.blocks(), task))


@pytest.fixture
def whole_run(task, task_inputs, tmp_path):
    """Return a function that runs the whole scene, as tools/predict.py does, with a runner."""
    def run(runner, name='out'):
        spec = PairSpec(*(str(task_inputs / date) for date in ('a.tif', 'b.tif')))
        predict_scene(spec, SceneModel.load(task.model, task.weights), tmp_path / name,
                      Settings(window=64, overlap=32, block=64, page=False), runner)
        return [(tmp_path / name / raster).read_bytes() for raster in ('change.tif', 'probability.tif')]

    return run


@pytest.mark.long
def test_a_worker_of_a_whole_run_takes_over_the_threads(cluster, whole_run):
    address, worker = cluster
    worker()
    wait_for(address, 1)
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        assert whole_run(DaskRunner(scheduler=address)) == whole_run(None, 'serial')
    finally:
        torch.set_num_threads(threads)
    with distributed.Client(address) as client:
        assert client.submit(lambda: __import__('torch').get_num_threads()).result() == 2


@pytest.mark.long
def test_a_worker_refuses_a_whole_run_of_other_versions_or_files(cluster, whole_run, task_inputs, tmp_path):
    address, worker = cluster
    first = worker()
    wait_for(address, 1)

    def later(blocks, task):
        os.utime(task_inputs / 'b.tif', (1, 1))
        return DaskRunner(scheduler=address)(blocks, task)

    with pytest.raises(SceneError, match=r'worker could not predict block .*other files: .*b\.tif .*time 1000000000, '):
        whole_run(later, 'files')
    first.kill()
    first.wait()
    (tmp_path / 'sitecustomize.py').write_text("import schanger_mm.version\nschanger_mm.version.__version__ = '9.9'\n")
    worker(PYTHONPATH=f'{tmp_path}:{ROOT}')
    wait_for(address, 1)
    with pytest.raises(SceneError, match=r'worker could not predict block .*other versions: schanger_mm 9\.9 instead'):
        whole_run(DaskRunner(scheduler=address), 'versions')


@pytest.mark.parametrize(('settings', 'message'), [
    (dict(), 'expected either --workers N or --scheduler ADDRESS, found None and None'),
    (dict(workers=2, scheduler='tcp://a:1'), 'found 2 and tcp://a:1'),
    (dict(workers=0), '--workers 0: expected 1 or more'),
])
def test_settings_that_make_no_sense(settings, message):
    with pytest.raises(SceneError, match=message):
        DaskRunner(**settings)


def test_no_scheduler_at_the_address(task, monkeypatch):
    monkeypatch.setattr('schanger_mm.scene.workers.CONNECT_SECONDS', 1)
    with pytest.raises(SceneError, match=r'--scheduler tcp://127.0.0.1:1: no Dask scheduler .* `dask scheduler`'):
        list(DaskRunner(scheduler='tcp://127.0.0.1:1')(task.plan.blocks(), task))


def test_without_dask_the_error_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, 'distributed', None)
    with pytest.raises(ImportError, match=r'pip install "schanger-mm\[dask\]"'):
        DaskRunner(workers=1)
