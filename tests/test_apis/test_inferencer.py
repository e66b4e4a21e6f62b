"""Pairs of images to change maps, from a checkpoint alone."""

import shutil

import numpy as np
import pytest
import torch
from PIL import Image

from schanger_mm import apis
from schanger_mm.apis import ChangeInferencer
from schanger_mm.apis.inputs import InputError
from schanger_mm.checkpoints.publish import publish
from schanger_mm.geo.errors import SceneError
from schanger_mm.utils.errors import DivergedError

NAMES = ['0000', '0001', '0002']
CLASSES, PALETTE = ('same', 'built'), [[0, 0, 0], [255, 0, 10]]


@pytest.fixture(scope='module')
def saved(save_demo_network, tmp_path_factory):
    """Return a function that saves a network, with its config, under a name."""
    folder = tmp_path_factory.mktemp('weights')
    return lambda name, *args, **meta: save_demo_network(folder / name, *args, **meta)


@pytest.fixture(scope='module')
def checkpoint(saved):
    return saved('best.pth', dataset_meta=dict(classes=CLASSES, palette=PALETTE))


@pytest.fixture(scope='module')
def inferencer(checkpoint):
    return ChangeInferencer(checkpoint, device='cpu')


@pytest.fixture(scope='module')
def images(demo_set):
    """Both dates as RGB arrays."""
    return [[np.array(Image.open(demo_set / f'test/{date}/{name}.png')) for name in NAMES] for date in 'AB']


def test_predictions_are_those_of_the_test_tool(root, demo_set, checkpoint, inferencer, tmp_path):
    cfg = apis.load_config(root / 'configs/schanger/demo.py')
    apis.prepare(cfg, 'demo.py', str(tmp_path / 'work'))
    cfg.test_dataloader.update(num_workers=0, persistent_workers=False)
    cfg.test_dataloader.dataset.update(data_root=str(demo_set), type='LEVIRCDDataset')
    apis.test_only(cfg, str(checkpoint))
    apis.evaluate(cfg, str(tmp_path / 'tested'))
    found = inferencer(demo_set / 'test/A', demo_set / 'test/B', out_dir=tmp_path / 'out')
    assert found['names'] == NAMES
    for name, mask in zip(NAMES, found['predictions']):
        tested = np.array(Image.open(tmp_path / f'tested/predictions/{name}.png'))
        assert 0.05 < (tested == 255).mean() < 0.95
        np.testing.assert_array_equal(mask * 255, tested)
        np.testing.assert_array_equal(np.array(Image.open(tmp_path / f'out/pred/{name}.png')), tested)
    assert sorted(p.relative_to(tmp_path / 'out').as_posix() for p in (tmp_path / 'out').rglob('*.png')) == [
        f'{folder}/{name}.png' for folder in ('pred', 'vis') for name in NAMES]


@pytest.mark.parametrize('batch_size', [2, 3, 100])
def test_the_batch_size_changes_nothing_but_rounding(demo_set, inferencer, images, batch_size):
    one = inferencer(demo_set / 'test/A', demo_set / 'test/B')
    more = inferencer(demo_set / 'test/A', demo_set / 'test/B', batch_size=batch_size)
    arrays = inferencer(*images, batch_size=batch_size, names=NAMES)
    flipped = inferencer(*([image[..., ::-1] for image in date] for date in images), channel_order='bgr')
    for expected, *others in zip(*(found['probabilities'] for found in (one, more, arrays, flipped))):
        for other in others:
            np.testing.assert_allclose(other, expected, atol=1e-5)
    assert arrays['names'] == NAMES and flipped['names'] == ['00000000', '00000001', '00000002']
    swapped = inferencer(images[0][0][..., ::-1], images[1][0][..., ::-1])
    assert np.abs(swapped['probabilities'][0] - one['probabilities'][0]).max() > 1e-3


