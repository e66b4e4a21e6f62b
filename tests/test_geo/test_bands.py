"""Rasters and pairs of other than three bands."""

from contextlib import closing

import numpy as np
import pytest
import rasterio
from rasterio.enums import ColorInterp

from schanger_mm.geo.errors import SceneError
from schanger_mm.geo.pair import PairSpec, open_pair
from schanger_mm.geo.raster import Raster
from schanger_mm.geo.reading import Reading
from schanger_mm.geo.scaling import Range, Scaling


def reflectance(bands, seed=0, height=20, width=30):
    return np.random.default_rng(seed).integers(1, 3000, (bands, height, width)).astype(np.uint16)


def marked(path, *uses):
    with rasterio.open(path, 'r+') as raster:
        raster.colorinterp = [ColorInterp[use] for use in uses]
    return path


@pytest.mark.parametrize('count', [1, 2, 4, 5, 13])
def test_all_bands_are_read_in_their_order_or_as_named(write_raster, count):
    values = reflectance(count)
    path = write_raster('a.tif', values)
    with closing(Raster(path, count=count)) as raster:
        found, valid = raster.read(3, 4, 10, 5)
        assert raster.bands == list(range(1, count + 1)) and valid.all()
        np.testing.assert_array_equal(found, values[:, 4:9, 3:13])
        assert raster.read_reduced(0, 0, 30, 20, (15, 10))[0].shape == (count, 10, 15)
    backwards = tuple(range(count, 0, -1))
    with closing(Raster(path, backwards, count=count)) as raster:
        np.testing.assert_array_equal(raster.read(0, 0, 30, 20)[0], values[::-1])


@pytest.mark.parametrize(('there', 'count', 'message'), [
    (6, 4, r'the model needs 4 bands, found 6; choose them in the order of the training: --bands 1,2,3,4, for'),
    (3, 4, r'the model needs 4 bands, found 3; take a raster that has them, .*--bands with 4 numbers, such as 1,2,3,4'),
    (1, 13, r'the model needs 13 bands, found 1; .*1,2,3,4,5,6,7,8,9,10,11,12,13'),
])
def test_another_number_of_bands_is_refused(write_raster, there, count, message):
    path = write_raster('a.tif', reflectance(there))
    with pytest.raises(SceneError, match=message):
        Raster(path, count=count)


def test_the_names_of_the_bands_help_to_choose(write_raster):
    path = write_raster('a.tif', reflectance(5))
    with rasterio.open(path, 'r+') as raster:
        raster.descriptions = ('B02', 'B03', 'B04', 'B08', 'SCL')
    with pytest.raises(SceneError, match=r'the raster calls them 1 \(B02\), 2 \(B03\)'):
        Raster(path, count=4)
    with closing(Raster(path, (4, 1), count=2)) as raster:
        assert raster.names == ('B08', 'B02')


def test_a_band_of_near_infrared_marked_as_alpha_is_explained_and_read(write_raster):
    values = np.random.default_rng(0).integers(0, 256, (4, 20, 30), np.uint8)
    path = write_raster('a.tif', values, alpha=True)
    with pytest.raises(SceneError, match='the model needs 4 bands, found 3 and an alpha band; .*set --ignore-alpha'):
        Raster(path, count=4)
    for options in (dict(ignore_alpha=True), dict(bands=(1, 2, 3, 4))):
        with closing(Raster(path, count=4, **options)) as raster:
            found, valid = raster.read(0, 0, 30, 20)
            np.testing.assert_array_equal(found, values)
            assert valid.all() and (values[3] == 0).any()
    with closing(Raster(path, count=None)) as raster:
        assert raster.bands == [1, 2, 3]
        assert not raster.read(0, 0, 30, 20)[1].all()


def test_colours_are_those_that_a_raster_marks(write_raster):
    path = marked(write_raster('a.tif', reflectance(5)), 'blue', 'green', 'red', 'undefined', 'undefined')
    with closing(Raster(path, count=5)) as raster:
        assert raster.bands == [1, 2, 3, 4, 5] and raster.colours == (2, 1, 0)
    with closing(Raster(path, (4, 3, 5, 2, 1), count=5)) as raster:
        assert raster.colours == (1, 3, 4)
    with closing(Raster(path, (1, 4), count=2)) as raster:
        assert raster.colours is None


