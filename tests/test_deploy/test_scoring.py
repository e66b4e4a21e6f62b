"""Exported files in tools/test.py's and tools/predict.py's place."""

import json
import pickle

import cv2
import numpy as np
import pytest
import torch

from schanger_mm import apis
from schanger_mm.deploy.exported import ExportedModel
from schanger_mm.deploy.exported_detector import ExportedDetector
from schanger_mm.deploy.load import load_model
from schanger_mm.utils.devices import FOR_INFERENCE
from schanger_mm.utils.errors import SettingError

BACKENDS = 'onnx', 'openvino'


@pytest.fixture(scope='module')
def score(trained, demo_set, tmp_path_factory):
    def score(checkpoint, out=None, **options):
        cfg = apis.load_config(trained.config)
        apis.prepare(cfg, 'own.py', str(tmp_path_factory.mktemp('work')))
        cfg.test_dataloader.update(num_workers=0, persistent_workers=False)
        cfg.test_dataloader.dataset.update(data_root=str(demo_set), type='LEVIRCDDataset')
        cfg.model.test_cfg = dict(mode='slide', crop_size=(40, 40), stride=(24, 24))
        apis.test_only(cfg, checkpoint, **options)
        return apis.evaluate(cfg, out and str(out), 0 if out else None)
    return score


@pytest.mark.parametrize('backend', BACKENDS)
def test_f1_is_that_of_pytorch_to_four_decimals(trained, needs, score, tmp_path, backend):
    needs(backend)
    plain = score(trained.checkpoint)
    found = score(trained.files[backend], tmp_path, backend=backend)
    assert 5 < plain['changed/F1'] < 95
    assert {key: round(value / 100, 4) for key, value in found.items()} == {
        key: round(value / 100, 4) for key, value in plain.items()}
    report = json.loads((tmp_path / 'report.json').read_text())
    assert report['checkpoint'] == trained.files[backend] and len(report['checkpoint_sha256']) == 64
    assert report['exported'] == dict(file=trained.files[backend], backend=backend, precision='fp32')


def test_views_and_whole_images_are_scored_too(trained, needs, score):
    needs('onnx')
    options = dict(mode='whole', tta=True, batch_size=3)
    assert score(trained.files['onnx'], **options)['changed/F1'] == pytest.approx(
        score(trained.checkpoint, **options)['changed/F1'], abs=5e-3)


@pytest.mark.parametrize(('file', 'options', 'message'), [
    ('none.onnx', {}, 'no exported network none.onnx'),
    ('a.pth', dict(backend='onnx'), 'a.pth with --backend: expected an exported network'),
])
def test_options_that_make_no_sense_are_refused(score, file, options, message):
    with pytest.raises(apis.ConfigError, match=message):
        score(file, **options)


def test_logits_are_positive_exactly_above_a_half(trained, needs):
    needs('onnx')
    detector = ExportedDetector(trained.files['onnx'])
    with pytest.raises(ValueError, match='is an export and cannot be trained'):
        detector.loss(torch.zeros(1, 6, 8, 8), [])
    steps = np.arange(-2000, 2000).astype(np.float32)
    near = np.float32(0.5) + steps * np.float32(2**-25)  # every float32 around a half
    probability = np.concatenate([near, [0, 1, 1e-30, np.nextafter(np.float32(1), np.float32(0))]]).astype(np.float32)
    detector.runtime = lambda before, after: probability.reshape(1, 1, -1)
    logits = detector.encode_decode(torch.zeros(1, 6, 1, len(probability)), [])
    changed = (logits.sigmoid() > 0.5).flatten().numpy()
    np.testing.assert_array_equal(changed, probability > 0.5)
    assert torch.isfinite(logits).all()


def test_a_file_alone_is_a_model_for_scenes(trained, needs, pair, monkeypatch):
    needs('onnx')
    limits, file = [], trained.files['onnx']
    monkeypatch.setattr('schanger_mm.deploy.exported.keep_freed_memory', limits.append)
    plain, found = trained.plain, load_model(file, device='cpu')
    assert limits == [FOR_INFERENCE]
    assert isinstance(found, ExportedModel) and found.names == (file, None) and found.packages == ('onnxruntime', )
    images = np.stack(pair(2, 48, 40), axis=1)
    np.testing.assert_allclose(found.predict(images), plain.predict(images), atol=1e-5)
    facts, expected = found.describe(), plain.describe()
    for key in ('threshold', 'temperature', 'mean', 'std', 'classes', 'bgr_to_rgb'):
        assert facts[key] == expected[key], key
    assert expected.keys() <= facts.keys() and facts['gsd'] == 0.5 and facts['checkpoint_sha256'] == plain.sha256
    with pytest.raises(SettingError, match='omit --weights x.pth'):
        load_model(file, 'x.pth')
    with pytest.raises(SettingError, match='--precision bf16: .*own.onnx predicts in fp32, except for .xml'):
        load_model(file, precision='bf16')


@pytest.fixture
def rasters(tmp_path):
    """Paths of two smooth images."""
    paths = [str(tmp_path / f'{date}.png') for date in 'ab']
    for path, image in zip(paths, np.random.default_rng(0).integers(0, 256, (2, 150, 130, 3), np.uint8)):
        cv2.imwrite(path, cv2.GaussianBlur(image, (0, 0), 1.5))
    return paths


def elsewhere(blocks, task):
    """Run blocks as workers of other processes do: they load the network by its names."""
    for block in blocks:
        yield block, pickle.loads(pickle.dumps(task))(block)


def test_rasters_of_the_onnx_file_are_those_of_the_checkpoint(trained, needs, rasters, tmp_path):
    needs('onnx')
    rasterio = pytest.importorskip('rasterio')
    from schanger_mm.apis.detector import pair_spec
    from schanger_mm.scene.plan import Settings
    from schanger_mm.scene.run import predict_scene
    settings = Settings(window=64, overlap=32, block=128, page=False)
    grey = {}
    for name, words, runner in (('plain', (trained.config, trained.checkpoint), None),
                                ('here', (trained.files['onnx'], ), None),
                                ('elsewhere', (trained.files['onnx'], ), elsewhere)):
        model = load_model(*words, device='cpu')
        summary = predict_scene(pair_spec(*rasters), model, tmp_path / name, settings, runner)
        with rasterio.open(summary['outputs']['probability.tif']) as raster:
            grey[name] = raster.read(1).astype(int)
    assert grey['plain'].std() > 5
    assert np.abs(grey['here'] - grey['plain']).max() <= 1
    np.testing.assert_array_equal(grey['here'], grey['elsewhere'])
