"""The pipelines of the configs, whole."""

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.dataset import Compose, pseudo_collate
from mmengine.registry import MODELS

from schanger_mm.datasets import BiTemporalDataset, BuildingDataset


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    """The pipelines keep decoded pixels below the working directory."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def levir(root):
    return Config.fromfile(str(root / 'configs/_base_/datasets/levir_dataset.py'))


@pytest.fixture
def inria(root):
    return Config.fromfile(str(root / 'configs/_base_/datasets/inria_dataset.py'))


def small(pipeline, crop=96):
    """Give RandomCrop a size that suits small pictures."""
    for step in pipeline:
        if step['type'] == 'mmseg.RandomCrop':
            step['crop_size'] = (crop, crop)
        small(step.get('transforms', []) if step['type'] == 'ForBothDates' else [], crop)
    return pipeline


def coordinates(h=150, w=170):
    y, x = np.mgrid[:h, :w]
    return np.dstack([x, y, 0 * x]).astype(np.uint8)


def test_levir_augmentation_moves_dates_and_label_together(levir):
    steps = small(levir.train_pipeline)[2]['transforms']
    whole = Compose([dict(type='ForBothDates', transforms=steps)])
    geometry = Compose([dict(type='ForBothDates', transforms=steps[:-1])])
    assert steps[-1]['type'] == 'RandomApply'
    image = coordinates()
    recoloured = transposed = 0
    for seed in range(60):
        outs = []
        for pipeline in (whole, geometry):
            np.random.seed(seed)
            outs.append(pipeline(dict(img=[image, image], gt_seg_map=image[..., 0], gt_y=image[..., 1],
                                      seg_fields=['gt_seg_map', 'gt_y'], img_shape=image.shape[:2])))
        full, moved = outs
        np.testing.assert_array_equal(*full['img'])
        np.testing.assert_array_equal(*moved['img'])
        np.testing.assert_array_equal(full['gt_seg_map'], moved['gt_seg_map'])
        for channel, key in enumerate(('gt_seg_map', 'gt_y')):
            assert np.abs(moved['img'][0][..., channel].astype(int) - moved[key]).max() <= 2
        assert full['img'][0].shape == (96, 96, 3)
        recoloured += (full['img'][0] != moved['img'][0]).any()
        transposed += abs(int(moved['gt_y'][48, 49]) - int(moved['gt_y'][48, 48])) == 1
    assert 15 < recoloured < 45 and 10 < transposed < 55


def checker(side=160, field=20):
    y, x = np.mgrid[:side, :side] // field
    return np.where((x + y) % 2, 220, 30).astype(np.uint8)


@pytest.mark.parametrize('crop', [96, 160])
def test_whole_pipeline_puts_dates_and_label_on_the_same_ground(levir, tmp_path, write, crop):
    """A checker in A and B, thresholded in the label: A equals B, and the label is the thresholded image.

    Images are interpolated and labels take the nearest pixel, once per rotation, so they may differ within
    2 pixels of an edge of the checker (which may lie just outside the picture) and nowhere else.
    """
    image = checker()
    for folder in 'AB':
        write(tmp_path / folder / '0.png', np.dstack([image] * 3))
    write(tmp_path / 'label' / '0.png', np.where(image > 125, 255, 0).astype(np.uint8))
    steps = small(levir.train_pipeline, crop)
    whole = BiTemporalDataset(data_root=str(tmp_path), pipeline=steps)
    assert steps[2]['transforms'].pop()['type'] == 'RandomApply'
    geometry = BiTemporalDataset(data_root=str(tmp_path), pipeline=steps)
    recoloured = rotated = 0
    for seed in range(80):
        packed = []
        for dataset in (whole, geometry):
            np.random.seed(seed)
            packed.append(dataset[0])
        for sample in packed:
            assert torch.equal(*sample['inputs'].chunk(2))
        labels = [sample['data_samples'].gt_sem_seg.data[0].numpy().astype(np.uint8) for sample in packed]
        np.testing.assert_array_equal(*labels)
        moved = packed[1]['inputs'][0].numpy()
        differs = (moved > 125) != labels[1]
        window = np.ones((5, 5), np.uint8)
        inside = (cv2.dilate(labels[1], window) == cv2.erode(labels[1], window))[2:-2, 2:-2]
        assert inside.mean() > 0.4 and not differs[2:-2, 2:-2][inside].any() and differs.mean() < 0.04
        recoloured += not torch.equal(packed[0]['inputs'], packed[1]['inputs'])
        rotated += len(np.unique(moved)) > 2
    assert 20 < recoloured < 60 and 20 < rotated < 65


def test_samples_are_the_same_cached_or_not(levir, pairs, tmp_path):
    root = str(pairs())
    cached = BiTemporalDataset(data_root=root, pipeline=small(levir.train_pipeline, 8))
    for step in levir.train_pipeline[:2]:
        assert step.pop('cache_dir') == 'work_dirs/decoded'
    plain = BiTemporalDataset(data_root=root, pipeline=levir.train_pipeline)
    for seed in range(30):  # the first three fill the cache
        samples = []
        for dataset in (plain, cached):
            np.random.seed(seed)
            samples.append(dataset[seed % 3])
        assert torch.equal(samples[0]['inputs'], samples[1]['inputs'])
        labels = [sample['data_samples'].gt_sem_seg.data for sample in samples]
        assert torch.equal(*labels)
        assert samples[0]['data_samples'].metainfo == samples[1]['data_samples'].metainfo
    assert len(list((tmp_path / 'work_dirs/decoded').iterdir())) == 9


def test_levir_training_sample(levir, pairs):
    dataset = BiTemporalDataset(data_root=str(pairs()), pipeline=small(levir.train_pipeline, 8))
    np.random.seed(0)
    first = dataset[0]
    np.random.seed(0)
    again = dataset[0]
    assert first['inputs'].shape == (6, 8, 8) and first['inputs'].dtype == torch.uint8
    assert torch.equal(first['inputs'], again['inputs'])
    sample = first['data_samples']
    label = sample.gt_sem_seg.data
    assert label.shape == (1, 8, 8) and set(label.unique().tolist()) <= {0, 1}
    assert sample.img_path[0].endswith('A/1.png')
    assert sample.img_shape == (8, 8) and sample.ori_shape == (12, 16)


def test_crop_larger_than_the_image_takes_all_of_it(levir, pairs):
    dataset = BiTemporalDataset(data_root=str(pairs()), pipeline=small(levir.train_pipeline, 64))
    for seed in range(10):
        np.random.seed(seed)
        packed = dataset[0]
        shape = tuple(packed['inputs'].shape[1:])
        assert shape in ((12, 16), (16, 12)) and packed['data_samples'].img_shape == shape
        assert packed['data_samples'].gt_sem_seg.data.shape[1:] == shape


def test_what_the_crop_lacks_is_padded_as_ignored(levir, pairs):
    dataset = BiTemporalDataset(data_root=str(pairs()), pipeline=small(levir.train_pipeline, 64))
    batch = pseudo_collate([dataset[i] for i in range(3)])
    preprocessor = MODELS.build(dict(levir.data_preprocessor, size_divisor=64))
    out = preprocessor(batch, training=True)
    assert out['inputs'].shape == (3, 6, 64, 64)
    for sample in out['data_samples']:
        h, w = sample.img_shape
        label = sample.gt_sem_seg.data[0]
        assert label.shape == (64, 64) and (label[:h, :w] <= 1).all()
        assert (label == 255).sum() == 64**2 - h * w


def test_levir_test_sample_is_the_pair_itself(levir, pairs, picture):
    packed = BiTemporalDataset(data_root=str(pairs()), pipeline=levir.test_pipeline, test_mode=True)[1]
    expected = np.concatenate([picture(seed=1), picture(seed=101)], axis=2).transpose(2, 0, 1)
    np.testing.assert_array_equal(packed['inputs'].numpy(), expected)
    assert packed['data_samples'].gt_sem_seg.data.sum() == 21


def test_pre_training_sample(inria, tmp_path, write, picture):
    for i in range(2):
        write(tmp_path / 'images' / f'{i}.jpg', picture(40, 40, i))
        write(tmp_path / 'gt' / f'{i}.png', np.full((40, 40), 255 * i, np.uint8))
    dataset = BuildingDataset(data_root=str(tmp_path), pipeline=small(inria.train_pipeline, 32))
    for seed in range(10):
        np.random.seed(seed)
        packed = dataset[1]
        assert packed['inputs'].shape == (3, 32, 32) and packed['inputs'].dtype == torch.uint8
        assert (packed['data_samples'].gt_sem_seg.data == 1).all()


def test_crop_comes_from_everywhere(levir):
    crop = Compose([dict(type='ForBothDates', transforms=[small(levir.train_pipeline)[2]['transforms'][0]])])
    image = coordinates()
    np.random.seed(0)
    corners = {tuple(crop(dict(img=[image, image], seg_fields=[]))['img'][0][0, 0, :2]) for _ in range(600)}
    assert {x for x, _ in corners} >= {0, 74} and {y for _, y in corners} >= {0, 54}
