"""A change network that gets its classes from a network for single images."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
import rasterio
import torch
from mmengine.registry import DefaultScope

from schanger_mm import apis
from schanger_mm.checkpoints import read_checkpoint
from schanger_mm.deploy.load import load_model
from schanger_mm.deploy.single_date import SingleDateModel, WithClasses
from schanger_mm.geo.errors import SceneError
from schanger_mm.registry import MODELS, SCOPE
from schanger_mm.utils.errors import SettingError

SMALL = dict(window=64, overlap=32, block=128, page=False)


def save(root, path, name, changes=None, meta=None, scale=20, bands=3):
    """Write random weights of a config of the demo that predict both classes, with the config and ``meta``."""
    cfg = apis.load_config(root / f'configs/{name}.py')
    cfg.merge_from_dict(changes or {})
    dates = cfg.model.get('num_dates', 2)
    if bands != 3:
        cfg.model.backbone.in_channels = bands
        cfg.data_preprocessor.update(mean=[100. + index for index in range(dates * bands)],
                                     std=[50. + index for index in range(dates * bands)], bgr_to_rgb=False)
    torch.manual_seed(0)
    with DefaultScope.overwrite_default_scope(SCOPE):
        network = MODELS.build(dict(cfg.model, data_preprocessor=cfg.data_preprocessor)).eval()
    with torch.no_grad():
        network.decode_head.conv_seg.weight.mul_(scale)
        logits = network.encode_decode(torch.randn(1, dates * bands, 64, 64), [dict(img_shape=(64, 64))])
        network.decode_head.conv_seg.bias -= logits[:, :network.out_channels].flatten(2).median(dim=2).values[0]
    torch.save(dict(state_dict=network.state_dict(), meta=dict(cfg=cfg.pretty_text, **(meta or {}))), path)
    return str(path)


@pytest.fixture(scope='module')
def change(root, tmp_path_factory):
    return save(root, tmp_path_factory.mktemp('change') / 'change.pth', 'schanger/demo')


@pytest.fixture(scope='module')
def single(root, tmp_path_factory):
    return save(root, tmp_path_factory.mktemp('single') / 'single.pth', 'schanger/pretrain_demo')


@pytest.fixture
def pair(write_raster, noise):
    return [write_raster(f'{name}.tif', noise(130, 150, seed=seed)) for name, seed in (('a', 1), ('b', 2))]


def read(path):
    with rasterio.open(path) as raster:
        return raster.read(1)


def test_both_networks_answer_as_one(change, single):
    images = 255 * np.random.default_rng(0).random((2, 2, 3, 64, 64), np.float32)
    model = load_model(change, device='cpu', semantic=(single, None))
    assert isinstance(model, WithClasses) and model.class_names == ('other', 'building')
    found = model.semantic(images)
    np.testing.assert_array_equal(found.probability, load_model(change, device='cpu').predict(images))
    plain = SingleDateModel.load(single)
    for date, classes in enumerate((found.before, found.after)):
        assert classes.shape == (2, 2, 64, 64) and 0.02 < classes.argmax(axis=1).mean() < 0.98
        np.testing.assert_array_equal(classes, plain.predict(images[:, date]))
        np.testing.assert_allclose(classes.sum(axis=1), 1, atol=1e-6)
    assert model.describe()['semantic']['weights_sha256'] == plain.sha256 != model.sha256
    assert model.describe()['semantic']['mean'] == [115.0] * 3 and plain.describe()['bgr_to_rgb'] is True


def test_a_single_image_is_predicted_as_training_sees_it(root, single):
    cfg = apis.load_config(root / 'configs/schanger/pretrain_demo.py')
    with DefaultScope.overwrite_default_scope(SCOPE):
        network = MODELS.build(dict(cfg.model, data_preprocessor=cfg.data_preprocessor)).eval()
    network.load_state_dict(read_checkpoint(single).weights)
    image = np.random.default_rng(0).integers(0, 256, (3, 48, 64)).astype(np.float32)
    normalised = torch.from_numpy((image - 115) / 50)[None]  # R, G, B, as the preprocessor makes them
    with torch.no_grad():
        expected = network.encode_decode(normalised, [dict(img_shape=(48, 64))]).sigmoid()[0, 0]
    np.testing.assert_allclose(SingleDateModel.load(single).predict(image[None])[0, 1], expected, atol=1e-5)


def test_names_come_from_the_checkpoint_and_the_threshold_of_the_head_decides(root, tmp_path):
    meta = dict(dataset_meta=dict(classes=('ground', 'water')))
    path = save(root, tmp_path / 'water.pth', 'schanger/pretrain_demo', {'model.decode_head.threshold': 0.3}, meta)
    half = save(root, tmp_path / 'half.pth', 'schanger/pretrain_demo')
    image = 255 * np.random.default_rng(0).random((1, 3, 64, 64), np.float32)
    model = SingleDateModel.load(path)
    assert model.class_names == ('ground', 'water')
    share = SingleDateModel.load(half).predict(image)[:, 1]
    np.testing.assert_array_equal(model.predict(image).argmax(axis=1), share > 0.3)


def test_a_segmentor_of_mmsegmentation_gives_classes(tmp_path, root):
    cfg = apis.load_config(root / 'configs/schanger/pretrain_demo.py')
    head = dict(type='mmseg.FCNHead', in_channels=64, in_index=0, channels=8, num_convs=1, num_classes=3,
                norm_cfg=dict(type='BN'), align_corners=False, loss_decode=dict(type='mmseg.CrossEntropyLoss'))
    cfg.model = dict(type='mmseg.EncoderDecoder', backbone=dict(type='mmseg.ResNet', depth=18), decode_head=head,
                     test_cfg=dict(mode='whole'), train_cfg=dict())
    with DefaultScope.overwrite_default_scope(SCOPE):
        network = MODELS.build(dict(cfg.model, data_preprocessor=cfg.data_preprocessor))
    torch.save(dict(state_dict=network.state_dict(), meta=dict(cfg=cfg.pretty_text)), tmp_path / 'fcn.pth')
    model = SingleDateModel.load(str(tmp_path / 'fcn.pth'))
    assert model.class_names == ('class 0', 'class 1', 'class 2')
    assert model.predict(np.zeros((1, 3, 32, 48), np.float32)).shape == (1, 3, 32, 48)


def test_what_is_not_for_single_images_is_refused(change, single, own_semantic, tmp_path):
    with pytest.raises(SceneError, match='its network compares two dates; expected a segmentation network for single'):
        load_model(change, device='cpu', semantic=(change, None))
    with pytest.raises(SettingError, match=r'--semantic .*single.pth: .*own.pth predicts classes itself \(class 0, '
                       r'class 1\); omit --semantic'):
        load_model(own_semantic, device='cpu', semantic=(single, None))
    with pytest.raises(SettingError, match='--semantic net.onnx: exports compare two dates'):
        load_model(change, device='cpu', semantic=('net.onnx', None))
    with pytest.raises(SettingError, match='--semantic-weights x.pth: expected --semantic CONFIG'):
        apis.ChangeDetector(change, device='cpu', semantic_weights='x.pth')
    with pytest.raises(SceneError, match=f'no model {tmp_path}/none.pth'):
        load_model(change, device='cpu', semantic=(f'{tmp_path}/none.pth', None))


@pytest.fixture(scope='module')
def own_semantic(root, tmp_path_factory):
    return save(root, tmp_path_factory.mktemp('semantic') / 'own.pth', 'semantic/semantic_demo')


def test_a_scene_gets_class_rasters_kinds_style_and_page(change, single, pair, tmp_path):
    detector = apis.ChangeDetector(change, device='cpu', semantic=single)
    result = detector.predict(*pair, tmp_path / 'out', **{**SMALL, 'page': True})
    plain = apis.ChangeDetector(change, device='cpu').predict(*pair, tmp_path / 'plain', **SMALL)
    assert sorted(result.paths) == ['change.gpkg', 'change.qml', 'change.tif', 'class_after.tif', 'class_before.tif',
                                    'probability.tif', 'report.html', 'summary.json']
    assert sorted(plain.paths) == ['change.gpkg', 'change.tif', 'probability.tif', 'summary.json']
    for name in ('change.tif', 'probability.tif'):
        np.testing.assert_array_equal(read(result.paths[name]), read(plain.paths[name]))
    before, after = (read(result.paths[f'class_{date}.tif']) for date in ('before', 'after'))
    assert set(np.unique(before)) == set(np.unique(after)) == {0, 1} and (before != after).any()
    with rasterio.open(result.paths['class_after.tif']) as raster:
        assert raster.nodata == 255 and raster.colormap(1)[1][:3] == (214, 96, 77)
        assert raster.tags(1)['CLASS_1'] == 'building'
        assert raster.tags()['schanger_mm_semantic_sha256'] == detector.model.semantic_sha256
        assert raster.descriptions == ('class: 0 other; 1 building; 255: no data', )
    changed = read(result.paths['change.tif']) == 1
    table = {(one['from'], one['to']): one['pixels'] for one in result.summary['classes']['from_to']}
    for i, one in enumerate(('other', 'building')):
        for j, other in enumerate(('other', 'building')):
            assert table.get((one, other), 0) == (changed & (before == i) & (after == j)).sum()
    array = detector.predict_array(*(np.moveaxis(rasterio.open(path).read(), 0, -1) for path in pair), window=64,
                                   overlap=32)
    np.testing.assert_array_equal(array.before, before)
    kinds = result.summary['polygons']['kinds']
    assert sum(one['polygons'] for one in kinds.values()) == result.summary['polygons']['polygons']
    assert 'kinds' not in plain.summary['polygons'] and 'classes' not in plain.summary


def test_a_run_is_not_resumed_with_another_network_for_the_classes(root, change, single, pair, tmp_path):
    from schanger_mm.scene.run_folder import Journal
    other = save(root, tmp_path / 'other.pth', 'schanger/pretrain_demo', scale=10)
    store = Journal.store

    def stop(journal, index, block):
        store(journal, index, block)
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Journal, 'store', stop)
        apis.ChangeDetector(change, device='cpu', semantic=single).predict(*pair, tmp_path / 'out', **SMALL)
    for semantic, words in ((other, 'model.semantic.weights_sha256 was'), (None, 'model.semantic was .*, now None')):
        with pytest.raises(SceneError, match=f'other inputs or settings: .*{words}'):
            apis.ChangeDetector(change, device='cpu', semantic=semantic).predict(
                *pair, tmp_path / 'out', resume=True, **SMALL)
    detector = apis.ChangeDetector(change, device='cpu', semantic=single)
    resumed = detector.predict(*pair, tmp_path / 'out', resume=True, **SMALL)
    whole = detector.predict(*pair, tmp_path / 'whole', **SMALL)
    assert resumed.summary['speed']['resumed_blocks'] >= 1
    for name in ('change.tif', 'class_before.tif', 'class_after.tif'):
        assert open(resumed.paths[name], 'rb').read() == open(whole.paths[name], 'rb').read()
    with pytest.raises(SceneError, match='settings.kinds_of was building, now other'):
        detector.predict(*pair, tmp_path / 'whole', resume=True, kinds_of='other', **SMALL)


def test_kinds_of_a_class_that_is_not_there(change, single, pair, tmp_path):
    with pytest.raises(SceneError, match='--kinds-of road: expected one of the classes other, building'):
        apis.ChangeDetector(change, device='cpu', semantic=single).predict(*pair, tmp_path / 'out', kinds_of='road')
    with pytest.raises(SceneError, match=r'--kinds-of building: .*change.pth predicts change only; name .* --semantic'):
        apis.ChangeDetector(change, device='cpu').predict(*pair, tmp_path / 'out', kinds_of='building')
    assert not (tmp_path / 'out').exists()


def test_another_process_predicts_the_same_classes(change, single, pair, tmp_path):
    from schanger_mm.geo.pair import PairSpec
    from schanger_mm.scene.plan import Settings
    from schanger_mm.scene.run import predict_scene

    def run(blocks, task):
        assert task.semantic == (single, None)
        return ((block, task(block)) for block in blocks)

    model = load_model(change, device='cpu', semantic=(single, None))
    here = predict_scene(PairSpec(*pair), model, tmp_path / 'here', Settings(**SMALL))
    there = predict_scene(PairSpec(*pair), model, tmp_path / 'there', Settings(**SMALL), run)
    for name in ('change.tif', 'class_before.tif', 'class_after.tif'):
        assert open(here['outputs'][name], 'rb').read() == open(there['outputs'][name], 'rb').read()


def test_a_network_with_classes_of_its_own_writes_them_too(own_semantic, pair, tmp_path):
    result = apis.ChangeDetector(own_semantic, device='cpu').predict(*pair, tmp_path / 'out', **SMALL)
    assert result.summary['classes']['names'] == ['class 0', 'class 1']
    assert result.summary['model']['semantic_classes'] == ['class 0', 'class 1']
    assert json.loads(open(result.paths['summary.json']).read())['classes']['kinds_of'] is None
    assert {'class_before.tif', 'class_after.tif'} <= set(result.paths)


def test_both_networks_take_the_same_number_of_bands(root, single, tmp_path):
    change = save(root, tmp_path / 'change.pth', 'schanger/demo', bands=4)
    with pytest.raises(SettingError, match=r'--semantic .*: its network takes 3 bands, and that of .* 4; expected'):
        load_model(change, device='cpu', semantic=(single, None))


def test_only_three_bands_are_turned(single):
    model = SingleDateModel.load(single)
    model.network = SimpleNamespace(
        data_preprocessor=lambda data, training: dict(inputs=torch.stack(data['inputs'])),
        encode_decode=lambda inputs, metas: inputs[:, :1])  # the first band in memory
    for bands, first in ((3, 2), (4, 0)):
        images = np.random.default_rng(0).random((2, bands, 8, 8), np.float32)
        expected = 1 / (1 + np.exp(-images[:, first] + model._offset))
        np.testing.assert_allclose(model.predict(images)[:, 1], expected, rtol=1e-5)


def test_networks_of_values_of_different_scales_are_warned_about(root, single, tmp_path):
    scaled = {'test_dataloader.dataset.pipeline.0.scale': '0:3000'}
    change = save(root, tmp_path / 'change.pth', 'schanger/demo', changes=scaled)
    warnings = load_model(change, device='cpu', semantic=(single, None)).warnings
    assert len(warnings) == 1 and 'different scales (0:3000 and none)' in warnings[0]


def test_networks_of_four_bands_give_kinds(root, tmp_path):
    change = save(root, tmp_path / 'change.pth', 'schanger/demo', bands=4)
    single = save(root, tmp_path / 'single.pth', 'schanger/pretrain_demo',
                  {'data_preprocessor.type': 'BandsPreProcessor'}, bands=4)
    both = apis.ChangeDetector(change, device='cpu', semantic=single).model
    images = 255 * np.random.default_rng(0).random((1, 2, 4, 64, 64), np.float32)
    found = both.semantic(images)
    assert found.before.shape == (1, 2, 64, 64)
    np.testing.assert_allclose(found.after, both.single.predict(images[:, 1]), atol=1e-6)
    assert not np.allclose(found.after, both.single.predict(images[:, 1, [1, 0, 2, 3]]), atol=1e-4)
