"""Two commands at one folder: the second ends with one line that names the first, whose result is right."""

import importlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from schanger_mm.commands import cli
from schanger_mm.commands.table import module_of
from schanger_mm.utils.locking import LOCK, locked

ROOT = Path(__file__).parents[2]
ENV = {**os.environ, 'PYTHONPATH': str(ROOT), 'OMP_NUM_THREADS': '1'}
DEMO = str(ROOT / 'configs/schanger/demo.py')
WRITERS = {
    'train': ['out', DEMO, '--work-dir', 'out'], 'test': ['out', DEMO, 'some.pth', '--work-dir', 'w', '--out', 'out'],
    'thresholds': ['w/threshold_sweep_val', DEMO, 'some.pth', '--work-dir', 'w'],
    'browse': ['out', DEMO, '--out', 'out'],
    'demo': ['out', '--out', 'out'], 'study': ['out', '--out', 'out'],
    'compare': ['out', '--train', 'out', '--val', 'out', '--out', 'out'],
    'tile': ['out', 'images', 'out', '--size', '8'],
    'split': ['out', 'images', '--out', 'out', '--val', '1'],
}
BESIDE = {
    'from-rasters': ['out', 'a.tif', 'b.tif', 'c.gpkg', '--out', 'out'],
    'correct': ['out', 'c.gpkg', 'a.tif', 'b.tif', '--out', 'out'], 'publish': ['out', 'some.pth', 'out'],
    'export': ['net.onnx', DEMO, 'some.pth', '--format', 'onnx', '--out', 'net.onnx'],
}


