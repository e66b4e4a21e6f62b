import base64
import io

import cv2
import numpy as np
import pytest
import rasterio
from matplotlib import colormaps
from PIL import Image
from rasterio.enums import Resampling

from schanger_mm.geo.errors import SceneError
from schanger_mm.geo.pair import PairSpec, open_pair
from schanger_mm.scene import pictures
from schanger_mm.scene.pictures import (
    NO_DATA_GREY,
    change_overlay,
    photo,
    probability_overlay,
    reduce_by_area,
    take_picture,
)


@pytest.fixture
def result(write_raster):
    """A 40 x 60 pair with a nodata stripe, and its result; returns the spec and both paths."""
    before, after = np.full((3, 40, 60), 50, np.uint8), np.full((3, 40, 60), 100, np.uint8)
    after[0, :, 30:] = 200
    after[:, :, 56:] = 0
    change = np.zeros((1, 40, 60), np.uint8)
    change[:, :10, :30] = 1
    change[:, :, 56:] = 255
    probability = np.where(change == 1, 254, change)
    return (PairSpec(write_raster('a.tif', before), write_raster('b.tif', after, nodata=0)),
            write_raster('change.tif', change, nodata=255), write_raster('probability.tif', probability, nodata=255))


def take(result, box, longest):
    spec, change, probability = result
    with open_pair(spec) as source:
        return take_picture(source, change, probability, box, longest)


def decode(uri):
    return Image.open(io.BytesIO(base64.b64decode(uri.partition(',')[2])))


def test_a_picture_is_the_mean_of_its_pixels(result):
    picture = take(result, (0, 0, 60, 40), 15)

    assert picture.dates.shape == (2, 10, 15, 3)
    assert (picture.dates[0, :, :14] == 50).all()
    assert picture.dates[1, 0, 6:9].tolist() == [[100] * 3, [150, 100, 100], [200, 100, 100]]
    assert (picture.dates[:, :, 14] == NO_DATA_GREY).all()
    assert picture.changed[:, 0].tolist() == [1, 1, 0.5, 0, 0, 0, 0, 0, 0, 0]
    assert picture.changed[0, 7] == 0.5
    assert picture.probability[0, [0, 7, 8, 14]].tolist() == [1, 0.5, 0, 0]


@pytest.mark.parametrize('size', [(10, 7), (60, 40), (33, 21), (1, 1), (59, 39)])
def test_areas_are_averaged_as_opencv_does(size):
    image = (np.random.default_rng(0).random((40, 60)) < 0.3).astype(np.float32)
    found = reduce_by_area(image, size)
    assert found.dtype == np.float32 and found.shape == size[::-1]
    np.testing.assert_allclose(found, cv2.resize(image, size, interpolation=cv2.INTER_AREA), atol=1e-6)


def test_the_colours_are_those_of_matplotlib():
    expected = colormaps['plasma'](np.linspace(0.2, 1, pictures.SHADES))[:, :3] * 255
    np.testing.assert_array_equal(pictures.PLASMA, expected.astype(np.uint8))


def test_small_boxes_are_not_enlarged(result):
    picture = take(result, (25, 5, 10, 8), 448)

    assert picture.dates.shape == (2, 8, 10, 3)
    assert picture.changed.sum() == 5 * 5


def test_the_pieces_do_not_show(result, monkeypatch):
    whole = take(result, (0, 0, 60, 40), 15)
    monkeypatch.setattr(pictures, 'PIECE', 9)
    pieces = take(result, (0, 0, 60, 40), 15)

    assert abs(whole.dates.astype(int) - pieces.dates).max() <= 1  # float sums in another order
    np.testing.assert_allclose(whole.changed, pieces.changed, atol=1e-6)
    np.testing.assert_allclose(whole.probability, pieces.probability, atol=1e-6)


def test_overviews_are_used_where_there_are_some(result):
    spec, _, _ = result
    with rasterio.open(spec.before, 'r+') as raster:
        raster.build_overviews([4])
    with rasterio.open(spec.before, 'r+', overview_level=0) as overview:
        overview.write(np.full((3, 10, 15), 77, np.uint8))
    picture = take(result, (0, 0, 60, 40), 15)

    assert (picture.dates[0, :, :14] == 77).all()
    assert (picture.dates[1, :, :7] == 100).all()
    assert (take(result, (0, 0, 30, 20), 30).dates[0] == 50).all()  # not reduced: no overview


def test_a_single_changed_pixel_is_not_lost_in_overviews(result):
    _, change, _ = result
    with rasterio.open(change, 'r+') as raster:
        raster.write(np.zeros((1, 40, 60), np.uint8))
        raster.write(np.ones((1, 1, 1), np.uint8), window=((21, 22), (31, 32)))
        raster.build_overviews([4], Resampling.nearest)
    picture = take(result, (0, 0, 60, 40), 15)

    assert picture.changed[5, 7] == 1 / 16 and picture.changed.sum() == 1 / 16


def test_a_result_of_another_pair_is_refused(result, write_raster):
    spec, _, probability = result
    other = write_raster('other.tif', np.zeros((1, 40, 61), np.uint8))

    with pytest.raises(SceneError, match=r'other.tif has 61 x 40 px and the pair 60 x 40 px'):
        take((spec, other, probability), (0, 0, 60, 40), 20)


def test_encoded_pictures_decode_to_what_they_were():
    image = np.full((20, 30, 3), (200, 100, 50), np.uint8)
    alpha = np.asarray(decode(change_overlay(np.array([[0, 0.01, 1]]))).convert('RGBA'))
    shades = np.asarray(decode(probability_overlay(np.array([[0, 0.5, 1]]))).convert('RGBA'))

    assert abs(np.asarray(decode(photo(image)), int) - image).max() <= 8
    assert alpha[0, :, 3].tolist() == [0, 102, 255]  # the least change is still seen
    assert alpha[0, 2, :3].tolist() == [255, 45, 120]
    assert shades[0, :, 3].tolist() == [0, 136, 255]
