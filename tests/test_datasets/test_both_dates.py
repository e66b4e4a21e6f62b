import random
import tracemalloc

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mmengine.registry import TRANSFORMS, DefaultScope

from schanger_mm.datasets.transforms import ForBothDates
from schanger_mm.datasets.transforms.both_dates import CHECKED

PHOTOMETRIC = ['GaussianNoise', 'HueSaturationValue', 'BrightnessContrast', 'RandomGamma', 'Emboss',
               'MotionBlur', 'ColourJitter', 'mmseg.PhotoMetricDistortion']


def sample(a, b=None, label=None):
    label = a[..., 0].copy() if label is None else label
    return dict(img=[a, a.copy() if b is None else b], gt_seg_map=label, seg_fields=['gt_seg_map'],
                img_path=['a', 'b'], img_shape=a.shape[:2], ori_shape=a.shape[:2])


def noise_picture(h=24, w=20, seed=0):
    return np.random.RandomState(seed).randint(0, 256, (h, w, 3)).astype(np.uint8)


def state():
    numpy = np.random.get_state()
    return numpy[1].tolist(), numpy[2], random.getstate(), torch.get_rng_state().tolist()


@pytest.mark.parametrize('name', PHOTOMETRIC)
def test_equal_dates_stay_equal_under_random_colours(name):
    step = ForBothDates([dict(type=name)])
    for seed in range(5):
        np.random.seed(seed)
        first, second = step(sample(noise_picture()))['img']
        np.testing.assert_array_equal(first, second)


def test_noise_is_the_same_field_on_different_dates():
    a, b = np.full((16, 16, 3), 100, np.uint8), np.full((16, 16, 3), 150, np.uint8)
    first, second = ForBothDates([dict(type='GaussianNoise')])(sample(a, b))['img']
    np.testing.assert_array_equal(first.astype(int) - 100, second.astype(int) - 150)
    assert first.std() > 2


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 2**32 - 1), h=st.integers(20, 40), w=st.integers(20, 40))
def test_dates_and_label_get_one_geometry(seed, h, w):
    with DefaultScope.overwrite_default_scope('schanger_mm'):
        step = ForBothDates([
            dict(type='mmseg.RandomCrop', crop_size=(16, 24)),
            dict(type='mmseg.RandomFlip', prob=0.7, direction=['horizontal', 'vertical', 'diagonal']),
            dict(type='RandomTranspose', prob=0.5),
            dict(type='RandomChoice', transforms=[
                [dict(type='RandomTranspose', prob=1)],
                [dict(type='RandomApply', transforms=[dict(type='mmseg.RandomCrop', crop_size=(9, 11))])]]),
        ])
    np.random.seed(seed)
    a = noise_picture(h, w)
    out = step(sample(a, 255 - a))
    np.testing.assert_array_equal(out['img'][0], 255 - out['img'][1])
    np.testing.assert_array_equal(out['img'][0][..., 0], out['gt_seg_map'])
    assert out['img_shape'] == out['gt_seg_map'].shape


def test_other_keys_come_from_one_run_and_paths_stay():
    step = ForBothDates([dict(type='mmseg.RandomFlip', prob=1.0, direction='vertical')])
    out = step(sample(noise_picture()))
    assert out['flip'] is True and out['flip_direction'] == 'vertical' and out['img_path'] == ['a', 'b']
    np.testing.assert_array_equal(out['img'][0], noise_picture()[::-1])


def test_input_arrays_and_dict_are_not_changed():
    given_sample = sample(noise_picture(), noise_picture(seed=1))
    kept = [array.copy() for array in (*given_sample['img'], given_sample['gt_seg_map'])]
    keys = set(given_sample)

    def scribble(results):
        results['img'][:] = 0
        results['gt_seg_map'][:] = 9
        results['seg_fields'].append('other')
        results['other'] = results['gt_seg_map']
        return results

    out = ForBothDates([scribble])(given_sample)
    assert (out['gt_seg_map'] == 9).all() and out['seg_fields'] == ['gt_seg_map', 'other']
    for before, after in zip(kept, (*given_sample['img'], given_sample['gt_seg_map']), strict=True):
        np.testing.assert_array_equal(before, after)
    assert set(given_sample) == keys and given_sample['seg_fields'] == ['gt_seg_map']


def test_arrays_stay_as_they_were_behind_a_crop_too():
    given_sample = sample(noise_picture(), noise_picture(seed=1))
    kept = [array.copy() for array in (*given_sample['img'], given_sample['gt_seg_map'])]

    def scribble(results):
        results['img'][:] = 0
        results['gt_seg_map'][:] = 9
        return results

    out = ForBothDates([dict(type='mmseg.RandomCrop', crop_size=(24, 20)), scribble])(given_sample)
    assert (out['gt_seg_map'] == 9).all() and not out['img'][1].any()
    for before, after in zip(kept, (*given_sample['img'], given_sample['gt_seg_map']), strict=True):
        np.testing.assert_array_equal(before, after)


def test_what_a_first_crop_cuts_away_is_not_copied():
    a = np.zeros((1024, 1024, 3), np.uint8)
    whole = sample(a, label=a[..., 0])
    step = ForBothDates([dict(type='mmseg.RandomCrop', crop_size=(64, 64))])
    tracemalloc.start()
    try:
        out = step(whole)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert out['img'][0].shape == (64, 64, 3) and not np.shares_memory(out['img'][0], a)
    assert peak < a.nbytes / 10


def draw_from_all(results):
    drawn = np.random.randint(5) + random.randint(0, 5) + int(torch.randint(5, ()))
    results['img'] = results['img'] + np.uint8(drawn)
    return results


