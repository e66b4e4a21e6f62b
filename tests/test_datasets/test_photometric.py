import colorsys

import numpy as np
import pytest

from schanger_mm.datasets.transforms import (
    BandGain,
    BrightnessContrast,
    ColourJitter,
    Emboss,
    GaussianBlur,
    GaussianNoise,
    HueSaturationValue,
    MotionBlur,
    RandomGamma,
)
from schanger_mm.utils.errors import SettingError

ALL = [BrightnessContrast, ColourJitter, Emboss, GaussianBlur, GaussianNoise, HueSaturationValue, MotionBlur,
       RandomGamma]
LEVELS = np.repeat(np.arange(256, dtype=np.uint8)[None, :, None], 3, axis=2)


def picture(h=20, w=24):
    return np.random.RandomState(0).randint(0, 256, (h, w, 3)).astype(np.uint8)


@pytest.mark.parametrize('step', ALL)
def test_uint8_in_uint8_out_and_the_input_stays(step):
    image = picture()
    for seed in range(5):
        np.random.seed(seed)
        out = step()(dict(img=image, gt_seg_map=None))
        assert out['img'].dtype == np.uint8 and out['img'].shape == image.shape and out['gt_seg_map'] is None
    np.testing.assert_array_equal(image, picture())


@pytest.mark.parametrize('step', ALL)
def test_same_seed_same_result_other_seed_another(step):
    outs = []
    for seed in (1, 1, 2):
        np.random.seed(seed)
        outs.append(step()(dict(img=picture()))['img'])
    np.testing.assert_array_equal(outs[0], outs[1])
    assert (outs[0] != outs[2]).any()


@pytest.mark.parametrize('image', [
    np.full((4, 4, 3), -1, np.float32), np.full((4, 4, 3), 256, np.float32), np.zeros((4, 4), np.uint8),
    np.zeros((4, 4, 3), np.uint16), [picture(), picture()]])
def test_other_images_are_refused(image):
    with pytest.raises(TypeError, match=r'RandomGamma: expected `img` as uint8 or float32 \(H, W, C\) in 0\.\.255'):
        RandomGamma()(dict(img=image))


COLOURLESS = [BandGain, BrightnessContrast, Emboss, GaussianBlur, GaussianNoise, MotionBlur, RandomGamma]


@pytest.mark.parametrize('dtype', [np.uint8, np.float32])
@pytest.mark.parametrize('count', [1, 2, 4, 5, 13])
@pytest.mark.parametrize('step', COLOURLESS)
def test_any_number_of_bands_keeps_shape_type_and_range(step, count, dtype):
    image = np.random.RandomState(0).randint(0, 256, (10, 12, count)).astype(dtype)
    before = image.copy()
    for seed in range(3):
        np.random.seed(seed)
        out = step()(dict(img=image))['img']
        assert out.dtype == dtype and out.shape == image.shape and out.min() >= 0 and out.max() <= 255
        assert seed or (out != image).any()
    np.testing.assert_array_equal(image, before)


@pytest.mark.parametrize('step', [step for step in COLOURLESS if step not in (BandGain, GaussianNoise)])
def test_every_band_is_treated_as_if_it_were_alone(step):
    image = np.random.RandomState(0).randint(0, 256, (10, 12, 7)).astype(np.uint8)
    drawn = step().draw(image.shape)
    together = step().apply(image, drawn)
    for band in range(7):
        np.testing.assert_array_equal(together[..., band], step().apply(image[..., band:band + 1], drawn)[..., 0])


@pytest.mark.parametrize('step', [*ALL, BandGain])
def test_float_images_are_changed_as_uint8_ones_without_the_rounding(step):
    image = picture()
    np.random.seed(3)
    drawn = step().draw(image.shape)
    exact = step().apply(image.astype(np.float32), drawn)
    # one level of rounding at each of up to four steps; a hue of OpenCV is 2 degrees; its blur of uint8 is approximate
    coarse = step in (ColourJitter, HueSaturationValue)
    most = 12 if coarse else 2 if step is GaussianBlur else 0.51
    assert np.abs(exact - step().apply(image, drawn)).max() <= most
    assert coarse or (exact % 1 != 0).any()


