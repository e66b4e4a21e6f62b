"""Where Open-CD, mmsegmentation or mmengine are wrong, and this project is not: one test per fault.

Each shows the fault's absence once, in the shortest way; the tests of the parts named in the docstrings go further.
"""

import errno
import os
import pickle
import tracemalloc

import cv2
import numpy as np
import pytest
import torch
from mmengine.structures import PixelData
from mmseg.models import SegTTAModel
from mmseg.structures import SegDataSample
from PIL import Image

from schanger_mm import apis
from schanger_mm.checkpoints import CheckpointError, read_checkpoint
from schanger_mm.datasets.reading import read_image
from schanger_mm.engine.hooks.checkpoint_hook import DurableBackend, SaveError
from schanger_mm.evaluation import ChangeMetric
from schanger_mm.models import ChangeTTAModel
from schanger_mm.registry import DATASETS, MODELS, SCOPE, TRANSFORMS
from schanger_mm.utils.errors import DatasetError, SettingError

SIZE = 45, 70  # multiples of nothing
NAMES = ['a', 'b', 'c']
LOAD = [dict(type='LoadBiTemporalImages'), dict(type='LoadChangeLabel'), dict(type='PackBiTemporalInputs')]


@pytest.fixture
def pairs(tmp_path):
    """Three pairs in the folders A, B and label below test/, and nothing else."""
    rng = np.random.default_rng(0)
    for index, name in enumerate(NAMES):
        label = np.zeros(SIZE, np.uint8)
        label[4:20, 10 * index:10 * index + 30] = 255
        for folder, image in (('A', rng.integers(0, 256, (*SIZE, 3), np.uint8)),
                              ('B', rng.integers(0, 256, (*SIZE, 3), np.uint8)), ('label', label)):
            (tmp_path / 'pairs/test' / folder).mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).save(tmp_path / 'pairs/test' / folder / f'{name}.png')
    return tmp_path / 'pairs'


@pytest.fixture
def checkpoint(root, tmp_path):
    """A random network that calls about half of a picture changed, with its config."""
    cfg = apis.load_config(root / 'configs/schanger/demo.py')
    network = MODELS.build({'_scope_': SCOPE, **cfg.model, 'data_preprocessor': cfg.data_preprocessor}).eval()
    with torch.no_grad():
        network.decode_head.conv_seg.weight.mul_(20)
        network.decode_head.conv_seg.bias -= network(torch.randn(1, 6, 64, 64)).median()
    torch.save(dict(meta=dict(cfg=cfg.pretty_text), state_dict=network.state_dict()), tmp_path / 'net.pth')
    return str(tmp_path / 'net.pth')


@pytest.fixture
def test(root, pairs, checkpoint, tmp_path):
    """Return a function that does what tools/test.py does; the training data are nowhere."""
    def run(out=None, **options):
        cfg = apis.load_config(root / 'configs/schanger/demo.py')
        apis.prepare(cfg, 'demo.py', str(tmp_path / 'work'))
        cfg.test_dataloader.update(num_workers=0, persistent_workers=False)
        cfg.test_dataloader.dataset.update(data_root=str(pairs), type='LEVIRCDDataset')
        cfg.train_dataloader.dataset.data_root = cfg.val_dataloader.dataset.data_root = str(tmp_path / 'nowhere')
        apis.test_only(cfg, checkpoint, **options)
        return apis.evaluate(cfg, out and str(out))
    return run


def data_set(pairs, **options):
    return DATASETS.build(dict(type='LEVIRCDDataset', data_root=str(pairs), split='test', test_mode=True,
                               pipeline=LOAD, **options))


def merged(model, probability):
    views = [SegDataSample(seg_logits=PixelData(data=torch.full((1, 4, 4), probability))) for _ in range(4)]
    for view in views:
        view.set_metainfo(dict(flip=False, img_path='a.png'))
    return model.merge_preds([views])[0].pred_sem_seg.data


def test_tta_with_one_output_channel_applies_the_sigmoid_once(root):
    """mmseg's wrapper, which Open-CD uses, calls a probability of 0.2 changed. More: test_models/test_tta.py."""
    network = apis.load_config(root / 'configs/schanger/demo.py').model
    assert merged(SegTTAModel(module=MODELS.build({'_scope_': SCOPE, **network})), 0.2).all()
    ours = ChangeTTAModel(module=dict(network))
    assert not merged(ours, 0.2).any() and merged(ours, 0.8).all()


def test_show_dir_takes_pictures_of_any_size_and_builds_no_train_set(test, tmp_path):
    """More: test_engine/test_visualization_hook.py."""
    test(show_dir=str(tmp_path / 'show'))
    assert sorted(path.name for path in (tmp_path / 'show').rglob('*.png')) == ['a.png', 'b.png', 'c.png']


