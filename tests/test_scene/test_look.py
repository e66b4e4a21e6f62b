"""Pictures of scenes of other than three bands."""

import numpy as np
import pytest
import rasterio
from rasterio.enums import ColorInterp

from schanger_mm.geo.errors import SceneError
from schanger_mm.geo.pair import PairSpec, open_pair
from schanger_mm.geo.reading import Reading
from schanger_mm.geo.scaling import Range, Scaling
from schanger_mm.scene.checks import pair_warnings
from schanger_mm.scene.look import Look, check_shown, parse_shown
from schanger_mm.scene.page import write_page
from schanger_mm.scene.pictures import NO_DATA_GREY, take_picture

SCALED = Reading(None, Range(0, 10_000))


@pytest.fixture
def result(write_raster):
    """Two maps of no change of 24 x 32 px."""
    empty = np.zeros((1, 24, 32), np.uint8)
    return [write_raster(name, empty, nodata=255) for name in ('change.tif', 'probability.tif')]


def pair(write_raster, bands, low=100, high=2000, **options):
    """A pair of random values, and the values."""
    values = np.random.default_rng(0).integers(low, high, (2, bands, 24, 32)).astype(np.uint16)
    paths = [write_raster(name, date, **options) for name, date in zip(('a.tif', 'b.tif'), values)]
    return paths, values


@pytest.mark.parametrize(('bands', 'shown'), [(1, (0, 0, 0)), (2, (0, 0, 0)), (4, (2, 1, 0)), (13, (3, 2, 1))])
def test_a_picture_shows_three_bands_and_is_not_black(write_raster, result, bands, shown):
    paths, values = pair(write_raster, bands)
    with open_pair(PairSpec(*paths, count=bands, trained=SCALED)) as source:
        look = Look.of(source)
        picture = take_picture(source, *result, (0, 0, 32, 24), 32)
    assert look.shown == shown
    chosen = values[:, list(shown)].astype(float) * 255 / 10_000
    low, high = np.percentile(chosen, (2, 98))
    assert (look.low, look.high) == pytest.approx((low, high), rel=1e-4)
    expected = ((chosen - low) * 255 / (high - low)).clip(0, 255).transpose(0, 2, 3, 1)
    np.testing.assert_allclose(picture.dates, expected, atol=0.6)
    assert 100 < picture.dates.mean() < 155 and chosen.mean() < 30


def test_marked_colours_come_first_and_a_choice_before_all(write_raster, result):
    paths, _ = pair(write_raster, 5)
    with rasterio.open(paths[0], 'r+') as raster:
        raster.colorinterp = [ColorInterp[use] for use in ('undefined', 'blue', 'green', 'red', 'undefined')]
    with open_pair(PairSpec(*paths, count=5, trained=SCALED)) as source:
        assert Look.of(source).shown == (3, 2, 1)
        assert Look.of(source, (5, 5, 1)).shown == (4, 4, 0)
    with open_pair(PairSpec(*paths, (5, 4, 3, 2, 1), count=5, trained=SCALED)) as source:
        assert Look.of(source).shown == (1, 2, 3)


def test_8_bit_values_and_a_range_of_the_user_are_shown_as_they_are(write_raster, noise, result):
    paths = [write_raster(name, noise(24, 32, 4, seed), photometric='minisblack')
             for seed, name in enumerate(('c.tif', 'd.tif'))]
    with open_pair(PairSpec(*paths, count=4)) as source:
        assert Look.of(source) == Look((2, 1, 0))
        found = take_picture(source, *result, (0, 0, 32, 24), 32).dates
        np.testing.assert_array_equal(found[1], noise(24, 32, 4, 1)[2::-1].transpose(1, 2, 0))
    paths, values = pair(write_raster, 3)
    with open_pair(PairSpec(*paths, scaling=Scaling.parse('0:10000'))) as source:
        assert Look.of(source) == Look((0, 1, 2))
    with open_pair(PairSpec(*paths, trained=SCALED)) as source:
        assert Look.of(source).high == pytest.approx(np.percentile(values, 98) * 255 / 10_000, rel=1e-4)


def test_one_value_and_pixels_without_data_are_no_trouble(write_raster, result):
    values = np.full((4, 24, 32), 500, np.uint16)
    values[3, :, :8] = 0  # of a band that is not shown
    paths = [write_raster(name, values, nodata=0) for name in ('a.tif', 'b.tif')]
    with open_pair(PairSpec(*paths, count=4, trained=SCALED)) as source:
        assert Look.of(source) == Look((2, 1, 0))
        picture = take_picture(source, *result, (0, 0, 32, 24), 32)
    assert (picture.dates[:, :, :8] == NO_DATA_GREY).all() and (picture.dates[:, :, 8:] == 13).all()


@pytest.mark.parametrize('show', [(1, 2), (0, 1, 2), (1, 2, 5)])
def test_bands_that_are_not_there_cannot_be_shown(show):
    found = ','.join(map(str, show))
    with pytest.raises(SceneError, match=f'--show-bands: expected three numbers from 1 to 4, .* found {found}'):
        check_shown(show, 4)
    check_shown((4, 4, 4), 4)
    check_shown(None, 4)


def test_the_option_is_a_list_of_numbers():
    assert parse_shown('4,3,2') == (4, 3, 2)
    with pytest.raises(SceneError, match="--show-bands: invalid, '4;3'"):
        parse_shown('4;3')


def test_the_page_says_which_bands_it_shows(write_raster, result, tmp_path):
    paths, _ = pair(write_raster, 4)
    (tmp_path / 'none.geojson').write_text('{"type": "FeatureCollection", "features": []}')
    spec = PairSpec(*paths, (4, 3, 2, 1), count=4, trained=SCALED)
    for show, words in ((None, 'bands 2, 3, 4, stretched.'), ((1, 2, 3), 'bands 4, 3, 2, stretched.')):
        write_page(tmp_path / 'page.html', spec, *result, tmp_path / 'none.geojson', {}, overwrite=True, show=show)
        assert f'Shown as red, green and blue: {words}' in (tmp_path / 'page.html').read_text()


def test_values_in_another_unit_than_those_of_the_training_are_warned_about(write_raster):
    values = np.random.default_rng(0).random((2, 4, 24, 32), np.float32)
    paths = [write_raster(name, date) for name, date in zip(('a.tif', 'b.tif'), values)]
    with open_pair(PairSpec(*paths, count=4, trained=SCALED)) as source:
        found = [text for text in pair_warnings(source) if 'hardly differ' in text]
    assert len(found) == 2
    assert 'a.tif: its values hardly differ in the range of the training, --scale 0:10000' in found[0]
    paths, _ = pair(write_raster, 4)
    with open_pair(PairSpec(*paths, count=4, trained=SCALED)) as source:
        assert not any('hardly' in text for text in pair_warnings(source))
