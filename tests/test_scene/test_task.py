"""A block in another process; with Dask around it in test_dask_runner.py."""

import os
import pickle

import numpy as np
import pytest
import rasterio
import torch

from schanger_mm.scene import task as tasks
from schanger_mm.scene.errors import SceneError
from schanger_mm.scene.model import SceneModel


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
    assert loads == [(task.model, task.weights, 'cpu', 'fp32', False)]


def test_the_threads_of_the_task_are_set_for_every_block(make_task, monkeypatch):
    task, said = make_task(threads=3), []
    monkeypatch.setattr(torch, 'set_num_threads', said.append)
    for block in task.plan.blocks()[:2]:
        task(block)
    assert said == [3, 3]


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
