"""Pairs of files and arrays for networks of four bands."""

import copy

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import DefaultScope
from PIL import Image

from schanger_mm.apis import ChangeInferencer, load_config
from schanger_mm.apis.inputs import InputError
from schanger_mm.datasets import DatasetError
from schanger_mm.datasets.transforms import LoadBiTemporalImages
from schanger_mm.deploy.export import export
from schanger_mm.deploy.labelled_tiles import read_halves
from schanger_mm.deploy.model import SceneModel
from schanger_mm.registry import MODELS, SCOPE

LOADING = dict(bands=(4, 3, 2, 1), scale='0:3000')


@pytest.fixture(scope='module')
def cfg(root):
    cfg = load_config(root / 'configs/schanger/demo.py')
    cfg.model.backbone.in_channels = 4
    cfg.data_preprocessor.update(mean=[100. + 5 * index for index in range(8)],
                                 std=[50. + index for index in range(8)], bgr_to_rgb=False)
    cfg.test_dataloader.dataset.pipeline[0].update(LOADING)
    return cfg


@pytest.fixture(scope='module')
def checkpoint(cfg, tmp_path_factory):
    path = tmp_path_factory.mktemp('weights') / 'four.pth'
    with DefaultScope.overwrite_default_scope(SCOPE):
        torch.manual_seed(0)
        network = MODELS.build(dict(cfg.model, data_preprocessor=cfg.data_preprocessor)).eval()
    network.decode_head.conv_seg.weight.data.mul_(20)  # or all probabilities lie near a half
    torch.save(dict(meta=dict(cfg=cfg.pretty_text), state_dict=network.state_dict()), path)
    return str(path)


@pytest.fixture
def pair(write_raster):
    values = np.random.default_rng(0).integers(1, 3000, (2, 4, 64, 48)).astype(np.uint16)
    return [write_raster(f'{date}/one.tif', one) for date, one in zip('AB', values)], values


def in_memory(values):
    """As the network gets it: bands as named, 0..255."""
    return (values[:, ::-1] * np.float32(255 / 3000)).astype(np.float32)


def test_tiles_are_read_as_in_the_training(checkpoint, pair, tmp_path):
    paths, values = pair
    found = ChangeInferencer(checkpoint, device='cpu')(*paths, return_vis=True, out_dir=tmp_path / 'out')
    expected = SceneModel.load(checkpoint).predict(in_memory(values)[None])[0]
    assert expected.std() > 0.01
    np.testing.assert_allclose(found['probabilities'][0], expected, atol=1e-5)
    picture = found['visualization'][0]
    assert picture.shape == (64, 48, 3) and picture.dtype == np.uint8 and 60 < picture.mean() < 200
    assert np.array(Image.open(tmp_path / 'out/vis/one.png')).shape == (64, 48, 3)


def test_arrays_have_four_bands_in_the_order_of_the_training(checkpoint):
    arrays = np.random.default_rng(0).integers(0, 256, (2, 64, 48, 4), np.uint8)
    inferencer = ChangeInferencer(checkpoint, device='cpu')
    expected = SceneModel.load(checkpoint).predict(arrays.transpose(0, 3, 1, 2)[None].astype(np.float32))[0]
    np.testing.assert_allclose(inferencer(*arrays)['probabilities'][0], expected, atol=1e-5)
    with pytest.raises(InputError, match=r'before of 00000000: expected a path or a \(H, W, 4\) uint8 array, found'):
        inferencer(*arrays[..., :3])


def test_files_that_are_no_rasters_are_named(checkpoint, pair, tmp_path):
    (tmp_path / 'text.tif').write_text('hello')
    with pytest.raises(DatasetError, match=r'text\.tif: '):
        ChangeInferencer(checkpoint, device='cpu')(pair[0][0], tmp_path / 'text.tif')


def test_images_of_a_file_per_band_are_named_by_the_first(cfg, checkpoint, pair, tmp_path, write_raster):
    _, values = pair
    other = cfg.copy()
    other.test_dataloader.dataset.pipeline[0] = dict(
        type='LoadBiTemporalImages', files=('_4.tif', '_3.tif', '_2.tif', '_1.tif'), scale='0:3000')
    content = torch.load(checkpoint, weights_only=True)
    torch.save(dict(content, meta=dict(cfg=other.pretty_text)), tmp_path / 'files.pth')
    for date, one in zip('AB', values):
        for band in range(4):
            write_raster(f'{date}_{band + 1}.tif', one[band:band + 1])
    found = ChangeInferencer(str(tmp_path / 'files.pth'), device='cpu')(tmp_path / 'A_4.tif', tmp_path / 'B_4.tif')
    expected = SceneModel.load(checkpoint).predict(in_memory(values)[None])[0]
    np.testing.assert_allclose(found['probabilities'][0], expected, atol=1e-5)


def test_an_export_is_compared_on_tiles_too(cfg, checkpoint, pair, tmp_path):
    own = cfg.copy()
    own.test_dataloader = None
    own.val_dataloader.dataset.pipeline[0].update(LOADING)
    said = export(own, 'own.py', checkpoint, tmp_path / 'four.pt2', 'program', pairs=[pair[0]])
    assert 'one.tif and ' in said and 'only random pairs' not in said


def test_labelled_tiles_have_the_bands_of_the_training(pair, tmp_path, write_raster):
    _, values = pair
    for name in ('one', 'two'):
        for date, one in zip('AB', values):
            write_raster(f'set/{date}/{name}.tif', one)
        (tmp_path / 'set/label').mkdir(exist_ok=True)
        Image.fromarray(np.full((64, 48), 255, np.uint8)).save(tmp_path / f'set/label/{name}.png')
    tiles, held_back = read_halves(tmp_path / 'set', 64, LoadBiTemporalImages(**LOADING))
    assert len(tiles) == len(held_back) == 1
    np.testing.assert_allclose(tiles[0].after[0], in_memory(values)[1], rtol=1e-5)


@pytest.fixture
def own(checkpoint):
    """The config in the checkpoint."""
    return Config.fromstring(torch.load(checkpoint)['meta']['cfg'], '.py')


def test_another_config_that_reads_other_values_is_a_warning(own, checkpoint, tmp_path):
    other = copy.deepcopy(own)
    other.test_dataloader.dataset.pipeline[0].update(scale='0:10000')
    (tmp_path / 'other.py').write_text(other.pretty_text)
    warnings = SceneModel.load(str(tmp_path / 'other.py'), checkpoint).warnings
    assert len(warnings) == 1 and 'trained with 0:3000' in warnings[0]
    assert 'other.py loads images with scale=0:10000' in warnings[0]
    (tmp_path / 'same.py').write_text(own.pretty_text)
    assert SceneModel.load(str(tmp_path / 'same.py'), checkpoint).warnings == []


def test_pictures_show_the_bands_that_the_config_names(own, checkpoint, pair, tmp_path):
    own.visualizer.bands = [4, 1, 2]
    (tmp_path / 'shown.py').write_text(own.pretty_text)
    pictures = [ChangeInferencer(*model, device='cpu')(*pair[0], return_vis=True)['visualization'][0]
                for model in ((checkpoint, ), (tmp_path / 'shown.py', checkpoint))]
    assert (pictures[0] != pictures[1]).any()
