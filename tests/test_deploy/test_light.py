"""Scenes are predicted with an ONNX file where the stack, and the heavy packages of the other parts, are missing."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import rasterio
from pyogrio import read_info

ROOT = Path(__file__).parents[2]
ENV = {**os.environ, 'PYTHONPATH': str(ROOT), 'OMP_NUM_THREADS': '1'}
STACK = ('torch', 'mmengine', 'mmcv', 'mmseg')
HEAVY = ('cv2', 'geopandas', 'pandas', 'matplotlib', 'skimage', 'scipy')
WITHOUT = """
import sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition('.')[0] in {names!r}:
            raise ModuleNotFoundError(f'No module named {{name!r}}', name=name)

sys.meta_path.insert(0, Missing())
"""
EVERY_MODULE = """
import importlib, pkgutil
import schanger_mm.deploy.runtime, schanger_mm.geo, schanger_mm.scene
for package in schanger_mm.geo, schanger_mm.scene:
    for module in pkgutil.iter_modules(package.__path__, f'{package.__name__}.'):
        importlib.import_module(module.name)
"""
LOADED = "print(sorted({name.partition('.')[0] for name in sys.modules} & {*" + repr(STACK + HEAVY) + '}))\n'
PREDICT = """
from schanger_mm.commands import cli, predict
raise SystemExit(cli.run(predict, sys.argv[1:]))
"""
START = """
import schanger_mm.scene.run
from schanger_mm.deploy.load import load_model
load_model(sys.argv[1])
"""
SECONDS = 2.0
"""On an idle machine, from the start of the interpreter until the network is loaded."""


def python(code, *words, missing=STACK):
    return subprocess.run([sys.executable, '-c', WITHOUT.format(names=missing) + code, *map(str, words)], env=ENV,
                          capture_output=True, text=True)


@pytest.fixture
def scene(write_raster, make_onnx, tmp_path):
    """Words of a command line: a network, two rasters of which a square has changed, and the settings."""
    before = np.full((3, 90, 120), 60, np.uint8)
    after = before.copy()
    after[:, 20:60, 30:80] = 200
    return [make_onnx(tmp_path / 'net.onnx'), write_raster('a.tif', before), write_raster('b.tif', after),
            '--window', '64', '--overlap', '32', '--block', '64']


def test_every_module_of_geo_and_scene_loads_without_the_stack_and_loads_nothing_heavy():
    done = python(EVERY_MODULE + LOADED)
    assert done.stdout == '[]\n', done.stdout + done.stderr


@pytest.mark.parametrize('missing', [STACK, STACK + HEAVY], ids=['stack', 'stack and heavy packages'])
def test_an_onnx_file_predicts_a_scene_without(scene, tmp_path, missing):
    done = python(PREDICT, *scene, '--out', tmp_path / 'out', missing=missing)
    assert done.returncode == 0, done.stderr
    with rasterio.open(tmp_path / 'out/change.tif') as raster:
        change = raster.read(1)
    assert change[20:60, 30:80].all() and change.sum() == 40 * 50
    assert read_info(tmp_path / 'out/change.gpkg', force_feature_count=True)['features'] == 1
    summary = json.loads((tmp_path / 'out/summary.json').read_text())
    assert summary['areas']['changed_m2'] == pytest.approx(40 * 50 * 0.25, rel=1e-3)
    assert 'onnxruntime' in summary['versions'] and 'torch' not in summary['versions']
    assert (tmp_path / 'out/report.html').is_file()
    assert ('Estimating the shift between the dates needs scikit-image' in done.stderr) == ('skimage' in missing)


def test_with_and_without_the_stack_the_rasters_are_the_same_bytes(scene, tmp_path):
    for name, missing in (('with', ()), ('without', STACK + HEAVY)):
        assert python(PREDICT, *scene, '--out', tmp_path / name, missing=missing).returncode == 0
    for name in 'change.tif', 'probability.tif':
        assert (tmp_path / 'with' / name).read_bytes() == (tmp_path / 'without' / name).read_bytes()


def test_a_checkpoint_there_is_refused_with_the_command_that_installs_a_stack(scene, tmp_path):
    (tmp_path / 'net.pth').write_bytes(b'')
    done = python(PREDICT, tmp_path / 'net.pth', *scene[1:], '--out', tmp_path / 'out')
    assert done.returncode == 2 and done.stderr.count('\n') == 1
    assert 'torch is not installed' in done.stderr and 'pip install "schanger-mm[mm]"' in done.stderr


def test_it_starts_soon(scene, tmp_path):
    """Three times the target, since test machines are busy."""
    start = time.perf_counter()
    done = python(START, scene[0])
    assert done.returncode == 0, done.stderr
    assert time.perf_counter() - start < 3 * SECONDS
