import numpy as np
import pytest

from schanger_mm.utils.band_order import as_picture, shown_bands, turned


def test_only_three_bands_are_turned():
    for count, order in ((1, [0]), (2, [0, 1]), (3, [2, 1, 0]), (4, [0, 1, 2, 3])):
        image = np.arange(count)[None, :, None]
        np.testing.assert_array_equal(turned(image, 1)[0, :, 0], order)


@pytest.mark.parametrize(('count', 'marked', 'shown'), [
    (1, None, (0, 0, 0)), (2, (1, 0, 1), (0, 0, 0)), (3, (2, 1, 0), (0, 1, 2)), (4, None, (2, 1, 0)),
    (4, (0, 1, 2), (0, 1, 2)), (10, None, (2, 1, 0)), (12, None, (3, 2, 1)), (13, None, (3, 2, 1))])
def test_pictures_show_what_is_marked_or_usual(count, marked, shown):
    assert shown_bands(count, marked) == shown


def test_an_image_in_memory_becomes_a_picture():
    image = np.random.default_rng(0).integers(0, 256, (5, 6, 4), np.uint8)
    np.testing.assert_array_equal(as_picture(image), image[..., 2::-1])
    np.testing.assert_array_equal(as_picture(image[..., :3]), image[..., 2::-1])  # B, G, R
    np.testing.assert_array_equal(as_picture(image[..., :1]), np.repeat(image[..., :1], 3, axis=2))
    dark = as_picture(np.linspace(10, 20, 400, dtype=np.float32).reshape(10, 10, 4))
    assert dark.dtype == np.uint8 and (dark.min(), dark.max()) == (0, 255) and 120 < dark.mean() < 135
    assert (as_picture(np.full((4, 4, 4), 7, np.float32)) == 0).all()