def test_a_test_batch_may_hold_several_pairs(test, tmp_path):
    one, three = test(tmp_path / 'one', batch_size=1), test(tmp_path / 'three', batch_size=3)
    assert three == pytest.approx(one, abs=0.05)
    for name in NAMES:
        maps = [cv2.imread(str(tmp_path / run / f'predictions/{name}.png'), 0) for run in ('one', 'three')]
        assert maps[0].shape == SIZE and (maps[0] != maps[1]).mean() < 0.005


def test_the_inferencer_knows_classes_names_its_outputs_and_batches(pairs, checkpoint, tmp_path):
    """A checkpoint alone; results under the names of the files. More: test_apis/test_detector.py."""
    pytest.importorskip('rasterio')
    from schanger_mm.commands.predict import predict_pairs
    detector = apis.ChangeDetector(checkpoint, device='cpu')
    assert detector.model.describe()['classes'] == ['unchanged', 'changed']
    failed = predict_pairs(detector, str(pairs / 'test/A'), str(pairs / 'test/B'), str(tmp_path / 'out'), window=32,
                           overlap=0, block=64, page=False)
    assert not failed and sorted(path.name for path in (tmp_path / 'out').iterdir()) == NAMES
    assert (tmp_path / 'out/b/change.tif').is_file()
    before, after = (read_image(str(pairs / f'test/{date}/a.png'))[..., ::-1] for date in 'AB')
    sizes, predict = [], detector.model.predict
    detector.model.predict = lambda images: sizes.append(len(images)) or predict(images)
    results = [detector.predict_array(before, after, window=32, overlap=0, batch_size=size) for size in (1, 4)]
    assert max(sizes) == 4 and sizes.count(4) == 1
    np.testing.assert_allclose(results[0].probability, results[1].probability, atol=1e-5)


def test_predictions_are_written_though_a_pair_has_two_paths(tmp_path):
    """``img_path`` is a list and Open-CD's samples have no name. More: test_evaluation/test_change_metric.py."""
    metric = ChangeMetric(output_dir=str(tmp_path))
    prediction = torch.zeros(1, 4, 4)
    prediction[0, 1] = 1
    metric.process({}, [dict(img_path=['x/A/tile_7.png', 'x/B/tile_7.png'], pred_sem_seg=dict(data=prediction),
                             gt_sem_seg=dict(data=prediction.long()))])
    assert metric.evaluate(1)['changed/F1'] == 100
    written = cv2.imread(str(tmp_path / 'predictions/tile_7.png'), cv2.IMREAD_UNCHANGED)
    assert written.tolist() == (prediction[0] * 255).tolist()


def test_save_best_can_use_the_f1_of_the_changed_class(small, root, tmp_path):
    runner = apis.build_runner(small(root / 'configs/schanger/demo.py', tmp_path))
    runner.train()
    (best, ) = tmp_path.glob('best_changed_F1_iter_2.pth')
    score = read_checkpoint(best).content['message_hub']['runtime_info']['best_score']
    assert score == runner.message_hub.get_scalar('val/changed/F1').current()


@pytest.mark.parametrize('bands, kind, found', [
    (3, np.uint16, 'unusual depth must be converted'), (4, np.uint8, '4-band')])
def test_a_16_bit_or_4_band_tiff_is_not_cut_to_three_bytes(bands, kind, found, tmp_path):
    """Training says no; prediction takes both by --bands and --scale. More: test_datasets/test_reading.py."""
    rasterio = pytest.importorskip('rasterio')
    path = tmp_path / 'a.tif'
    with rasterio.open(path, 'w', driver='GTiff', width=8, height=8, count=bands, dtype=kind) as file:
        file.write(np.full((bands, 8, 8), 200, kind))
    with pytest.raises(DatasetError, match=f'a.tif: .*{found}'):
        read_image(str(path))


@pytest.mark.parametrize('name', ['BrightnessContrast', 'ColourJitter', 'GaussianNoise', 'HueSaturationValue',
                                  'RandomGamma'])
def test_photometric_distortion_does_not_drop_a_fourth_band(name):
    """Hue and saturation have no meaning for a band that is no colour, so they say no instead of returning three."""
    image = np.full((8, 8, 4), 100, np.uint8)
    if name in ('ColourJitter', 'HueSaturationValue'):
        with pytest.raises(SettingError, match=f'{name}: the image has 4 bands, and rgb=None'):
            TRANSFORMS.build(dict(type=name))(dict(img=image))
        return
    np.random.seed(1)
    assert TRANSFORMS.build(dict(type=name))(dict(img=image))['img'].shape == (8, 8, 4)


def test_sizes_that_are_no_multiple_of_the_stride(test, checkpoint, root):
    """45 x 70 px, in tests and in training. More: test_configs.py, test_models/test_siamese_encoder_decoder.py."""
    assert 0 < test(mode='whole')['changed/recall'] < 100
    network = MODELS.build({'_scope_': SCOPE, **apis.load_config(root / 'configs/schanger/demo.py').model}).eval()
    with torch.no_grad():
        (sample, ) = network(torch.randn(1, 6, *SIZE), mode='predict')
    assert sample.pred_sem_seg.data.shape == (1, *SIZE)


