"""Exports with classes: files, runtimes, scores, and what users get from Python."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmengine.registry import DefaultScope
from PIL import Image

from schanger_mm import apis
from schanger_mm.datasets.reading import read_image
from schanger_mm.demo.scenes import DemoSizes, write_demo_set
from schanger_mm.deploy import DeployError, open_runtime, read_card
from schanger_mm.deploy.export import export
from schanger_mm.deploy.formats import write_openvino
from schanger_mm.deploy.model import SceneModel
from schanger_mm.geo.errors import SceneError
from schanger_mm.registry import MODELS, SCOPE

FORMATS = dict(onnx='own.onnx', openvino='own.xml')


@pytest.fixture(scope='module')
def own(root, once_per_run):
    """A config, random weights whose classes all occur, two drawn pairs, and an export per format."""
    def fill(folder):
        write_demo_set(folder / 'data', DemoSizes(pretrain_train=0, pretrain_val=0, train=0, val=0, test=2), 64)
        cfg = apis.load_config(root / 'configs/semantic/semantic_demo.py')
        cfg.test_dataloader.dataset.data_root = str(folder / 'data')
        cfg.model.test_cfg = dict(mode='slide', crop_size=(40, 40), stride=(24, 24))
        cfg.dump(folder / 'own.py')
        torch.manual_seed(0)
        with DefaultScope.overwrite_default_scope(SCOPE):
            network = MODELS.build(dict(cfg.model, data_preprocessor=cfg.data_preprocessor)).eval()
        x = torch.randn(1, 6, 64, 64)
        with torch.no_grad():
            found = network(x)
            network.decode_head.conv_seg.bias -= found['seg_logits'].median()
            network.decode_head.semantic.fuse.bias -= found['seg_logits_from'].flatten(2).median(dim=2).values[0]
        torch.save(dict(state_dict=network.state_dict(),
                        meta=dict(dataset_meta=dict(semantic_classes=('unchanged', 'other', 'building')))),
                   folder / 'own.pth')
        with DefaultScope.overwrite_default_scope(SCOPE):
            words = export(cfg, 'own.py', str(folder / 'own.pth'), folder / 'own.onnx', 'onnx', tile=64)
        assert 'it also predicts the classes of both dates: other, building.' in words
        write_openvino(folder / 'own.onnx', folder / 'own.xml', read_card(folder / 'own.onnx'))

    folder = once_per_run('semantic', fill)
    return SimpleNamespace(
        folder=folder, config=str(folder / 'own.py'), checkpoint=str(folder / 'own.pth'),
        plain=SceneModel(apis.load_config(folder / 'own.py'), folder / 'own.pth', 'own.py', plain=True),
        files={format: str(folder / name) for format, name in FORMATS.items()})


def score(own, checkpoint, work_dir, out=None, **options):
    cfg = apis.load_config(own.config)
    apis.prepare(cfg, 'own.py', str(work_dir))
    cfg.test_dataloader.update(num_workers=0, persistent_workers=False)
    apis.test_only(cfg, checkpoint, **options)
    return apis.evaluate(cfg, out and str(out), 1 if out else None)


@pytest.mark.parametrize('format', FORMATS)
def test_the_card_names_the_classes(own, format):
    assert read_card(own.files[format]).semantic_classes == ('other', 'building')


@pytest.mark.parametrize('format', ['onnx', 'openvino'])
@pytest.mark.parametrize('size', [(2, 48, 64), (1, 37, 50)])
def test_runtimes_return_the_classes_of_both_dates(own, format, size):
    count, height, width = size
    before, after = 255 * np.random.default_rng(1).random((2, count, 3, height, width), np.float32)
    runtime = open_runtime(own.files[format])
    found, expected = runtime.semantic(before, after), own.plain.semantic(np.stack([before, after], axis=1))
    assert found.probability.shape == size and found.before.shape == (count, 2, height, width)
    for one, other in zip(found, expected):
        np.testing.assert_allclose(one, other, atol=1e-4)
    np.testing.assert_array_equal(runtime(before, after), found.probability)
    np.testing.assert_allclose(found.before.sum(axis=1), 1, atol=1e-5)
    classes = found.classes('after')
    assert classes.dtype == np.uint8 and classes.shape == size and set(np.unique(classes)) == {0, 1}


def test_scores_of_exports_are_those_of_pytorch(own, tmp_path):
    plain = score(own, own.checkpoint, tmp_path / 'a', tmp_path / 'report')
    assert {'Sek', 'SCD_Score', 'mIoU', 'Fscd', 'changed/F1'} <= set(plain) and 1 < plain['Fscd'] < 99
    assert score(own, own.files['onnx'], tmp_path / 'b') == pytest.approx(plain, abs=0.05)
    report = json.loads((tmp_path / 'report/report.json').read_text())
    assert report['semantic']['scores']['Sek'] == pytest.approx(plain['Sek'])
    assert sorted(path.name for path in (tmp_path / 'report/predictions').iterdir()) == [
        '0000.png', '0001.png', 'after', 'before']


def test_detectors_return_the_classes(own):
    before, after = (read_image(str(own.folder / f'data/test/{date}/0000.png'))[..., ::-1] for date in 'AB')
    results = [apis.ChangeDetector(*names).predict_array(before, after, window=32, overlap=16)
               for names in ((own.config, own.checkpoint), (own.files['onnx'], ))]
    for result in results:
        assert result.changed.shape == result.before.shape == result.after.shape == (64, 64)
        assert result.before.dtype == np.uint8 and result.classes == results[1].classes == ('other', 'building')
    assert (results[0].before != results[1].before).mean() < 1e-3
    assert (results[0].after != results[1].after).mean() < 1e-3


def test_one_window_is_the_network_itself(own):
    before, after = (read_image(str(own.folder / f'data/test/{date}/0001.png'))[..., ::-1] for date in 'AB')
    result = apis.ChangeDetector(own.config, own.checkpoint).predict_array(before, after, window=64, overlap=0)
    pair = np.stack([before, after]).transpose(0, 3, 1, 2)[None].astype(np.float32)
    expected = own.plain.semantic(pair)
    np.testing.assert_allclose(result.probability, expected.probability[0], atol=1e-5)
    assert (result.after != expected.classes('after')[0]).mean() < 1e-3


def test_the_inferencer_returns_the_classes(own):
    inferencer = apis.ChangeInferencer(own.config, own.checkpoint)
    found = inferencer(*(str(own.folder / f'data/test/{date}') for date in 'AB'), batch_size=2)
    assert len(found['classes_before']) == len(found['classes_after']) == 2
    assert all(one.shape == (64, 64) and one.dtype == np.uint8 and one.max() <= 1 for one in found['classes_after'])
    assert inferencer.dataset_meta['semantic_classes'] == ('unchanged', 'other', 'building')


def test_the_inferencer_writes_the_classes_beside_the_changes(own, tmp_path):
    colours = [[255, 255, 255], [0, 0, 255], [128, 0, 0]]
    content = torch.load(own.checkpoint, weights_only=True)
    content['meta']['dataset_meta']['semantic_palette'] = colours
    torch.save(content, tmp_path / 'own.pth')
    dates = [str(own.folder / f'data/test/{date}/0001.png') for date in 'AB']
    inferencer = apis.ChangeInferencer(own.config, tmp_path / 'own.pth')
    found = inferencer(*dates, out_dir=tmp_path / 'out')
    assert sorted(file.relative_to(tmp_path / 'out').as_posix() for file in (tmp_path / 'out').rglob('*.png')) == [
        'pred/0001.png', 'pred/after/0001.png', 'pred/before/0001.png', 'vis/0001.png']
    for date in ('before', 'after'):
        (expected, ), image = found[f'classes_{date}'], Image.open(tmp_path / f'out/pred/{date}/0001.png')
        assert image.mode == 'P' and image.getpalette()[:6] == colours[1] + colours[2]
        np.testing.assert_array_equal(np.array(image), expected)
        assert set(np.unique(expected)) == {0, 1}
    with pytest.raises(FileExistsError, match=r'pred/before/0001\.png'):
        (tmp_path / 'out/pred/0001.png').unlink()
        inferencer(*dates, out_dir=tmp_path / 'out', img_out_dir='')
    with pytest.raises(SceneError, match='names: the class maps of a pair are in the folders before and after'):
        inferencer(*([date] * 2 for date in dates), names=['a', 'before/a'], out_dir=tmp_path / 'new')
    content['meta']['dataset_meta']['semantic_palette'] = colours[:2]
    torch.save(content, tmp_path / 'own.pth')
    with pytest.raises(SceneError, match='its semantic_palette is .*; expected 3 RGB colours'):
        apis.ChangeInferencer(own.config, tmp_path / 'own.pth')


def test_networks_without_classes_say_so(trained):
    with pytest.raises(DeployError, match='this network predicts change only; export one that was trained with'):
        open_runtime(trained.files['onnx']).semantic(*np.zeros((2, 1, 3, 32, 32), np.float32))
    with pytest.raises(SceneError, match='its network predicts change only'):
        trained.plain.semantic(np.zeros((1, 2, 3, 32, 32), np.float32))
    assert read_card(trained.files['onnx']).semantic_classes == ()
    assert 'semantic_classes' not in read_card(trained.files['onnx']).dumps()


def test_int8_has_no_place_for_classes(own, tmp_path):
    with pytest.raises(DeployError, match='--precision int8: judged by F1 of change only'):
        export(apis.load_config(own.config), 'own.py', own.checkpoint, tmp_path / 'a.onnx', 'onnx', precision='int8',
               calibration='data')


def test_a_scene_predicted_by_an_export_has_the_classes_too(own, tmp_path, write_raster, noise):
    rasterio = pytest.importorskip('rasterio')
    pair = [write_raster(f'{name}.tif', noise(96, 128, seed=seed)) for name, seed in (('a', 1), ('b', 2))]
    detector = apis.ChangeDetector(own.files['onnx'], device='cpu')
    result = detector.predict(*pair, tmp_path / 'out', window=64, overlap=32, block=64, page=False)
    assert result.summary['classes']['names'] == ['other', 'building']
    assert result.summary['classes']['kinds_of'] == 'building'
    array = detector.predict_array(
        *(np.moveaxis(rasterio.open(path).read(), 0, -1) for path in pair), window=64, overlap=32)
    for date, classes in (('before', array.before), ('after', array.after)):
        with rasterio.open(result.paths[f'class_{date}.tif']) as raster:
            assert (raster.read(1) == classes).mean() > 0.999