def seed_all():
    np.random.seed(3)
    random.seed(3)
    torch.manual_seed(3)


def test_generators_advance_as_by_one_run():
    seed_all()
    draw_from_all(dict(img=noise_picture()))
    expected = state()
    seed_all()
    first, second = ForBothDates([draw_from_all])(sample(noise_picture()))['img']
    np.testing.assert_array_equal(first, second)
    assert state() == expected


def test_next_sample_draws_anew():
    np.random.seed(0)
    step = ForBothDates([dict(type='GaussianNoise')])
    one, two = (step(sample(np.full((8, 8, 3), 99, np.uint8)))['img'][0] for _ in range(2))
    assert (one != two).any()


def test_crop_that_looks_at_the_label_is_shared():
    label = np.zeros((24, 20), np.uint8)
    label[:12] = 1
    step = ForBothDates([dict(type='mmseg.RandomCrop', crop_size=(8, 8), cat_max_ratio=0.75)])
    for seed in range(10):
        np.random.seed(seed)
        out = step(sample(noise_picture(), label=label))
        np.testing.assert_array_equal(*out['img'])


def test_draws_that_depend_on_the_pixels_are_refused():
    def until_bright(results):
        while np.random.randint(256) > results['img'].mean():
            pass
        return results

    np.random.seed(0)
    dark, bright = np.zeros((4, 4, 3), np.uint8), np.full((4, 4, 3), 255, np.uint8)
    dark[0] = 10
    with pytest.raises(ValueError, match='drew different random numbers'):
        ForBothDates([until_bright])(sample(dark, bright))


def test_different_shapes_are_refused():
    def trim(results):
        results['img'] = results['img'][results['img'][0, 0, 0]:]
        return results

    a = np.zeros((4, 4, 3), np.uint8)
    with pytest.raises(ValueError, match=r'different shapes, \(4, 4, 3\) and \(3, 4, 3\)'):
        ForBothDates([trim])(sample(a, a + 1))


def test_different_labels_are_refused():
    def mark(results):
        results['gt_seg_map'] = results['gt_seg_map'] + results['img'][0, 0, 0]
        return results

    a = np.zeros((4, 4, 3), np.uint8)
    with pytest.raises(ValueError, match="changed the label 'gt_seg_map' differently"):
        ForBothDates([mark])(sample(a, a + 1))


def test_dropped_sample_is_dropped():
    assert ForBothDates([lambda results: None])(sample(noise_picture())) is None


@pytest.mark.parametrize('img', [np.zeros((4, 4, 3), np.uint8), [np.zeros((4, 4, 3), np.uint8)]])
def test_single_image_is_refused(img):
    with pytest.raises(ValueError, match='list of two images'):
        ForBothDates([])(dict(img=img))


def test_is_found_by_name():
    step = TRANSFORMS.build(dict(type='ForBothDates', transforms=[dict(type='RandomGamma')]))
    assert isinstance(step, ForBothDates)


class Brighter:
    """Draws from a generator of its own, in so many of all cases."""

    def __init__(self, share=1.0):
        self.rng, self.share = np.random.default_rng(), share

    def __call__(self, results):
        if self.rng.random() < self.share:
            results['img'] = np.clip(results['img'] * self.rng.uniform(0.5, 1.5), 0, 255).astype(np.uint8)
        return results


class SeededBrighter(Brighter):
    """Like a transform of albumentations."""

    def set_random_seed(self, seed):
        self.rng = np.random.default_rng(seed)


class Wrapper:
    """Like mmseg's Albu, whose ``transforms`` are settings."""

    def __init__(self, *transforms):
        self.transforms = [dict(type='Brighter')]
        self.aug = SeededBrighter()

    def __call__(self, results):
        return self.aug(results)


def test_a_generator_of_a_transforms_own_is_refused_by_name():
    before = state()
    step = ForBothDates([dict(type='mmseg.RandomFlip', prob=0.5), Brighter()])
    with pytest.raises(ValueError) as caught:
        step(sample(noise_picture()))
    assert str(caught.value) == (
        'ForBothDates: Brighter, run twice on date A with numpy.random, random and torch in one state, gave two '
        'different results. It draws from its own generator, so the dates would be changed differently and no '
        'seed would repeat the training. Let it draw from numpy.random, or give it a method set_random_seed(seed), '
        'which is then called before each date.')
    assert state() == before


def test_a_generator_that_seldom_acts_is_found():
    step = ForBothDates([Brighter(share=0.3)])
    with pytest.raises(ValueError, match='Brighter, run twice on date A'):
        for _ in range(CHECKED):
            step(sample(noise_picture()))


@pytest.mark.parametrize('make', [
    SeededBrighter, Wrapper, lambda: dict(type='RandomApply', transforms=[SeededBrighter()], prob=1.0),
    lambda: dict(type='RandomChoice', transforms=[[SeededBrighter()], [Wrapper()]])])
def test_a_generator_that_can_be_seeded_follows_the_seed(make):
    step = ForBothDates([make()])
    seen = []
    for seed in (1, 2, 1):
        np.random.seed(seed)
        first, second = step(sample(noise_picture()))['img']
        np.testing.assert_array_equal(first, second)
        seen.append(first.tolist())
    assert seen[0] == seen[2] != seen[1]


def test_the_check_ends_after_some_samples():
    calls = []
    step = ForBothDates([lambda results: calls.append(0) or results])
    for _ in range(CHECKED + 4):
        step(sample(noise_picture()))
    assert len(calls) == 3 * CHECKED + 2 * 4