def test_pairs_of_different_size_are_noticed_before_training(pairs):
    Image.fromarray(np.zeros((45, 71, 3), np.uint8)).save(pairs / 'test/B/b.png')
    with pytest.raises(DatasetError, match=r'(?s)1 samples have images or labels of different size.*B/b\.png is 71'):
        data_set(pairs)


def test_a_missing_file_of_date_b_is_named_as_such(pairs):
    (pairs / 'test/B/b.png').unlink()
    with pytest.raises(DatasetError, match=r'(?s)1 missing in .*test/B \(img_path_to\): b'):
        data_set(pairs)


def test_a_corrupt_file_is_an_error_and_not_dropped(pairs):
    path = pairs / 'test/B/b.png'
    path.write_bytes(path.read_bytes()[:-200])  # its header is whole
    data = data_set(pairs)
    assert len(data) == 3
    with pytest.raises(DatasetError, match=r'B/b\.png: truncated, corrupt or not a readable'):
        data[1]


@pytest.mark.long
def test_a_resumed_run_draws_what_the_run_would_have_drawn(small, root, tmp_path):
    """mmengine's checkpoints hold no state of random numbers. More: test_engine/test_exact_resume_hook.py."""
    ends = []
    for folder in ('straight', 'resumed'):
        cfg = small(root / 'configs/schanger/demo.py', tmp_path / folder)
        cfg.default_hooks.checkpoint.update(interval=1, max_keep_ckpts=3)
        if folder == 'resumed':
            torch.rand(100)  # as in another process
            apis.resume_from(cfg, str(tmp_path / 'straight/iter_1.pth'))
        runner = apis.build_runner(cfg)
        runner.train()
        ends.append({key: value.clone() for key, value in runner.model.state_dict().items()})
    assert all(torch.equal(ends[0][key], value) for key, value in ends[1].items())


def test_a_checkpoint_is_whole_or_not_there(tmp_path, monkeypatch):
    """More: test_engine/test_checkpoint_hook.py kills runs at random moments."""
    file = tmp_path / 'iter_5.pth'
    DurableBackend().put(b'whole', file)
    monkeypatch.setattr(os, 'fsync', lambda descriptor: (_ for _ in ()).throw(OSError(errno.ENOSPC, 'No space left')))
    with pytest.raises(SaveError, match='What was saved before is untouched'):
        DurableBackend().put(b'larger, and half', file)
    assert file.read_bytes() == b'whole' and [path.name for path in tmp_path.iterdir()] == ['iter_5.pth']


class Attack:
    """Writes a file when it is unpickled."""

    def __init__(self, canary):
        self.canary = canary

    def __reduce__(self):
        return os.system, (f'touch {self.canary}', )


def test_loading_a_checkpoint_runs_no_code(tmp_path):
    """More: test_checkpoints, which every entry point passes."""
    torch.save(dict(state_dict={'a': torch.zeros(1)}, meta=Attack(tmp_path / 'canary')), tmp_path / 'net.pth')
    with pytest.raises(CheckpointError, match='system'):
        read_checkpoint(tmp_path / 'net.pth')
    assert not (tmp_path / 'canary').exists()
    pickle.loads(pickle.dumps(Attack(tmp_path / 'canary')))
    assert (tmp_path / 'canary').exists()  # so the test can fail


class Mean:
    """A network for scenes that takes no memory: the mean of both dates."""

    names, threshold, gsd, sha256 = ('mean', None), 0.5, None, '0'

    def predict(self, images):
        return images.mean(axis=(1, 2)) / 255


def test_large_images_are_not_held_in_memory(tmp_path):
    """mmseg's sliding window keeps whole maps. More: test_scene/test_run.py, with a real network and 80 blocks."""
    rasterio = pytest.importorskip('rasterio')
    from schanger_mm.geo.pair import PairSpec, open_pair
    from schanger_mm.scene.class_maps import predict_levels
    from schanger_mm.scene.plan import Plan
    peaks = []
    for times in (2, 16):
        paths = [str(tmp_path / f'{date}{times}.tif') for date in 'ab']
        for seed, path in enumerate(paths):
            block = np.random.default_rng(seed).integers(0, 256, (3, 256, 256), np.uint8)
            with rasterio.open(path, 'w', driver='GTiff', width=256 * times, height=256, count=3, dtype='uint8',
                               tiled=True) as file:
                file.write(np.tile(block, (1, 1, times)))
        with open_pair(PairSpec(*paths)) as source:
            plan = Plan(source.grid, 256, 64, 64)
            tracemalloc.start()
            blocks = [predict_levels(source, plan, block, Mean(), 4, 0.5).shape for block in plan.blocks()]
            peaks.append(tracemalloc.get_traced_memory()[1])
            tracemalloc.stop()
        assert len(blocks) == times
    assert peaks[1] < 1.1 * peaks[0], peaks
