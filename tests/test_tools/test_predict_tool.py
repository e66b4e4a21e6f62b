"""tools/predict.py, typed as a user types it; what its options do is tested in tests/test_scene."""

import json

import numpy as np
import pytest
import rasterio
import torch
from rasterio.transform import from_origin

from schanger_mm.apis import load_config
from schanger_mm.registry import MODELS


@pytest.fixture(scope='module')
def inputs(root, tmp_path_factory):
    """Random weights, and two rasters of noise."""
    folder = tmp_path_factory.mktemp('inputs')
    torch.manual_seed(0)
    cfg = load_config(root / 'configs/schanger/demo.py')
    network = MODELS.build({'_scope_': 'schanger_mm', **cfg.model, 'data_preprocessor': cfg.data_preprocessor})
    torch.save(dict(state_dict=network.state_dict()), folder / 'tiny.pth')
    for seed, name in enumerate(('before.tif', 'after.tif')):
        pixels = np.random.default_rng(seed).integers(0, 256, (3, 200, 180), np.uint8)
        with rasterio.open(folder / name, 'w', driver='GTiff', width=180, height=200, count=3, dtype='uint8',
                           crs='EPSG:32633', transform=from_origin(5e5, 5e6, 0.5, 0.5)) as raster:
            raster.write(pixels)
    return folder


def test_predicting_writes_everything_and_says_where(run, inputs, tmp_path):
    words = ['tools/predict.py', 'configs/schanger/demo.py', inputs / 'before.tif', inputs / 'after.tif', '--weights',
             inputs / 'tiny.pth', '--out', tmp_path / 'out', '--window', 64, '--overlap', 32, '--block', 128,
             '--format', 'geojson', '--min-area', 1, '--threshold', 0.45, '--device', 'cpu']
    text = run(*words)
    names = ['change.geojson', 'change.tif', 'probability.tif', 'report.html', 'summary.json']
    assert sorted(path.name for path in (tmp_path / 'out').iterdir()) == names
    assert all(str(tmp_path / 'out' / name) in text for name in names) and '0.036 megapixels with data' in text
    settings = json.loads((tmp_path / 'out/summary.json').read_text())['settings']
    assert (settings['threshold'], settings['overlap'], settings['min_area']) == (0.45, 32, 1)
    error = run(*words, fails=2)
    assert error.count('\n') == 1 and 'already holds change.tif' in error


@pytest.mark.parametrize(('words', 'message'), [
    (['none.tif', 'none.tif', '--weights', 'tiny.pth'], 'error: none.tif: no such raster'),
    (['a.tif', 'b.tif'], 'error: configs/schanger/demo.py is a config: name its weights'),
    (['a.tif', 'b.tif', '--weights', 'tiny.pth', '--bands', '1,x'], '--bands: invalid'),
])
def test_mistakes_end_in_one_clear_error(run, inputs, tmp_path, words, message):
    words = [inputs / word if word == 'tiny.pth' else word for word in words]
    assert message in run('tools/predict.py', 'configs/schanger/demo.py', *words, '--out', tmp_path, fails=2)
