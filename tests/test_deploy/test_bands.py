"""Networks of four and thirteen bands: checkpoints, exports and scenes."""

import dataclasses
import json

import numpy as np
import pytest
import torch
from mmengine.registry import DefaultScope

from schanger_mm.apis import ChangeDetector, load_config
from schanger_mm.config.loading import ConfigError
from schanger_mm.deploy import DeployError, read_card
from schanger_mm.deploy import export as module
from schanger_mm.deploy.card import Card
from schanger_mm.deploy.export import export
from schanger_mm.deploy.exported import ExportedModel
from schanger_mm.deploy.exported_detector import ExportedDetector, use_exported
from schanger_mm.deploy.model import SceneModel
from schanger_mm.geo.errors import SceneError
from schanger_mm.registry import MODELS, SCOPE
from schanger_mm.scene.serial import predict_arrays

READING = {4: dict(), 13: dict(bands=(13, *range(1, 13)), scale='0:3000')}


def config(root, bands, loading=None):
    """The demo's network for so many bands, with statistics that differ for each band and date."""
    cfg = load_config(root / 'configs/schanger/demo.py')
    cfg.model.backbone.in_channels = bands
    cfg.data_preprocessor.update(mean=[60. + 5 * index for index in range(2 * bands)],
                                 std=[40. + index for index in range(2 * bands)], bgr_to_rgb=bands == 3)
    for name in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
        cfg[name].dataset.pipeline[0].update(loading or {})
        cfg[name].dataset.data_root = 'none'
    return cfg


def save(cfg, path):
    with DefaultScope.overwrite_default_scope(SCOPE):
        torch.manual_seed(0)
        network = MODELS.build(dict(cfg.model, data_preprocessor=cfg.data_preprocessor)).eval()
    network.decode_head.conv_seg.weight.data.mul_(20)  # or all probabilities lie near a half
    with torch.no_grad():
        network.decode_head.conv_seg.bias -= network(torch.randn(1, len(cfg.data_preprocessor.mean), 64, 64)).median()
    torch.save(dict(meta=dict(cfg=cfg.pretty_text), state_dict=network.state_dict()), path)
    return str(path)


@pytest.fixture(scope='module')
def checkpoint(root, tmp_path_factory):
    """Return a function that gives the checkpoint for a number of bands."""
    folder = tmp_path_factory.mktemp('bands')
    made = {}

    def of(bands):
        if bands not in made:
            made[bands] = save(config(root, bands, READING[bands]), folder / f'{bands}.pth')
        return made[bands]
    return of


def by_hand(model, images):
    """Predict ``(N, 2, C, h, w)`` with the network itself, on channels in the order of the files."""
    batch = torch.from_numpy(images).flatten(1, 2)
    mean, std = (getattr(model.network.data_preprocessor, name)[None] for name in ('mean', 'std'))
    with torch.no_grad():
        return model.network.encode_decode((batch - mean) / std, [{}] * len(batch)).sigmoid()[:, 0].numpy()


@pytest.mark.parametrize('bands', [4, 13])
def test_a_checkpoint_predicts_bands_in_the_order_of_the_training(checkpoint, bands):
    model = SceneModel.load(checkpoint(bands))
    images = 255 * np.random.default_rng(0).random((2, 2, bands, 64, 48), np.float32)
    found = model.predict(images)
    assert model.bands == bands and found.std() > 0.05
    np.testing.assert_allclose(found, by_hand(model, images), atol=1e-5)
    swapped = images.copy()
    swapped[:, :, [0, 1]] = images[:, :, [1, 0]]
    assert np.abs(model.predict(swapped) - found).max() > 0.05
    assert len(model.describe()['mean']) == 2 * bands


def test_a_config_says_how_its_images_were_read(checkpoint):
    plain, scaled = (SceneModel.load(checkpoint(bands)) for bands in (4, 13))
    assert plain.reading.describe() == {} and 'scale' not in plain.describe()
    assert scaled.reading.describe() == dict(bands=[13, *range(1, 13)], scale='0:3000')
    assert scaled.describe()['scale'] == '0:3000'


@pytest.mark.parametrize(('loading', 'message'), [
    (dict(scale='p2:p98'), 'scale = p2:p98; expected MIN:MAX'),
    (dict(bands=(0, 1, 2, 3)), 'bands = .*; expected numbers'),
    (dict(bands=(1, 2, 3)), 'takes 3 bands, and its data_preprocessor has means of 4')])
def test_a_loading_transform_that_cannot_be_is_refused(root, tmp_path, loading, message):
    path = save(config(root, 4, loading), tmp_path / 'a.pth')
    with pytest.raises(SceneError, match=message):
        SceneModel.load(path)


