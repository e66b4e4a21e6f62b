import numpy as np
import pytest
import rasterio
import torch

from schanger_mm.apis import ChangeDetector, load_config
from schanger_mm.apis.predict import predict, predict_pairs
from schanger_mm.registry import MODELS
from schanger_mm.scene.errors import SceneError

SMALL = dict(window=64, overlap=32, block=128, page=False)


@pytest.fixture(scope='module')
def checkpoint(root, tmp_path_factory):
    torch.manual_seed(0)
    cfg = load_config(root / 'configs/schanger/demo.py')
    network = MODELS.build({'_scope_': 'schanger_mm', **cfg.model, 'data_preprocessor': cfg.data_preprocessor})
    path = tmp_path_factory.mktemp('model') / 'tiny.pth'
    torch.save(dict(meta=dict(cfg=cfg.pretty_text), state_dict=network.state_dict()), path)
    return str(path)


@pytest.fixture(scope='module')
def detector(checkpoint):
    return ChangeDetector(checkpoint, device='cpu')


@pytest.fixture
def images():
    return np.random.default_rng(0).integers(0, 256, (2, 150, 130, 3), np.uint8)


def write(path, image, **profile):
    path.parent.mkdir(parents=True, exist_ok=True)
    with rasterio.open(path, 'w', width=image.shape[1], height=image.shape[0], count=image.shape[2],
                       dtype=image.dtype, **profile) as raster:
        raster.write(image.transpose(2, 0, 1))
    return path


def test_arrays_and_rasters_agree(tmp_path, detector, images):
    paths = [write(tmp_path / f'{date}.png', image) for date, image in zip('ab', images)]
    result = detector.predict(*paths, tmp_path / 'out', **SMALL)
    assert sorted(result.paths) == ['change.gpkg', 'change.tif', 'probability.tif', 'summary.json']
    arrays = detector.predict_array(*images, window=64, overlap=32)
    assert arrays.probability.shape == (150, 130) and arrays.probability.dtype == np.float32
    with rasterio.open(result.paths['probability.tif']) as raster:
        np.testing.assert_allclose(raster.read(1) / 254, arrays.probability, atol=1 / 254)
    with rasterio.open(result.paths['change.tif']) as raster:
        far = np.abs(arrays.probability - 0.5) > 1e-5
        np.testing.assert_array_equal(raster.read(1)[far], arrays.changed[far])
    assert result.summary['pixels']['changed'] == pytest.approx(arrays.changed.sum(), abs=int((~far).sum()))


def test_options_reach_the_reader(tmp_path, detector, images):
    deep = (images.astype(np.uint16) * 10)[..., [2, 1, 0, 0]]
    paths = [write(tmp_path / f'{date}.tif', image, driver='GTiff') for date, image in zip('ab', deep)]
    with pytest.raises(SceneError, match='--bands'):
        detector.predict(*paths, tmp_path / 'out', **SMALL)
    result = detector.predict(*paths, tmp_path / 'out', bands=[3, 2, 1], scale='0:2550', threshold=0.4, **SMALL)
    expected = detector.predict_array(*images, window=64, overlap=32, threshold=0.4)
    assert result.summary['pixels']['changed'] == pytest.approx(expected.changed.sum(), abs=3)


@pytest.mark.parametrize(('before', 'after', 'message'), [
    (np.zeros((4, 4, 3)), np.zeros((4, 4, 3)), r'before: expected a \(H, W, 3\) uint8 array in RGB, found .* float64'),
    (np.zeros((4, 4, 3), np.uint8), [1], 'after: expected .* found list'),
    (np.zeros((4, 4, 3), np.uint8), np.zeros((4, 5, 3), np.uint8), 'before is 4 x 4 px, after 5 x 4'),
    (np.zeros((0, 4, 3), np.uint8), np.zeros((0, 4, 3), np.uint8), 'found 4 x 0 px'),
])
def test_other_arrays_are_refused(detector, before, after, message):
    with pytest.raises(SceneError, match=message):
        detector.predict_array(before, after)


def test_a_pair_that_fails_does_not_stop_the_others(tmp_path, checkpoint, detector, images, capsys):
    for name in ('one', 'two', 'three'):
        for date, image in zip('ab', images):
            write(tmp_path / date / f'{name}.png', image[:100] if (date, name) == ('b', 'one') else image)
    (tmp_path / 'a/alone.png').write_bytes((tmp_path / 'a/two.png').read_bytes())
    out = tmp_path / 'out'
    words = str(tmp_path / 'a'), str(tmp_path / 'b'), str(out)
    (failed,) = predict_pairs(detector, *words, **SMALL)
    assert failed.startswith('one: ') and '130 x 150' in failed and '130 x 100' in failed
    said = capsys.readouterr().out
    assert 'alone.png' in said and '[1/3] one: failed' in said and '[3/3] two: ' in said
    assert sorted(path.name for path in out.iterdir() if any(path.iterdir())) == ['three', 'two']

    write(tmp_path / 'b/one.png', images[1])
    assert predict(checkpoint, *words, device='cpu', resume=True, **SMALL) == 0  # the others are left as they are
    assert (out / 'one/summary.json').is_file()
    assert predict(checkpoint, *words, device='cpu', **SMALL) == 1
    assert '3 pairs failed' in capsys.readouterr().out


def test_a_missing_extra_is_named(monkeypatch, checkpoint):
    monkeypatch.setitem(__import__('sys').modules, 'rasterio', None)
    with pytest.raises(ImportError, match=r'pip install "schanger-mm\[geo\]"'):
        ChangeDetector(checkpoint)
