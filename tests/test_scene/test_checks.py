import numpy as np
import pytest

from schanger_mm.scene.checks import pair_warnings
from schanger_mm.scene.errors import SceneError
from schanger_mm.scene.shift import Shift
from schanger_mm.scene.source import PairSpec, open_pair


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