def test_statistics_of_another_number_of_bands_are_refused(root, checkpoint):
    cfg = config(root, 4)
    cfg.data_preprocessor.update(mean=[0.] * 6, std=[1.] * 6)
    with pytest.raises(SceneError, match=r'own\.py: its data_preprocessor has 6 means; expected 8 \(4 bands of'):
        SceneModel(cfg, checkpoint(4), 'own.py')


@pytest.fixture(scope='module')
def exported(root, checkpoint, needs, tmp_path_factory):
    """Return a function that exports a checkpoint: four bands as a program and for OpenVINO, thirteen as ONNX."""
    folder, trace = tmp_path_factory.mktemp('exports'), module.trace

    def of(bands):
        formats = dict(program='.pt2', openvino='.xml') if bands == 4 else dict(onnx='.onnx')
        files, programs = [folder / f'{bands}{suffix}' for suffix in formats.values()], []
        if not files[-1].exists():
            with pytest.MonkeyPatch.context() as patch, DefaultScope.overwrite_default_scope(SCOPE):
                patch.setattr(module, 'trace', lambda graph: programs[0] if programs else programs.append(
                    trace(graph)) or programs[0])
                cfg = config(root, bands, READING[bands])
                cfg.test_dataloader = None
                for format, file in zip(formats, files):
                    needs(format)
                    words = export(cfg, 'own.py', checkpoint(bands), file, format)
                    assert words.count('random pair,') == 3  # which export() compares with PyTorch
        return list(map(str, files))
    return of


@pytest.mark.parametrize('bands', [4, pytest.param(13, marks=pytest.mark.long)])
def test_an_export_equals_pytorch(checkpoint, exported, bands):
    for path in exported(bands):
        card = read_card(path)
        assert (card.count, card.scale, card.bands) == (
            bands, READING[bands].get('scale'), READING[bands].get('bands', ()))
        assert card.mean[1] == tuple(60. + 5 * index for index in range(bands, 2 * bands))
    images = 255 * np.random.default_rng(0).random((1, 2, bands, 40, 56), np.float32)
    model, expected = ExportedModel(path), SceneModel.load(checkpoint(bands))
    assert model.bands == bands and model.reading == expected.reading
    np.testing.assert_allclose(model.predict(images), expected.predict(images), atol=1e-4)
    with pytest.raises(DeployError, match=rf'before: expected \(N, {bands}, H, W\)'):
        model.predict(images[:, :, :3])


def test_an_export_of_four_bands_is_scored_as_its_checkpoint(exported):
    detector = ExportedDetector(exported(4)[-1])
    image = torch.from_numpy(255 * np.random.default_rng(0).random((8, 32, 32), np.float32))
    inputs = detector.data_preprocessor(dict(inputs=[image]))['inputs']
    torch.testing.assert_close(inputs[0], image)  # neither turned nor normalised: the file does that
    logits = detector.encode_decode(inputs, [{}])
    expected = detector.runtime(image[None, :4], image[None, 4:])
    np.testing.assert_allclose(logits.sigmoid()[:, 0].numpy(), expected, atol=1e-6)


def test_an_export_is_scored_on_values_like_those_of_its_training(root, card, make_onnx, tmp_path):
    four = dataclasses.replace(card, mean=((0.0, ) * 4, ) * 2, std=((1.0, ) * 4, ) * 2, scale='0:3000')
    file = str(make_onnx(tmp_path / 'four.onnx', text=four.dumps()))
    use_exported(cfg := config(root, 4, dict(scale='0:3000')), file)
    assert cfg.model.type == 'ExportedDetector'
    with pytest.raises(ConfigError, match=r"trained with scale='0:3000', .* has scale=None; set the former"):
        use_exported(config(root, 4), file)
    with pytest.raises(SceneError, match='takes 3 bands, and its data_preprocessor has means of 4'):
        use_exported(config(root, 4, dict(bands=(1, 2, 3), scale='0:3000')), file)
    plain = str(make_onnx(tmp_path / 'plain.onnx'))
    with pytest.raises(ConfigError, match="trained with scale=None, .* has scale='0:3000'"):
        use_exported(config(root, 3, dict(scale='0:3000')), plain)
    with pytest.raises(ConfigError, match=r'trained with bands=None, .* has bands=\[4, 3, 2, 1\]'):
        use_exported(config(root, 4, dict(bands=(4, 3, 2, 1), scale='0:3000')), file)


def test_a_card_has_scale_and_bands_only_where_they_are_set(card):
    assert not {'scale', 'bands'} & json.loads(card.dumps()).keys()
    four = dataclasses.replace(card, mean=((0.0, ) * 4, ) * 2, std=((1.0, ) * 4, ) * 2, scale='0:3000',
                               bands=(4, 3, 2, 8))
    assert Card.loads(four.dumps(), 'a.onnx') == four and four.count == 4