def test_gains_of_bands_are_independent_and_within_limits():
    np.random.seed(0)
    image = np.full((2, 2, 5), 100, np.float32)
    gains = np.array([BandGain(0.2)(dict(img=image))['img'][0, 0] / 100 for _ in range(300)])
    assert 0.8 <= gains.min() < 0.81 and 1.19 < gains.max() <= 1.2
    assert np.abs(np.corrcoef(gains.T) - np.eye(5)).max() < 0.2


@pytest.mark.parametrize('step', [ColourJitter, HueSaturationValue])
def test_colours_are_changed_in_the_bands_that_hold_them(step):
    image = np.random.RandomState(0).randint(0, 256, (10, 12, 5)).astype(np.uint8)
    drawn = step().draw(image.shape)
    out = step(rgb=(5, 2, 3)).apply(image, drawn)
    np.testing.assert_array_equal(out[..., [0, 3]], image[..., [0, 3]])
    np.testing.assert_array_equal(out[..., [2, 1, 4]], step().apply(np.ascontiguousarray(image[..., [2, 1, 4]]), drawn))
    for settings in ({}, dict(rgb=(1, 2, 6))):
        with pytest.raises(SettingError, match='the image has 5 bands, and rgb=.*BandGain'):
            step(**settings).apply(image, drawn)
    with pytest.raises(SettingError, match=r'rgb: expected the numbers'):
        step(rgb=(0, 1, 2))


def test_views_with_negative_strides_are_taken():
    for step in ALL:
        step()(dict(img=picture()[::-1, ::-1]))


def test_gamma_is_a_power_of_the_share_of_white():
    out = RandomGamma().apply(LEVELS, 1.2)[0, :, 0]
    np.testing.assert_array_equal(out, np.rint(255 * (np.arange(256) / 255) ** 1.2))
    assert out[0] == 0 and out[255] == 255 and out[128] == 112
    draws = [RandomGamma().draw((1, 1, 3)) for _ in range(300)]
    assert 0.8 <= min(draws) < 0.82 and 1.18 < max(draws) <= 1.2


def test_brightness_and_contrast_are_linear():
    out = BrightnessContrast().apply(LEVELS, (0.1, -0.2))[0, :, 0]
    np.testing.assert_array_equal(out, np.clip(np.rint(0.8 * np.arange(256) + 25.5), 0, 255))


def test_noise_has_the_drawn_variance_and_no_bias():
    np.random.seed(0)
    image = np.full((200, 200, 3), 128, np.uint8)
    out = GaussianNoise(var=(25, 25))(dict(img=image))['img'].astype(float) - 128
    assert abs(out.mean()) < 0.05 and abs(out.var() - 25) < 0.7
    assert abs(np.corrcoef(out[..., 0].ravel(), out[..., 1].ravel())[0, 1]) < 0.02


def test_hue_turns_saturation_and_value_shift():
    red = np.array([[[0, 0, 200]]], np.uint8)
    green = HueSaturationValue().apply(red, (60, 0, 0))
    np.testing.assert_array_equal(green, [[[0, 200, 0]]])
    np.testing.assert_array_equal(HueSaturationValue().apply(red, (-180, 0, 20)), [[[0, 0, 220]]])
    pale = HueSaturationValue().apply(red, (0, -55, 0))[0, 0, ::-1] / 255
    assert colorsys.rgb_to_hsv(*pale) == pytest.approx((0, 200 / 255, 200 / 255), abs=0.01)


def test_emboss_keeps_flat_ground_and_has_the_published_kernel():
    flat = np.full((5, 5, 3), 77, np.uint8)
    np.testing.assert_array_equal(Emboss().apply(flat, (0.5, 0.7)), flat)
    dot = np.full((5, 5, 3), 100, np.uint8)
    dot[2, 2] = 110
    out = Emboss().apply(dot, (0.5, 1.0))[1:4, 1:4, 0].astype(int) - 100
    # 10 * (0.5 * identity + 0.5 * [[-2, -1, 0], [-1, 1, 1], [0, 1, 2]]), turned by 180 degrees around the dot
    np.testing.assert_array_equal(out, [[10, 5, 0], [5, 10, -5], [0, -5, -10]])