@pytest.mark.parametrize(('dtype', 'lacking', 'nodata'), [('uint16', 1, True), ('uint8', 1, False), ('uint8', 4, True)])
def test_pixels_lack_data_as_with_three_bands(write_raster, dtype, lacking, nodata):
    values = np.full((4, 8, 8), 7, dtype)
    values[:lacking, 2, 3] = 0
    plain = dict(photometric='minisblack')
    for path, options in ((write_raster('a.tif', values, nodata=0, **plain), {}),
                          (write_raster('b.tif', values, **plain), dict(nodata=0))):
        with closing(Raster(path, count=4, **options)) as raster:
            valid = raster.read(0, 0, 8, 8)[1]
            assert valid[2, 3] != nodata and valid.sum() == 64 - nodata


def test_a_pair_is_scaled_by_one_rule_over_all_bands(write_raster):
    before, after = reflectance(4, 1), reflectance(4, 2)
    paths = write_raster('a.tif', before), write_raster('b.tif', after)
    with open_pair(PairSpec(*paths, scaling=Scaling.parse('0:3000'), count=4)) as source:
        images = source.read(0, 0, 30, 20).images
        assert source.bands == 4 and source.notes == []
        np.testing.assert_allclose(images, np.stack([before, after]) * (255 / 3000), rtol=1e-6)
        reduced = source.read_reduced(0, 0, 30, 20, (30, 20), (3, 1)).images
        np.testing.assert_array_equal(reduced, images[:, [3, 1]])
    with open_pair(PairSpec(*paths, ((4, 3, 2, 1), (1, 2, 3, 4)), Scaling.parse('0:3000'), count=4)) as source:
        np.testing.assert_array_equal(source.read(0, 0, 30, 20).images, np.stack([images[0, ::-1], images[1]]))
    with open_pair(PairSpec(*paths, scaling=Scaling.parse('p2:p98'), count=4)) as source:
        low, high = np.percentile(before, (2, 98))
        assert (source.spec.scaling.before.low, source.spec.scaling.before.high) == (low, high)


@pytest.mark.parametrize(('bands', 'count', 'message'), [
    ((1, 2, 3), 4, '--bands: expected 4 numbers from 1 up, as the model needs 4 bands, .* found 1,2,3'),
    (((1, 2, 3, 4), (1, 2)), 4, 'found 1,2'), ((0, 1, 2, 3), 4, 'found 0,1,2,3'),
    ((1, 2, 3, 4), 3, 'expected 3 numbers')])
def test_another_number_of_named_bands_is_refused(bands, count, message):
    with pytest.raises(SceneError, match=message):
        PairSpec('a.tif', 'b.tif', bands, count=count)


def test_dates_of_different_numbers_are_refused(write_raster):
    four, five = write_raster('a.tif', reflectance(4)), write_raster('b.tif', reflectance(5))
    with pytest.raises(SceneError, match=r'a\.tif has 4 bands and .*b\.tif 5; expected the same number'):
        open_pair(PairSpec(four, five, scaling=Scaling.parse('0:3000'), count=None))
    with pytest.raises(SceneError, match=r'b\.tif: the model needs 4 bands, found 5'):
        open_pair(PairSpec(four, five, scaling=Scaling.parse('0:3000'), count=4))


def test_bands_and_scale_of_the_training_are_taken_and_said(write_raster):
    before, after = reflectance(13, 1), reflectance(13, 2)
    paths = write_raster('a.tif', before), write_raster('b.tif', after)
    trained = Reading((8, 4, 3, 2), Range(0, 3000))
    with open_pair(PairSpec(*paths, count=4, trained=trained)) as source:
        assert source.spec.bands == (8, 4, 3, 2) and str(source.spec.scaling) == '0:3000'
        assert source.notes == ['bands as in the training: --bands 8,4,3,2',
                                'values as in the training: --scale 0:3000']
        images, spec = source.read(0, 0, 30, 20).images, source.spec
    np.testing.assert_allclose(images[0], before[[7, 3, 2, 1]] * (255 / 3000), rtol=1e-6)
    with open_pair(spec) as source:  # what workers open
        assert source.notes == []
        np.testing.assert_array_equal(source.read(0, 0, 30, 20).images, images)
    given = PairSpec(*paths, (1, 2, 3, 4), Scaling.parse('0:1000'), count=4, trained=trained)
    with open_pair(given) as source:
        assert source.spec.bands == (1, 2, 3, 4) and str(source.spec.scaling) == '0:1000' and source.notes == []