@pytest.mark.parametrize(('changes', 'message'), [
    (dict(std=((1.0, ) * 3, ) * 2), 'std has 3 numbers, expected 4'), (dict(bands=(1, 2, 3)), 'bands has 3 numbers'),
    (dict(mean=((0.0, ) * 4, (0.0, ) * 3)), 'mean has 3 numbers'),
    (dict(mean=((), ())), 'mean is .*expected one number'),
    (dict(scale='p2:p98'), 'scale is p2:p98, expected MIN:MAX'), (dict(bands=(0, 1, 2, 3)), 'bands is .*from 1 up')])
def test_a_card_of_numbers_that_do_not_fit_is_refused(card, changes, message):
    four = dataclasses.replace(card, mean=((0.0, ) * 4, ) * 2, std=((1.0, ) * 4, ) * 2)
    with pytest.raises(DeployError, match=rf'a\.onnx: .*{message}'):
        Card.loads(dataclasses.replace(four, **changes).dumps(), 'a.onnx')


def test_a_scene_is_what_the_network_predicts_of_its_bands(checkpoint, write_raster, tmp_path, capsys):
    rasterio = pytest.importorskip('rasterio')
    rng = np.random.default_rng(0)
    values = rng.integers(1, 3000, (2, 14, 64, 64)).astype(np.uint16)
    paths = [write_raster(name, date) for name, date in zip(('a.tif', 'b.tif'), values)]
    detector = ChangeDetector(checkpoint(13))
    result = detector.predict(*paths, tmp_path / 'out', window=64, overlap=0)
    order = [12, *range(12)]
    images = values[:, order].astype(np.float32) * np.float32(255 / 3000)
    expected = by_hand(detector.model, images[None])[0]
    with rasterio.open(result.paths['probability.tif']) as raster:
        found = raster.read(1)
    np.testing.assert_allclose(found / 254, expected, atol=0.005)
    settings = result.summary['settings']
    assert settings['bands'] == [13, *range(1, 13)] and settings['scaling'] == '0:3000'
    said = ['bands as in the training: --bands 13,1,2,3,4,5,6,7,8,9,10,11,12',
            'values as in the training: --scale 0:3000']
    assert settings['as_trained'] == said
    assert capsys.readouterr().err.splitlines()[:2] == said
    other = detector.predict(*paths, tmp_path / 'other', window=64, overlap=0, scale='0:3000',
                             bands='2,1,3,4,5,6,7,8,9,10,11,12,13', page=False)
    with rasterio.open(other.paths['probability.tif']) as raster:
        assert np.abs(raster.read(1).astype(int) - found).max() > 10
    assert 'as_trained' not in other.summary['settings']


def test_a_scene_of_an_export_is_that_of_its_checkpoint(checkpoint, exported, write_raster, noise, tmp_path):
    rasterio = pytest.importorskip('rasterio')
    paths = [write_raster(name, noise(bands=4, seed=seed)) for seed, name in enumerate(('a.tif', 'b.tif'))]
    found = []
    for number, model in enumerate((checkpoint(4), exported(4)[-1])):
        detector = ChangeDetector(model)
        with pytest.raises(SceneError, match='--ignore-alpha'):
            detector.predict(*paths, tmp_path / str(number))
        result = detector.predict(*paths, tmp_path / str(number), ignore_alpha=True, page=False, window=64, overlap=0)
        with rasterio.open(result.paths['probability.tif']) as raster:
            found.append(raster.read(1).astype(int))
    assert found[0].std() > 10
    np.testing.assert_allclose(found[0], found[1], atol=1)


def test_arrays_have_the_bands_of_the_network(checkpoint):
    four, thirteen = (SceneModel.load(checkpoint(bands)) for bands in (4, 13))
    pair = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 4), np.uint8)
    expected = by_hand(four, pair.transpose(0, 3, 1, 2)[None].astype(np.float32))[0]
    np.testing.assert_allclose(predict_arrays(*pair, four, 64, 0), expected, atol=1e-5)
    with pytest.raises(SceneError, match=r'before: expected a \(H, W, 4\) uint8 array, found \(64, 64, 3\) uint8'):
        predict_arrays(*pair[..., :3], four)
    scaled = 255 * np.random.default_rng(0).random((2, 64, 64, 13), np.float32)
    expected = by_hand(thirteen, scaled.transpose(0, 3, 1, 2)[None])[0]
    np.testing.assert_allclose(predict_arrays(*scaled, thirteen, 64, 0), expected, atol=1e-5)