def test_motion_blur_averages_along_a_line():
    np.random.seed(0)
    sides = set()
    for _ in range(100):
        kernel = MotionBlur().draw((1, 1, 3))
        sides.add(kernel.shape)
        weights = kernel[kernel > 0]
        assert kernel.sum() == pytest.approx(1) and len(weights) >= 2 and np.ptp(weights) == 0
    assert sides == {(3, 3), (5, 5), (7, 7)}
    row = np.zeros((3, 3))
    row[1] = 1 / 3
    dot = np.zeros((5, 7, 3), np.uint8)
    dot[2, 3] = 90
    out = MotionBlur().apply(dot, row)
    np.testing.assert_array_equal(out[2, :, 0], [0, 0, 30, 30, 30, 0, 0])
    assert out.sum() == 3 * 90


@pytest.mark.parametrize(('step', 'expected'), [
    (('brightness', 0.5), [[[5, 50, 100]]]),
    (('contrast', 1.0), [[[10, 100, 200]]]),
    (('saturation', 0.0), [[[120, 120, 120]]]),  # 0.299 R + 0.587 G + 0.114 B = 119.6
    (('hue', 0.0), [[[10, 100, 200]]]),
    (('contrast', 0.0), [[[120, 120, 120]]]),
])
def test_jitter_steps(step, expected):
    out = ColourJitter().apply(np.array([[[10, 100, 200]]], np.uint8), [step])
    assert np.abs(out.astype(int) - expected).max() <= 1


def test_jitter_draws_each_step_once_in_any_order_within_limits():
    np.random.seed(0)
    orders = set()
    for _ in range(200):
        steps = ColourJitter(0.1, 0.2, 0.3, 0.4).draw((1, 1, 3))
        orders.add(tuple(name for name, _ in steps))
        values = dict(steps)
        assert abs(values['brightness'] - 1) <= 0.1 and abs(values['contrast'] - 1) <= 0.2
        assert abs(values['saturation'] - 1) <= 0.3 and abs(values['hue']) <= 0.4
    assert len(orders) == 24


@pytest.mark.parametrize(('build', 'message'), [
    (lambda: GaussianNoise(var=(50, 10)), 'GaussianNoise.var'),
    (lambda: MotionBlur(kernel=(4, 6)), 'MotionBlur.kernel: expected odd sides'),
    (lambda: MotionBlur(kernel=(1, 3)), 'MotionBlur.kernel'),
    (lambda: Emboss(alpha=(0.2, 1.5)), 'Emboss.alpha'),
    (lambda: ColourJitter(hue=0.6), 'ColourJitter.hue'),
    (lambda: HueSaturationValue(hue=-1), 'HueSaturationValue.hue'),
    (lambda: BrightnessContrast(contrast=-0.1), 'BrightnessContrast.contrast'),
    (lambda: RandomGamma(gamma=(0, 10)), 'RandomGamma.gamma'),
])
def test_wrong_arguments_are_named(build, message):
    with pytest.raises(ValueError, match=message):
        build()


def test_gaussian_blur_is_that_of_its_sigma():
    impulse = np.zeros((21, 21, 3), np.uint8)
    impulse[10, 10] = 255
    blurred = GaussianBlur().apply(impulse, 1.5)[..., 0].astype(float)
    y, x = np.mgrid[-10:11, -10:11]
    gauss = np.exp(-(x ** 2 + y ** 2) / (2 * 1.5 ** 2))
    np.testing.assert_allclose(blurred, 255 * gauss / gauss.sum(), atol=1.5)
    draws = [GaussianBlur((0.1, 2.0)).draw(impulse.shape) for _ in range(50)]
    assert 0.1 <= min(draws) < 0.5 and 1.6 < max(draws) <= 2.0