def test_pairs_of_several_sizes_keep_their_order(inferencer, images):
    a, b = images[0][0], images[1][0]
    sizes = [(64, 64), (64, 64), (40, 33), (64, 64), (40, 33)]
    found = inferencer(*([image[:h, :w] for h, w in sizes] for image in (a, b)), batch_size=4)
    assert [mask.shape for mask in found['predictions']] == sizes
    alone = inferencer(a[:40, :33], b[:40, :33])['probabilities'][0]
    for index in (2, 4):
        np.testing.assert_allclose(found['probabilities'][index], alone, atol=1e-5)


def test_samples_carry_classes_palette_and_paths(demo_set, inferencer):
    paths = [str(demo_set / f'test/{date}/0001.png') for date in 'AB']
    (sample,) = inferencer(*paths, return_datasamples=True)
    assert (sample.name, sample.img_path, sample.classes, sample.palette) == ('0001', paths, CLASSES, PALETTE)
    found = inferencer(*paths)
    np.testing.assert_array_equal(sample.pred_sem_seg.data[0].numpy(), found['predictions'][0])
    np.testing.assert_array_equal(sample.seg_logits.data[0].numpy(), found['probabilities'][0])
    assert found['predictions'][0].dtype == np.uint8 and set(np.unique(found['predictions'][0])) == {0, 1}
    np.testing.assert_array_equal(found['probabilities'][0] > 0.5, found['predictions'][0] == 1)


def test_pictures_show_the_palettes_colour_on_the_later_date(inferencer, images, monkeypatch, tmp_path):
    shown = []
    monkeypatch.setattr('mmengine.visualization.Visualizer.show',
                        lambda self, picture, win_name, wait_time: shown.append((win_name, wait_time, picture)))
    found = inferencer(images[0][0], images[1][0], names=['city/a'], return_vis=True, show=True, wait_time=2,
                       opacity=0.25, out_dir=tmp_path, pred_out_dir='')
    (picture,), (mask,) = found['visualization'], found['predictions']
    np.testing.assert_array_equal(picture[mask == 0], images[1][0][mask == 0])
    expected = 0.75 * images[1][0][mask == 1] + 0.25 * np.array(PALETTE[1])
    np.testing.assert_allclose(picture[mask == 1], expected, atol=0.51)
    assert [file.relative_to(tmp_path).as_posix() for file in tmp_path.rglob('*.png')] == ['vis/city/a.png']
    np.testing.assert_array_equal(np.array(Image.open(tmp_path / 'vis/city/a.png')), picture)
    ((name, seconds, window),) = shown
    assert (name, seconds) == ('city/a', 2)
    np.testing.assert_array_equal(window, picture)


def test_nothing_is_replaced_unless_asked(inferencer, images, tmp_path):
    (tmp_path / 'vis').mkdir()
    (tmp_path / 'vis/b.png').write_text('mine')
    words = [image[:2] for image in images]
    with pytest.raises(FileExistsError, match=r'vis/b.png exists already; nothing was written'):
        inferencer(*words, names=['a', 'b'], out_dir=tmp_path)
    assert (tmp_path / 'vis/b.png').read_text() == 'mine' and not (tmp_path / 'pred').exists()
    inferencer(*words, names=['a', 'b'], out_dir=tmp_path, overwrite=True)
    assert len(list(tmp_path.rglob('*.png'))) == 4


def test_all_inputs_are_checked_first(demo_set, inferencer, tmp_path):
    good, bad = demo_set / 'test/A/0000.png', tmp_path / 'none.png'
    with pytest.raises(ValueError, match=r'none.png'):
        inferencer([good, bad], [good, good], out_dir=tmp_path / 'out')
    with pytest.raises(InputError, match='two pairs are called 0000'):
        inferencer([good, good], [good, good], out_dir=tmp_path / 'out')
    with pytest.raises(SceneError, match='batch_size of 1 or more .* found 0'):
        inferencer(good, good, batch_size=0)
    assert not (tmp_path / 'out').exists()


