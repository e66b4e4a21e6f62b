import numpy as np
import pytest

from schanger_mm.utils.band_order import shown_bands, turned


def test_only_three_bands_are_turned():
    for count, order in ((1, [0]), (2, [0, 1]), (3, [2, 1, 0]), (4, [0, 1, 2, 3])):
        image = np.arange(count)[None, :, None]
        np.testing.assert_array_equal(turned(image, 1)[0, :, 0], order)


@pytest.mark.parametrize(('count', 'marked', 'shown'), [
    (1, None, (0, 0, 0)), (2, (1, 0, 1), (0, 0, 0)), (3, (2, 1, 0), (0, 1, 2)), (4, None, (2, 1, 0)),
    (4, (0, 1, 2), (0, 1, 2)), (10, None, (2, 1, 0)), (12, None, (3, 2, 1)), (13, None, (3, 2, 1))])
def test_pictures_show_what_is_marked_or_usual(count, marked, shown):
    assert shown_bands(count, marked) == shown
