"""Blocks on a real scheduler with real worker processes."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
import torch

rasterio = pytest.importorskip('rasterio')
distributed = pytest.importorskip('distributed')

from schanger_mm.apis.config import load_config  # noqa: E402
from schanger_mm.registry import MODELS  # noqa: E402
from schanger_mm.scene.block import predict_block  # noqa: E402
from schanger_mm.scene.dask_runner import BlockTask, DaskRunner  # noqa: E402
from schanger_mm.scene.errors import SceneError  # noqa: E402
from schanger_mm.scene.model import SceneModel  # noqa: E402
from schanger_mm.scene.plan import Plan  # noqa: E402
from schanger_mm.scene.source import PairSpec, open_pair  # noqa: E402

ROOT = Path(__file__).parents[2]
CONFIG = ROOT / 'configs/schanger/demo.py'
WIDTH, HEIGHT, BLOCK = 320, 256, 64


@pytest.fixture(scope='module')
def scene(tmp_path_factory):
    """Write a pair and random weights; return their paths."""
    folder, rng = tmp_path_factory.mktemp('scene'), np.random.default_rng(0)
    transform = rasterio.transform.from_origin(500000, 5000000, 0.5, 0.5)
    for name in ('a.tif', 'b.tif'):
        with rasterio.open(folder / name, 'w', driver='GTiff', width=WIDTH, height=HEIGHT, count=3, dtype='uint8',
                           crs='EPSG:32633', transform=transform) as file:
            file.write(rng.integers(0, 256, (3, HEIGHT, WIDTH), np.uint8))
    cfg = load_config(CONFIG)
    torch.manual_seed(0)
    network = MODELS.build({**cfg.model, '_scope_': 'schanger_mm'})
    torch.save(dict(state_dict=network.state_dict()), folder / 'weights.pth')
    return folder


@pytest.fixture
def task(scene):
    return task_for(scene)


def task_for(scene, **changes):
    with open_pair(PairSpec(str(scene / 'a.tif'), str(scene / 'b.tif'))) as source:
        plan, spec, fingerprint = Plan(source.grid, BLOCK, 64, 32), source.spec, source.fingerprint()
    weights = str(scene / 'weights.pth')
    settings = dict(spec=spec, plan=plan, model=str(CONFIG), weights=weights, device='cpu', batch_size=4,
                    threshold=0.5, threads=1, fingerprint=fingerprint,
                    weights_sha256=SceneModel.load(str(CONFIG), weights).sha256)
    return BlockTask(**{**settings, **changes})


@pytest.fixture
def serial(task):
    """Return every block as this process predicts it, by index."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    model = SceneModel.load(task.model, task.weights, 'cpu')
    with open_pair(task.spec) as source:
        blocks = {block.index: predict_block(source, task.plan, block, model, 4, 0.5) for block in task.plan.blocks()}
    torch.set_num_threads(threads)
    assert len(blocks) == 20 and len({block.tobytes() for block in blocks.values()}) == 20
    return blocks


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
def test_what_a_worker_refuses_ends_the_run_with_its_reason(cluster, scene):
    address, worker = cluster
    worker()
    wait_for(address, 1)
    task = task_for(scene, weights_sha256='0' * 64)
    with pytest.raises(SceneError, match='could not predict block .*other weights in .*weights.pth: sha256'):
        list(DaskRunner(scheduler=address)(task.plan.blocks(), task))


@pytest.mark.parametrize(('task_changes', 'message'), [
    (dict(versions=dict(schanger_mm='9.9')), 'other versions: schanger_mm .* instead of 9.9.* install the same'),
    (dict(weights_sha256='0'), 'other weights in .*weights.pth: sha256 .* instead of 0; all machines'),
])
def test_a_task_checks_its_process(scene, task_changes, message):
    task = task_for(scene, **task_changes)
    with pytest.raises(SceneError, match=message):
        task(task.plan.blocks()[0])


def test_other_rasters_under_the_same_name_are_refused(scene, tmp_path, task):
    for name in ('a.tif', 'b.tif', 'weights.pth'):
        (tmp_path / name).write_bytes((scene / name).read_bytes())
    copy = task_for(tmp_path)
    with rasterio.open(tmp_path / 'b.tif', 'r+') as file:
        file.write(np.zeros((3, 5, 5), np.uint8), window=((0, 5), (0, 5)))
    with pytest.raises(SceneError, match=r'other files: .*b\.tif .*SHA-256 .* instead of .*rsync -a'):
        copy(copy.plan.blocks()[0])


def test_a_process_opens_rasters_and_network_once(task, serial, monkeypatch):
    loads = []
    load = SceneModel.load
    monkeypatch.setattr('schanger_mm.scene.dask_runner._kept', [])
    monkeypatch.setattr(SceneModel, 'load', lambda *words: loads.append(words) or load(*words))
    for block in task.plan.blocks()[:3]:
        assert task(block).tobytes() == serial[block.index].tobytes()
    assert loads == [(task.model, task.weights, 'cpu')]


@pytest.mark.parametrize(('settings', 'message'), [
    (dict(), 'expected either --workers N or --scheduler ADDRESS, found None and None'),
    (dict(workers=2, scheduler='tcp://a:1'), 'found 2 and tcp://a:1'),
    (dict(workers=0), '--workers 0: expected 1 or more'),
])
def test_settings_that_make_no_sense(settings, message):
    with pytest.raises(SceneError, match=message):
        DaskRunner(**settings)


def test_no_scheduler_at_the_address(task, monkeypatch):
    monkeypatch.setattr('schanger_mm.scene.dask_runner.CONNECT_SECONDS', 1)
    with pytest.raises(SceneError, match=r'--scheduler tcp://127.0.0.1:1: no Dask scheduler .* `dask scheduler`'):
        list(DaskRunner(scheduler='tcp://127.0.0.1:1')(task.plan.blocks(), task))


def test_without_dask_the_error_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, 'distributed', None)
    with pytest.raises(ImportError, match=r'pip install "schanger-mm\[dask\]"'):
        DaskRunner(workers=1)