def test_a_raster_without_the_bands_of_the_training_is_read_by_its_own(write_raster):
    four, thirteen = write_raster('a.tif', reflectance(4)), write_raster('b.tif', reflectance(13))
    trained = Reading((8, 4, 3, 2), Range(0, 3000))
    with pytest.raises(SceneError, match=r'a\.tif: lacks some of the bands 8,4,3,2 that the training took, '):
        open_pair(PairSpec(four, thirteen, count=4, trained=trained))
    with open_pair(PairSpec(thirteen, thirteen, count=4, trained=trained)) as source:
        assert source.spec.bands == (8, 4, 3, 2)
        assert source.notes[0] == 'bands as in the training: --bands 8,4,3,2'
    with open_pair(PairSpec(four, four, count=4, trained=trained)) as source:
        assert source.spec.bands is None and source.before.bands == [1, 2, 3, 4]
        assert source.notes == ['values as in the training: --scale 0:3000']
    alpha = write_raster('c.tif', np.full((4, 20, 30), 9, np.uint8), alpha=True)
    with pytest.raises(SceneError, match='--ignore-alpha'):  # not silently as data
        Raster(alpha, count=4, trained=(1, 2, 3, 4))
    with closing(Raster(alpha, trained=(4, 2, 1))) as raster:
        assert raster.bands == [1, 2, 3]


def test_bands_of_the_training_that_a_raster_marks_otherwise_are_not_taken(write_raster):
    path = marked(write_raster('a.tif', reflectance(3)), 'red', 'green', 'blue')
    with pytest.raises(SceneError, match=r'marks the bands 1,2,3 as red, green and blue, .* bands 3,2,1 .*'
                                         '--bands 1,2,3 or --bands 3,2,1'):
        Raster(path, trained=(3, 2, 1))
    turned = marked(write_raster('b.tif', reflectance(3)), 'blue', 'green', 'red')
    for chosen in (dict(trained=(3, 2, 1)), dict(bands=(3, 2, 1), trained=(1, 2, 3))):
        with closing(Raster(turned, **chosen)) as raster:
            assert raster.bands == [3, 2, 1]


def test_dates_with_the_same_bands_in_another_order_are_refused(write_raster):
    before, after = write_raster('a.tif', reflectance(2)), write_raster('b.tif', reflectance(2))
    for path, names in ((before, ('B04', 'B08')), (after, ('B08', 'B04'))):
        with rasterio.open(path, 'r+') as raster:
            raster.descriptions = names
    spec = dict(count=2, scaling=Scaling.parse('0:3000'))
    with pytest.raises(SceneError, match=r'a\.tif has the bands B04, B08; .*b\.tif has .* another order, B08, B04'):
        open_pair(PairSpec(before, after, **spec))
    with open_pair(PairSpec(before, after, bands=((1, 2), (2, 1)), **spec)) as source:
        assert source.before.names == source.after.names == ('B04', 'B08')


def test_8_bit_values_for_a_network_of_scaled_ones_are_refused(write_raster, noise):
    paths = write_raster('a.tif', noise(bands=4)), write_raster('b.tif', noise(bands=4, seed=1))
    trained = Reading(None, Range(0, 3000))
    spec = PairSpec(*paths, count=4, trained=trained, ignore_alpha=True)
    with pytest.raises(SceneError, match=r'a\.tif: holds 8-bit values, .* scaled from 0:3000 .*--scale none'):
        open_pair(spec)
    with open_pair(PairSpec(*paths, scaling=Scaling.parse('none'), count=4, trained=trained, ignore_alpha=True)) as one:
        assert one.read(0, 0, 8, 8).images.max() > 1 and str(one.spec.scaling) == 'none'


def test_stored_values_keep_their_type(write_raster):
    before, after = reflectance(4, 1), reflectance(4, 2)
    paths = write_raster('a.tif', before), write_raster('b.tif', after)
    with open_pair(PairSpec(*paths, count=None, stored=True)) as source:
        images = source.read(0, 0, 30, 20).images
        assert source.as_stored and images.dtype == np.uint16
        np.testing.assert_array_equal(images, np.stack([before, after]))
    other = write_raster('c.tif', after.astype(np.float32))
    with pytest.raises(SceneError, match=r'a\.tif holds uint16 and .*c\.tif float32; .*need one type'):
        open_pair(PairSpec(paths[0], other, count=None, stored=True))
