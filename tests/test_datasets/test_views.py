"""Views of unlabelled pairs."""

import numpy as np
import pytest
import torch
from mmengine.dataset import Compose

from schanger_mm.datasets.transforms import ColourJitter, ForBothDates, GaussianBlur, PackViews, StrongViews
from schanger_mm.datasets.transforms.geometric import RandomScale
from schanger_mm.registry import TRANSFORMS
from schanger_mm.utils.errors import SettingError
from schanger_mm.utils.random_numbers import own_random_numbers

RNG = np.random.default_rng(0)


def sample(size=(16, 20)):
    images = [RNG.integers(0, 256, (*size, 3)).astype(np.uint8) for _ in range(2)]
    return dict(img=images, img_shape=size, ori_shape=size, img_path=['a.png', 'b.png'])


def drawn(steps, results, seed=3):
    with own_random_numbers(seed):
        return Compose([TRANSFORMS.build(step) for step in steps])(results)


def test_strong_views_have_draws_of_their_own_for_each_date_and_view():
    pair = sample()
    before = [image.copy() for image in pair['img']]
    with own_random_numbers(5):
        views = StrongViews([dict(type='ColourJitter', brightness=0.5, contrast=0.5, saturation=0.5, hue=0.25),
                             dict(type='GaussianBlur')])(pair)['views']
    assert all(np.array_equal(image, old) for image, old in zip(pair['img'], before))
    with own_random_numbers(5):  # the reference: one transform after the other, date by date
        jitter, blur = ColourJitter(0.5, 0.5, 0.5, 0.25), GaussianBlur()
        for view in range(2):
            for date in range(2):
                image = jitter.apply(before[date], jitter.draw(before[date].shape))
                assert np.array_equal(views[view][date], blur.apply(image, blur.draw(image.shape)))


def test_a_seed_reproduces_the_views_and_equal_dates_get_different_colours():
    pair = sample()
    pair['img'][1] = pair['img'][0]
    steps = [dict(type='AddIgnoreMask'), dict(type='StrongViews', transforms=[dict(type='BrightnessContrast')]),
             dict(type='PackViews')]
    one, same, other = (drawn(steps, dict(pair), seed) for seed in (1, 1, 2))
    assert torch.equal(one['inputs'], same['inputs']) and not torch.equal(one['inputs'], other['inputs'])
    assert one['inputs'].shape == (3, 6, 16, 20) and one['inputs'].dtype == torch.uint8
    weak, first, second = one['inputs'].unflatten(1, (2, 3))
    assert torch.equal(weak[0], weak[1]) and torch.equal(weak[0], torch.from_numpy(pair['img'][0]).permute(2, 0, 1))
    assert not torch.equal(first[0], first[1]) and not torch.equal(first, second)


def test_padding_is_ignored_and_moves_with_both_dates():
    pair = sample((16, 16))
    steps = [dict(type='AddIgnoreMask'), dict(type='ForBothDates', transforms=[
        dict(type='RandomScale', scale=(0.5, 0.5)), dict(type='PadToSize', size=(10, 12)),
        dict(type='mmseg.RandomFlip', prob=1.0)]),
        dict(type='StrongViews', transforms=[dict(type='RandomGamma')]), dict(type='PackViews')]
    packed = drawn(steps, pair)
    expected = np.zeros((10, 12), int)
    expected[8:], expected[:, :4] = 255, 255
    assert np.array_equal(packed['data_samples'].gt_sem_seg.data[0].numpy(), expected)
    assert not packed['inputs'][:, :, torch.from_numpy(expected == 255)].any()


def test_a_larger_image_is_not_padded():
    results = dict(sample((30, 30)))
    steps = [dict(type='AddIgnoreMask'), dict(type='ForBothDates', transforms=[
        dict(type='PadToSize', size=(12, 12)),
        dict(type='mmseg.RandomCrop', crop_size=(12, 12))])]
    results = drawn(steps, results)
    assert results['img'][0].shape == (12, 12, 3) and not results['gt_seg_map'].any()


def test_every_label_is_padded():
    truth = np.ones((16, 16), np.uint8)
    results = dict(sample((16, 16)), gt_seg_map=0 * truth, truth_map=truth, seg_fields=['gt_seg_map', 'truth_map'])
    padded = ForBothDates([dict(type='PadToSize', size=(20, 10))])(results)
    assert padded['img'][1].shape == (20, 16, 3) and not padded['img'][1][16:].any()
    assert (padded['truth_map'][16:] == 255).all() and (padded['gt_seg_map'][16:] == 255).all()
    assert (padded['truth_map'][:16] == 1).all() and padded['img_shape'] == (20, 16)


def test_mistakes_are_named():
    with pytest.raises(SettingError, match=r'PadToSize\.size: expected \(height, width\) of 1 px or more'):
        ForBothDates([dict(type='PadToSize', size=(0, 4))])
    with pytest.raises(SettingError, match='PackViews: expected `views`, found none; StrongViews'):
        PackViews()(sample())
    with pytest.raises(SettingError, match=r'made \(20, 16, 3\) of \(16, 20, 3\); geometry belongs into'):
        StrongViews([dict(type='RandomTranspose', prob=1.0)])(sample())
    with pytest.raises(SettingError, match='expected `img` to be a list of two images'):
        StrongViews([])(dict(img=np.zeros((4, 4, 3), np.uint8)))
    with pytest.raises(SettingError, match=r'RandomScale\.scale: expected \(min, max\) above 0, found \(0, 1\)'):
        RandomScale((0, 1))


def test_both_dates_and_the_label_are_scaled_alike():
    pair = dict(sample((40, 60)), gt_seg_map=np.zeros((40, 60), np.uint8), seg_fields=['gt_seg_map'])
    pair['gt_seg_map'][:20] = 1
    sizes = set()
    for seed in range(8):
        with own_random_numbers(seed):
            scaled = ForBothDates([dict(type='RandomScale', scale=(0.8, 1.2))])(dict(pair))
        h, w = scaled['img'][0].shape[:2]
        assert scaled['img'][1].shape == (h, w, 3) and scaled['gt_seg_map'].shape == (h, w)
        assert abs(h / 40 - w / 60) < 0.03 and 32 <= h <= 48 and set(np.unique(scaled['gt_seg_map'])) == {0, 1}
        assert scaled['gt_seg_map'].mean() == pytest.approx(0.5, abs=0.03)
        sizes.add(h)
    assert len(sizes) > 4
