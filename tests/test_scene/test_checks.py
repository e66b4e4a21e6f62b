import cv2
import numpy as np
import pytest

from schanger_mm.geo.errors import SceneError
from schanger_mm.geo.pair import PairSpec, open_pair
from schanger_mm.scene.checks import Shift, estimate_shift, pair_warnings


def warnings_of(before, after, trained_gsd=None, shift=None, **settings):
    with open_pair(PairSpec(before, after, **settings)) as source:
        return pair_warnings(source, trained_gsd, shift)


def test_an_ordinary_pair_gives_none(write_raster, noise):
    assert warnings_of(write_raster('a.tif', noise()), write_raster('b.tif', noise(seed=2)), 0.5,
                       Shift(0.3, -0.2, 0.1, 9)) == []


def test_one_file_for_both_dates(write_raster, noise, tmp_path):
    path = write_raster('a.tif', noise())
    (tmp_path / 'link.tif').symlink_to(path)
    for after in (path, str(tmp_path / 'link.tif')):
        assert [text.split(': ')[1] for text in warnings_of(path, after)] == [
            'both dates are this one file, so nothing has changed in it.']


@pytest.mark.parametrize('columns, warned', [(4, False), (5, True)])  # of 96
def test_a_black_border_without_a_nodata_value(write_raster, noise, columns, warned):
    image = noise(64, 96)
    image[:, :, :columns] = 0
    before, after = write_raster('a.tif', image), write_raster('b.tif', noise(64, 96, seed=2))
    found = warnings_of(before, after)
    assert len(found) == warned and all('a.tif: 5.2% of' in text and 'set --nodata 0' in text for text in found)
    assert warnings_of(before, after, nodata=0) == []
    assert warnings_of(write_raster('c.tif', image, nodata=0), after) == []


def test_a_pixel_is_missing_where_all_bands_are_nodata(write_raster, noise):
    image = noise(64, 96)
    image[image == 0] = 1
    image[:, :, :20] = 0
    image[1, :8] = 0  # dark in one band: ground
    spec = PairSpec(write_raster('a.tif', image, nodata=0), write_raster('b.tif', noise(64, 96, seed=2)))
    with open_pair(spec) as source:
        valid = source.read(0, 0, 96, 64).valid
    assert not valid[:, :20].any() and valid[:, 20:].all()


def test_alpha_of_many_values_may_be_near_infrared(write_raster, noise):
    image = noise(64, 96, bands=4)
    mask = np.concatenate([image[:3], np.full((1, 64, 96), 255, np.uint8)])
    mask[3, :20], mask[3, 20:23] = 0, 128  # 4.7 % of it blurred
    paths = [write_raster(name, array, alpha=True) for name, array in (('nir.tif', image), ('mask.tif', mask))]
    (found,) = warnings_of(*paths)
    assert 'nir.tif: a band is marked as alpha, but 100% of' in found and found.endswith('set --ignore-alpha.')
    assert warnings_of(*paths, ignore_alpha=True) == []


def test_images_without_a_place_and_scenes_of_another_distance(write_raster, noise):
    before, after = write_raster('a.png', noise()), write_raster('b.png', noise(seed=2))
    assert ['a.png: no CRS, so the results carry none' in text for text in warnings_of(before, after, 0.5)] == [True]
    path = write_raster('a.tif', noise())
    found = warnings_of(path, write_raster('b.tif', noise(seed=2)), 2.0, Shift(3, 0, 0.1, 9))
    assert len(found) == 2 and '4.0 times too large' in found[0] and '3.0 px off' in found[1]


def test_a_truncated_raster_is_found_before_the_work_begins(write_raster, noise):
    path = write_raster('a.tif', np.tile(noise(), (1, 10, 10)))
    with open(path, 'r+b') as file:
        file.truncate(1_000_000)
    with pytest.raises(SceneError, match='a.tif: .* truncated'):
        warnings_of(path, path)


SIDE = 400


def measure(write_raster, before, after, seed=0, **options):
    with open_pair(PairSpec(write_raster('a.tif', before), write_raster('b.tif', after, **options))) as source:
        return estimate_shift(source, seed)


def moved(image, right, down):
    """The content of an image, moved by a part of a pixel."""
    matrix = np.float32([[1, 0, right], [0, 1, down]])
    return np.stack([cv2.warpAffine(band, matrix, band.shape[::-1], flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_WRAP)
                     for band in image])


@pytest.mark.parametrize('right, down', [(0, 0), (3, 0), (-3, 5), (0.4, 0), (-0.4, 1.7)])
def test_a_known_shift_is_measured_to_a_tenth_of_a_pixel(write_raster, noise, right, down):
    image = noise(SIDE, SIDE)
    shift = measure(write_raster, image, moved(image, right, down))
    assert (shift.right, shift.down) == pytest.approx((right, down), abs=0.11)
    assert shift.windows == 9 and shift.reliable and shift.spread < 0.1
    assert (shift.warning() is None) == (shift.size <= 2)


def test_dates_of_other_brightness_contrast_and_content_are_matched(write_raster, noise):
    image = noise(SIDE, SIDE)
    after = 200 - 0.5 * moved(image, 3, -2).astype(float) ** 1.2 / 5
    after[:, 100:160, 200:260] = 20  # a new roof
    after += np.random.default_rng(0).normal(0, 5, after.shape)
    shift = measure(write_raster, 255 - image, np.clip(after, 1, 255).astype(np.uint8))
    assert (shift.right, shift.down) == pytest.approx((3, -2), abs=0.2) and shift.reliable
    assert shift.warning().startswith('the later date lies 3.')
    assert Shift(3.0, -2.0, 0.1, 9).warning().startswith(
        'the later date lies 3.6 px off the earlier one (+3.0 px to the right, -2.0 px down; 9 windows, spread 0.1 px)')


def test_unrelated_dates_give_no_warning(write_raster, noise):
    shift = measure(write_raster, noise(SIDE, SIDE, seed=1), noise(SIDE, SIDE, seed=2))
    assert not shift.reliable and shift.spread > 4 and shift.warning() is None


def test_only_windows_with_data_in_both_dates_count(write_raster, noise):
    image = noise(600, 600)
    after = moved(image, 3, 0)
    after[:, :, :300] = 0
    shift = measure(write_raster, image, after, nodata=0)
    assert shift.windows == 3 and shift.right == pytest.approx(3, abs=0.1)


@pytest.mark.parametrize('value', [0, 90])
def test_without_anything_to_match_there_is_no_estimate(write_raster, value):
    flat = np.full((3, SIDE, SIDE), value, np.uint8)
    shift = measure(write_raster, flat, flat, nodata=0)
    assert shift.windows == 0 and np.isnan(shift.size) and not shift.reliable and shift.warning() is None


def test_a_seed_repeats_the_choice_of_windows(write_raster, noise):
    before, after = noise(1400, 1400, seed=1), noise(1400, 1400, seed=2)
    first = measure(write_raster, before, after, seed=3)
    assert measure(write_raster, before, after, seed=3) == first


def test_a_scene_smaller_than_a_window(write_raster, noise):
    image = noise(20, 30)
    shift = measure(write_raster, image, image)
    assert shift.windows == 1 and shift.size == 0 and not shift.reliable


def test_few_or_scattered_windows_are_not_trusted():
    assert Shift(3, 0, 0.1, 3).reliable and not Shift(3, 0, 0.1, 2).reliable and not Shift(3, 0, 5.0, 9).reliable