def test_a_config_with_bare_weights_has_the_usual_classes(root, demo_set, checkpoint, inferencer, tmp_path):
    torch.save(dict(state_dict=torch.load(checkpoint, weights_only=True)['state_dict']), tmp_path / 'bare.pth')
    bare = ChangeInferencer(root / 'configs/schanger/demo.py', tmp_path / 'bare.pth', device='cpu')
    assert bare.dataset_meta == dict(classes=('unchanged', 'changed'), palette=[[0, 0, 0], [255, 255, 255]])
    pair = demo_set / 'test/A/0000.png', demo_set / 'test/B/0000.png'
    np.testing.assert_array_equal(bare(*pair)['probabilities'], inferencer(*pair)['probabilities'])


@pytest.mark.parametrize(('meta', 'message'), [
    (dict(classes=('a', 'b', 'c')), 'expected two names and two RGB colours'),
    (dict(palette=[[0, 0, 0], [0, 0, 256]]), 'expected two names and two RGB colours'),
    (dict(palette=7), 'its dataset_meta .* cannot be read'),
])
def test_classes_that_make_no_sense(saved, meta, message):
    with pytest.raises(SceneError, match=message):
        ChangeInferencer(saved('meta.pth', dataset_meta=meta), device='cpu')


def test_a_test_that_changes_images_is_left_to_the_tool(saved):
    def change(cfg):
        cfg.test_dataloader.dataset.pipeline.insert(1, dict(type='ForBothDates', transforms=[]))

    with pytest.raises(SceneError, match=r'its test pipeline has ForBothDates, which only `schanger test` carries out'):
        ChangeInferencer(saved('resized.pth', change), device='cpu')


@pytest.mark.parametrize('folders', [('x', 'x'), ('x', './x'), ('vis', 'VIS')])
def test_map_and_picture_never_share_a_file(inferencer, images, tmp_path, folders):
    with pytest.raises(SceneError, match='pred_out_dir and img_out_dir: map and picture would both be .*; name two'):
        inferencer(*(date[0] for date in images), names=['a'], out_dir=tmp_path, pred_out_dir=folders[0],
                   img_out_dir=folders[1], overwrite=True)
    assert list(tmp_path.iterdir()) == []


def test_an_input_is_never_replaced(inferencer, demo_set, tmp_path):
    shutil.copytree(demo_set / 'test', tmp_path / 'test')
    before = (tmp_path / 'test/B/0000.png').read_bytes()
    with pytest.raises(SceneError, match='0000.png is an image that is read here, and would be replaced'):
        inferencer(tmp_path / 'test/A', tmp_path / 'test/B', out_dir=tmp_path / 'test', pred_out_dir='B',
                   overwrite=True)
    assert (tmp_path / 'test/B/0000.png').read_bytes() == before


def test_probabilities_that_are_no_numbers_are_refused(checkpoint, images, tmp_path):
    content = torch.load(checkpoint, weights_only=True)
    content['state_dict'] = {key: value * float('nan') if value.is_floating_point() else value
                             for key, value in content['state_dict'].items()}
    torch.save(content, tmp_path / 'nan.pth')
    with pytest.raises(DivergedError, match=r'nan.pth: its probabilities of a are not numbers \(NaN\)'):
        ChangeInferencer(tmp_path / 'nan.pth', device='cpu')(*(date[0] for date in images), names=['a'],
                                                             out_dir=tmp_path / 'out')
    assert not (tmp_path / 'out').exists()


def test_published_weights_are_opened_without_a_config(saved, images, tmp_path):
    def initialise(cfg):
        cfg.model.backbone.init_cfg = dict(type='Pretrained', checkpoint='/home/me')

    path = saved('own.pth', initialise,
                 dataset_meta=dict(classes=CLASSES, palette=PALETTE))
    publish(path, tmp_path / 'net')
    weights, = tmp_path.glob('*.safetensors')
    before, published = ChangeInferencer(path, device='cpu'), ChangeInferencer(weights, device='cpu')
    assert published.dataset_meta == before.dataset_meta == dict(classes=CLASSES, palette=PALETTE)
    expected, found = (inferencer(*images)['probabilities'] for inferencer in (before, published))
    assert all(map(np.array_equal, expected, found))
    assert b'/home/me' not in weights.read_bytes() and b'data_root' not in weights.read_bytes()