@pytest.mark.parametrize('name', [*WRITERS, *BESIDE])
def test_every_command_that_writes_a_folder(name, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path('some.pth').touch()
    Path('images').mkdir()
    from PIL import Image
    Image.fromarray(np.zeros((16, 16, 3), np.uint8)).save('images/a.png')
    folder, *words = {**WRITERS, **BESIDE}[name]
    with locked(folder, beside=name in BESIDE):
        there = sorted(tmp_path.rglob('*'))
        assert cli.run(importlib.import_module(module_of(name)), words) == 2
        said = capsys.readouterr().err
        assert re.fullmatch(rf'error: \S*{folder}: process {os.getpid()} on .*, since .* UTC \(.*\), is writing '
                            r'there\. Wait until it has ended, or name another folder\.\n', said), said
        assert sorted(tmp_path.rglob('*')) == there


def test_the_pictures_of_a_test_are_a_folder_as_well(tmp_path, capsys):
    (tmp_path / 'some.pth').touch()
    with locked(tmp_path / 'shown'):
        assert cli.run(importlib.import_module(module_of('test')), [
            DEMO, str(tmp_path / 'some.pth'), '--work-dir', str(tmp_path / 'w'), '--out', str(tmp_path / 'out'),
            '--show-dir', str(tmp_path / 'shown')]) == 2
    assert 'shown: process' in capsys.readouterr().err and not (tmp_path / 'out').exists()


WAITING = """
import importlib, os, sys, time
from schanger_mm.commands import cli
go, module, name, command, *words = sys.argv[1:]
module = importlib.import_module(module)
function = getattr(module, name)

def wait(*args, **kwargs):
    while not os.path.exists(go):
        time.sleep(0.01)
    return function(*args, **kwargs)

if __name__ == '__main__':
    setattr(module, name, wait)
    sys.exit(cli.run(importlib.import_module(command), words))
"""


@pytest.fixture
def start(tmp_path):
    """Start a command that waits for the file ``go`` at one of its functions, or does not wait."""
    def start(command, *words, at=('os', 'getcwd'), go=ROOT, env=ENV):
        started.append(subprocess.Popen(
            [sys.executable, '-c', WAITING, go, *at, module_of(command), *map(str, words)], cwd=ROOT, env=env,
            text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True))
        return started[-1]

    started = []
    yield start
    for process in started:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def holder_of(owner, process):
    """Wait until a process holds a lock, which names it."""
    end = time.monotonic() + 120
    while not (owner.exists() and owner.read_text().endswith('}\n')):
        assert process.poll() is None and time.monotonic() < end, process.communicate()
        time.sleep(0.01)
    return json.loads(owner.read_text())['pid']


@pytest.fixture
def city(tmp_path):
    rasterio, geopandas = pytest.importorskip('rasterio'), pytest.importorskip('geopandas')
    from shapely.geometry import box
    rng = np.random.default_rng(0)
    for name in ('a.tif', 'b.tif'):
        with rasterio.open(tmp_path / name, 'w', driver='GTiff', width=192, height=128, count=3, dtype='uint8',
                           crs='EPSG:32633', transform=rasterio.transform.from_origin(5e5, 5e6, 1, 1)) as file:
            file.write(rng.integers(1, 256, (3, 128, 192), np.uint8))
    geopandas.GeoDataFrame(geometry=[box(500010, 4999950, 500060, 4999990)],
                           crs='EPSG:32633').to_file(tmp_path / 'new.gpkg')
    return tmp_path


def content(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob('*.*') if path.is_file()}


def test_two_processes_that_cut_tiles(city, start, run):
    def words(out):
        return (city / 'a.tif', city / 'b.tif', city / 'new.gpkg', '--out', city / out, '--size', 16, '--workers', 1)

    first = start('from-rasters', *words('tiles'), at=('schanger_mm.data_tools.from_rasters', '_table'), go=city / 'go')
    assert holder_of(city / '.tiles.lock.json', first) == first.pid
    said = run('tools/dataset_tools/from_rasters.py', *words('tiles'), fails=2)
    assert re.fullmatch(rf'error: {city}/tiles: process {first.pid} on .*\n', said), said
    (city / 'go').touch()
    run('tools/dataset_tools/from_rasters.py', *words('other'))
    assert first.wait(120) == 0
    assert content(city / 'tiles') == content(city / 'other') and len(content(city / 'tiles')) > 100
    assert not list(city.glob('.*'))


@pytest.mark.long
def test_two_dask_workers_are_one_run(city, start):
    """The process that the user started holds the lock, not its workers, and a second run is refused."""
    import torch

    from schanger_mm.apis import load_config
    from schanger_mm.registry import MODELS
    torch.manual_seed(0)
    network = MODELS.build({'_scope_': 'schanger_mm', **load_config(DEMO).model})
    torch.save(dict(state_dict=network.state_dict()), city / 'weights.pth')

    def predict(*words, **waits):
        return start('predict', DEMO, city / 'a.tif', city / 'b.tif', '--weights', city / 'weights.pth', '--out',
                     city / 'out', '--block', 64, '--window', 64, '--overlap', 32, '--no-page', *words, **waits)

    first = predict('--workers', 2, at=('schanger_mm.scene.run', 'write_rasters'), go=city / 'go')
    assert holder_of(city / f'out/{LOCK}.json', first) == first.pid
    second = predict()
    said = second.communicate(timeout=240)[1]
    assert second.returncode == 2 and f'error: {city}/out: process {first.pid} on ' in said.splitlines()[-1], said
    (city / 'go').touch()
    assert first.wait(240) == 0, first.communicate()
    assert sorted(path.name for path in (city / 'out').iterdir()) == ['change.gpkg', 'change.tif', 'probability.tif',
                                                                      'summary.json']


@pytest.mark.long
def test_two_ranks_are_one_run(fakes, start, tmp_path):
    """Rank 0 holds the lock of the work directory, and the other does not try; a second training is refused."""
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        port = str(probe.getsockname()[1])
    root = fakes('DemoDataset')
    words = [DEMO, '--work-dir', tmp_path / 'work', '--cfg-options', 'load_from=None', 'train_cfg.max_iters=2',
             'train_cfg.val_interval=2', 'default_hooks.checkpoint.interval=2', 'train_dataloader.batch_size=1',
             'model.backbone.arch=8,8,12,16,20,24', 'model.decode_head.arch=8,8,12,16,20,24',
             *(f'{split}_dataloader.dataset.data_root={root}' for split in ('train', 'val'))]
    ranks = [start('train', *words, '--launcher', 'pytorch', at=('schanger_mm.engine.runner', 'train'),
                   go=tmp_path / 'go', env={**ENV, 'RANK': rank, 'LOCAL_RANK': rank, 'WORLD_SIZE': '2',
                                            'MASTER_ADDR': '127.0.0.1', 'MASTER_PORT': port}) for rank in '01']
    assert holder_of(tmp_path / f'work/{LOCK}.json', ranks[0]) == ranks[0].pid
    second = start('train', *words)
    said = second.communicate(timeout=240)[1]
    assert second.returncode == 2 and f'error: {tmp_path}/work: process {ranks[0].pid} on ' in said, said
    (tmp_path / 'go').touch()
    for rank in ranks:
        assert rank.wait(240) == 0, rank.communicate()
    assert (tmp_path / 'work/iter_2.pth').is_file() and not list((tmp_path / 'work').glob('.*'))
