import itertools
import json
import pickle
import threading

import numpy as np
import pytest
import rasterio
from hypothesis import given, settings
from hypothesis import strategies as st
from rasterio.enums import ColorInterp
from rasterio.transform import Affine
from rasterio.warp import Resampling, calculate_default_transform, reproject

from schanger_mm.geo.errors import SceneError
from schanger_mm.geo.pair import PairSpec, open_pair, parse_bands
from schanger_mm.geo.scaling import Range, Scaling


@pytest.fixture
def pair(write_raster, noise):
    """Two dates on one grid, 64 x 80, and their arrays."""
    arrays = noise(seed=1), noise(seed=2)
    paths = [write_raster(name, array, tiled=True, blockxsize=32, blockysize=32)
             for name, array in zip(('a.tif', 'b.tif'), arrays)]
    return *paths, *arrays


def whole(spec):
    with open_pair(spec) as source:
        return source.read(0, 0, source.grid.width, source.grid.height)


def test_a_pair_comes_as_stored(pair):
    before, after, a, b = pair
    with open_pair(PairSpec(before, after)) as source:
        assert (source.grid.width, source.grid.height, source.grid.gsd) == (80, 64, 0.5)
        window = source.read(10, 20, 30, 40)
    assert window.images.shape == (2, 3, 40, 30) and window.images.dtype == np.float32
    np.testing.assert_array_equal(window.images, np.stack([a, b])[:, :, 20:60, 10:40])
    assert window.valid.dtype == bool and window.valid.all()


def test_windows_may_stick_out(pair):
    before, after, a, _ = pair
    with open_pair(PairSpec(before, after)) as source:
        window = source.read(-5, 60, 20, 10)
        outside = source.read(200, -90, 4, 6)
    assert window.valid.sum() == 15 * 4 and window.valid[:4, 5:].all()
    np.testing.assert_array_equal(window.images[0][:, :4, 5:], a[:, 60:, :15])
    assert not window.images[:, :, ~window.valid].any()
    assert outside.images.shape == (2, 3, 6, 4) and not outside.valid.any()


@pytest.fixture(scope='module')
def holed(tmp_path_factory):
    """Two small rasters, a tenth of each without data."""
    paths = [str(tmp_path_factory.mktemp('holed') / name) for name in ('a.tif', 'b.tif')]
    for seed, path in enumerate(paths):
        image = np.random.default_rng(seed).integers(0, 30, (3, 17, 23)).astype(np.uint8)
        with rasterio.open(path, 'w', driver='GTiff', width=23, height=17, count=3, dtype='uint8', nodata=0,
                           crs='EPSG:32633', transform=Affine(1, 0, 5, 0, -1, 5)) as file:
            file.write(image)
    with open_pair(PairSpec(*paths)) as source:
        yield source, source.read(-30, -30, 100, 100)


@settings(max_examples=100, deadline=None)
@given(col=st.integers(-30, 30), row=st.integers(-30, 30), width=st.integers(1, 40), height=st.integers(1, 40))
def test_any_window_is_a_piece_of_the_whole(holed, col, row, width, height):
    source, big = holed
    window = source.read(col, row, width, height)
    piece = np.s_[row + 30:row + 30 + height, col + 30:col + 30 + width]
    np.testing.assert_array_equal(window.valid, big.valid[piece])
    np.testing.assert_array_equal(window.images, big.images[(..., *piece)])


@pytest.mark.parametrize('kind', ['tag', 'given', 'mask', 'alpha', 'nan'])
@pytest.mark.parametrize('warped', [False, True], ids=['plain', 'warped'])
def test_what_has_no_data_is_not_valid(write_raster, noise, kind, warped):
    image, hole = noise(seed=1), np.zeros((64, 80), bool)
    hole[10:30, 20:50] = True
    options, settings = {}, {}
    if kind in ('tag', 'given'):
        image[:, hole] = 0
        options, settings = ({'nodata': 0}, {}) if kind == 'tag' else ({}, {'nodata': 0})
    elif kind == 'mask':
        options = {'mask': ~hole}
    elif kind == 'alpha':
        image = np.concatenate([image, np.where(hole, 0, 255)[None].astype(np.uint8)])
        options = {'alpha': True}
    else:
        image = np.where(hole, np.nan, image).astype(np.float32)
        settings = {'scaling': Scaling(None, Range(0, 255))}
    after = write_raster('b.tif', image, offset=(3, 0) if warped else (0, 0), **options)
    window = whole(PairSpec(write_raster('a.tif', noise()), after, align=warped, **settings))
    expected = ~hole
    if warped:
        expected = np.zeros_like(hole)
        expected[:, 3:] = ~hole[:, :-3]
    np.testing.assert_array_equal(window.valid, expected)
    step = 3 if warped else 0
    moved = np.nan_to_num(np.roll(image[:3].astype(np.float32), step, axis=2))
    np.testing.assert_allclose(window.images[1][:, expected], moved[:, expected], atol=1e-3)
    assert not window.images[:, :, ~expected].any()


def test_a_pixel_that_is_not_a_number_in_one_band_is_without_data(write_raster, noise):
    image = noise().astype(np.float32)
    image[1, 5, 7] = np.nan
    after = noise(seed=3).astype(np.float32)
    window = whole(PairSpec(write_raster('a.tif', image), write_raster('b.tif', after), scaling=Scaling.parse('0:255')))
    assert not window.valid[5, 7] and window.valid.sum() == 64 * 80 - 1


def test_a_given_nodata_value_replaces_the_tag_but_not_alpha(write_raster, noise):
    image = np.concatenate([noise(), np.full((1, 64, 80), 255, np.uint8)])
    image[:3, 0, 0], image[:3, 1, 1], image[3, 2, 2] = 0, 255, 0
    after = write_raster('b.tif', noise(seed=3))
    valid = whole(PairSpec(write_raster('a.tif', image[:3], nodata=255), after, nodata=0)).valid
    assert not valid[0, 0] and valid[1, 1] and valid.sum() == 64 * 80 - 1
    valid = whole(PairSpec(write_raster('c.tif', image, alpha=True), after, nodata=0)).valid
    assert not valid[0, 0] and not valid[2, 2] and valid.sum() == 64 * 80 - 2


def test_16_bit_needs_a_rule_and_takes_it(write_raster, noise):
    image = noise().astype(np.int16) * 10 - 300
    before, after = write_raster('a.tif', image), write_raster('b.tif', noise(seed=3))
    with pytest.raises(SceneError, match='a.tif: holds int16, .*--scale'):
        open_pair(PairSpec(before, after))
    window = whole(PairSpec(before, after, scaling=Scaling.parse('-300:2250,none')))
    np.testing.assert_allclose(window.images, np.stack([noise(), noise(seed=3)]), atol=1e-4)


def tagged(write_raster, noise, name, offset, scale=0.0001, add=0):
    path = write_raster(name, noise().astype(np.uint16) * 10 + add)
    with rasterio.open(path, 'r+') as file:
        file.scales, file.offsets = (scale,) * 3, (offset,) * 3
    return path


def test_one_rule_for_dates_whose_tags_differ_is_refused_with_the_right_ones(write_raster, noise):
    before, after = (tagged(write_raster, noise, 'a.tif', 0), tagged(write_raster, noise, 'b.tif', -0.1, add=1000))
    with pytest.raises(SceneError, match=r'a.tif and .*b.tif: their tags give the stored values different meanings, '
                       r'scale 0.0001 and offset 0 and scale 0.0001 and offset -0.1, .* --scale 0:3000,1000:4000 \('):
        open_pair(PairSpec(before, after, scaling=Scaling.parse('0:3000')))
    for rule in ('0:3000,1000:4000', 'p0:p100'):
        images = whole(PairSpec(before, after, scaling=Scaling.parse(rule))).images
        np.testing.assert_allclose(images[0], images[1], atol=0.01)
    plain = write_raster('c.tif', noise())
    with pytest.raises(SceneError, match='scale 1 and offset 0 and scale 2 and offset 0, .* --scale MIN:MAX,MIN:MAX'):
        open_pair(PairSpec(plain, tagged(write_raster, noise, 'd.tif', 0, 2), scaling=Scaling.parse('0:255')))
    eight = write_raster('e.tif', noise())
    with rasterio.open(eight, 'r+') as file:
        file.scales = 2, 2, 2
    with pytest.raises(SceneError, match='different meanings'):
        open_pair(PairSpec(plain, eight))  # 8-bit, without a rule


def test_tags_that_both_dates_have_change_nothing(write_raster, noise):
    before, after = (tagged(write_raster, noise, name, -0.1) for name in ('a.tif', 'b.tif'))
    images = whole(PairSpec(before, after, scaling=Scaling.parse('0:2550'))).images
    np.testing.assert_allclose(images[0], noise(), atol=1e-3)


def test_percentiles_that_come_to_one_number_stay_each_dates_own(write_raster, noise):
    before, after = (tagged(write_raster, noise, 'a.tif', 0), tagged(write_raster, noise, 'b.tif', -0.1))
    with open_pair(PairSpec(before, after, scaling=Scaling.parse('p0:p100'))) as source:
        spec = pickle.loads(pickle.dumps(source.spec))
    assert spec.scaling.before == spec.scaling.after
    open_pair(spec).close()  # as a worker does


def test_percentiles_are_fixed_when_the_pair_is_opened(write_raster, noise):
    image = noise(200, 200).astype(np.uint16) * 100
    image[:, :, :20] = 65535
    before, after = write_raster('a.tif', image, nodata=65535), write_raster('b.tif', noise(200, 200))
    with open_pair(PairSpec(before, after, scaling=Scaling.parse('p2:p98,none'))) as source:
        spec = source.spec
        first = source.read(0, 0, 200, 200)
    low, high = np.percentile(image[:, :, 20:], (2, 98))
    assert (spec.scaling.before.low, spec.scaling.before.high) == (low, high) and not spec.scaling.before.percent
    np.testing.assert_array_equal(whole(spec).images, first.images)


def test_percentiles_know_no_pixel_that_lacks_a_band(write_raster, noise):
    image = noise(200, 200).astype(np.int16) * 10
    image[2, :20] = -9999
    before, after = write_raster('a.tif', image, nodata=-9999), write_raster('b.tif', noise(200, 200))
    with open_pair(PairSpec(before, after, scaling=Scaling.parse('p2:p98,none'))) as source:
        found = source.spec.scaling.before
    assert (found.low, found.high) == pytest.approx(tuple(np.percentile(image[:, 20:], (2, 98))), rel=0.05)


def test_bands_are_chosen(write_raster, noise):
    image = noise(bands=5)
    before = write_raster('a.tif', image, photometric='MINISBLACK')
    with pytest.raises(SceneError, match=r'a.tif: the model needs 3 bands .* found 5 that are not marked as these; .* '
                       r'--bands R,G,B, such as 4,3,2\.$'):
        open_pair(PairSpec(before, before))
    window = whole(PairSpec(before, before, bands=(5, 2, 1)))
    np.testing.assert_array_equal(window.images[0], image[[4, 1, 0]])
    with pytest.raises(SceneError, match='--bands 3,2,6 names band 6, found 5 in it'):
        open_pair(PairSpec(before, before, bands=(3, 2, 6)))
    with rasterio.open(before, 'r+') as file:
        file.descriptions = 'blue', 'green', 'red', 'nir', None
    with pytest.raises(SceneError, match=r'calls them 1 \(blue\), 2 \(green\), 3 \(red\), 4 \(nir\)\.$'):
        open_pair(PairSpec(before, before))


@pytest.mark.parametrize('order, bands', [('red green blue undefined', [1, 2, 3]), ('blue green red gray', [3, 2, 1]),
                                          ('undefined red green blue', [2, 3, 4]),
                                          ('gray alpha blue green red', [5, 4, 3])])
def test_marks_are_used_whatever_else_there_is(write_raster, noise, order, bands):
    image = noise(bands=len(order.split()))
    path = write_raster('a.tif', image, photometric='MINISBLACK')
    with rasterio.open(path, 'r+') as file:
        file.colorinterp = [ColorInterp[name] for name in order.split()]
    with open_pair(PairSpec(path, path)) as source:
        assert source.before.bands == bands
        np.testing.assert_array_equal(source.read(0, 0, 80, 64).images[1], image[np.array(bands) - 1])


def test_each_date_can_have_a_list_of_its_own(write_raster, noise):
    image = noise()
    four = np.concatenate([noise(bands=1, seed=4), image[::-1]])
    before, after = (write_raster(name, array, photometric='MINISBLACK') for name, array in (
        ('a.tif', image), ('b.tif', four)))
    spec = PairSpec(before, after, bands=parse_bands('1,2,3/4,3,2'))
    assert json.loads(json.dumps(spec.as_dict()))['bands'] == [[1, 2, 3], [4, 3, 2]]
    np.testing.assert_array_equal(whole(spec).images, np.stack([image, image]))
    assert parse_bands('4,3,2') == (4, 3, 2)
    for text in ('', '1;2;3', '1,2,3/', '1,2,3/3,2,1/1,2,3'):
        with pytest.raises(SceneError, match='--bands: invalid, .*; expected numbers with commas between'):
            parse_bands(text)
    with pytest.raises(SceneError, match='--bands: expected 3 numbers from 1 up, .* found 4,3$'.replace('$', r'\.$')):
        PairSpec(before, after, bands=((1, 2, 3), (4, 3)))


@pytest.mark.parametrize('align', [False, True])
def test_an_alpha_band_that_is_none_can_be_ignored(write_raster, noise, align):
    image, offset = noise(bands=4), (0.5, 0) if align else (0, 0)
    image[3, 10:30, 20:50] = 0  # a lake, in near infrared
    path = write_raster('a.tif', image, alpha=True)
    after = write_raster('b.tif', image, alpha=True, offset=offset)
    lake = ~whole(PairSpec(path, after, align=align)).valid
    assert lake[12:28, 22:48].all()
    with open_pair(PairSpec(path, after, align=align, ignore_alpha=True)) as source:
        window = source.read(0, 0, 80, 64)
        assert source.before.bands == [1, 2, 3] and source.after.half_transparent() == 0
        reduced = source.read_reduced(0, 0, 80, 64, (40, 32))
    assert window.valid[:, 1:].all() and reduced.valid.all()
    np.testing.assert_array_equal(window.images[0][:, :, 1:], image[:3, :, 1:])
    if align:  # half a pixel: near infrared is no weight
        np.testing.assert_allclose(window.images[1][:, :, 1:], (image[:3, :, 1:] + image[:3, :, :-1].astype(float)) / 2,
                                   atol=0.51)
    assert whole(PairSpec(path, path, bands=(4, 1, 2))).valid.all()  # a band that is asked for is no alpha


def test_values_of_one_bit_are_black_and_white(write_raster, noise):
    image = (noise() > 120).astype(np.uint8)
    path, after = write_raster('a.tif', image, nbits=1), write_raster('b.tif', noise())
    window = whole(PairSpec(path, after))
    np.testing.assert_array_equal(window.images[0], image * 255)
    np.testing.assert_array_equal(window.images[1], noise())


def test_each_date_has_its_own_bands(write_raster, noise):
    image, opaque = noise(), np.full((1, 64, 80), 255, np.uint8)
    colours = [ColorInterp[name] for name in ('alpha', 'red', 'green', 'blue')]
    paths = {name: write_raster(f'{name}.tif', array, photometric='MINISBLACK') for name, array in (
        ('rgb', image), ('argb', np.concatenate([opaque, image])), ('bgr', image[::-1].copy()),
        ('bgra', np.concatenate([image[::-1], opaque])))}
    for name, order in (('argb', colours), ('bgr', colours[:0:-1]), ('bgra', [*colours[:0:-1], colours[0]])):
        with rasterio.open(paths[name], 'r+') as file:
            file.colorinterp = order
    for before, after in itertools.permutations(paths, 2):
        with open_pair(PairSpec(paths[before], paths[after])) as source:
            again = source.spec
            bands = [date['bands'] for date in source.fingerprint().values()]
        expected = dict(rgb=[1, 2, 3], argb=[2, 3, 4], bgr=[3, 2, 1], bgra=[3, 2, 1])
        assert bands == [expected[before], expected[after]]
        np.testing.assert_array_equal(whole(again).images, np.stack([image, image]))
    window = whole(PairSpec(paths['bgr'], paths['rgb'], bands=(1, 2, 3)))  # those asked for, as they stand
    np.testing.assert_array_equal(window.images[0], image[::-1])


def test_three_bands_marked_otherwise_stay_as_they_stand(write_raster, noise):
    path = write_raster('a.tif', noise(), photometric='MINISBLACK')
    for order in (('gray', 'undefined', 'undefined'), ('blue', 'green', 'undefined'), ('blue', 'blue', 'red')):
        with rasterio.open(path, 'r+') as file:
            file.colorinterp = [ColorInterp[name] for name in order]
        with open_pair(PairSpec(path, path)) as source:
            assert source.before.bands == source.after.bands == [1, 2, 3]


@pytest.mark.parametrize('bands, words', [(1, r'found 1 .* \(--bands 1,1,1 takes a grey one\)'), (2, 'found 2'),
                                          (4, 'found 4')])
def test_another_number_of_bands_is_refused(write_raster, noise, bands, words):
    path = write_raster('a.tif', noise(bands=bands), photometric='MINISBLACK')
    with pytest.raises(SceneError, match=words):
        open_pair(PairSpec(path, path))


def test_a_grid_that_differs_is_refused_with_both_facts(write_raster, noise):
    before = write_raster('a.tif', noise())
    for after, words in [
        (write_raster('size.tif', noise(64, 81)), 'size: 80 x 64 px and 81 x 64 px'),
        (write_raster('shift.tif', noise(), offset=(3, 0)), r'\+3 px across and \+0 px down'),
        (write_raster('sub.tif', noise(), offset=(0, 0.4)), r'\+0 px across and \+0.4 px down'),
        (write_raster('crs.tif', noise(), crs='EPSG:32634'), r'CRS: EPSG:32633 .* and EPSG:32634'),
        (write_raster('gsd.tif', noise(), pixel=0.25), r'pixel size: \(0.5, -0.5\) and \(0.25, -0.25\)'),
    ]:
        with pytest.raises(SceneError, match=f'a.tif and .*{words}.*'):
            open_pair(PairSpec(before, after))


@pytest.mark.parametrize('align', [False, True])
def test_a_local_crs_beside_one_of_the_earth_is_refused(write_raster, noise, align):
    local = write_raster('local.tif', noise(), crs='LOCAL_CS["site",UNIT["metre",1]]')
    with pytest.raises(SceneError, match='a.tif and .*local.tif do not lie on one grid: CRS: EPSG:32633 .* and site'):
        open_pair(PairSpec(write_raster('a.tif', noise()), local, align=align))


def test_no_common_ground_is_refused_even_with_align(write_raster, noise):
    before, after = write_raster('a.tif', noise()), write_raster('far.tif', noise(), offset=(5000, 0))
    for align in (False, True):
        with pytest.raises(SceneError, match='no overlap: bounds .* different places'):
            open_pair(PairSpec(before, after, align=align))


def test_a_crs_on_one_side_only_is_refused_even_with_align(write_raster, noise):
    before, after = write_raster('a.tif', noise()), write_raster('b.png', noise())
    for align in (False, True):
        with pytest.raises(SceneError, match='CRS: EPSG:32633 .* and none.* b.png has no CRS'.replace(' b', ' .*b')):
            open_pair(PairSpec(before, after, align=align))


def test_images_without_a_place_pair_by_size(write_raster, noise):
    before, after = write_raster('a.png', noise()), write_raster('b.png', noise(seed=2))
    with open_pair(PairSpec(before, after)) as source:
        assert source.grid.crs is None
        np.testing.assert_array_equal(source.read(0, 0, 80, 64).images[1], noise(seed=2))
    with pytest.raises(SceneError, match='a.png: it has no CRS.*--resample-gsd'):
        open_pair(PairSpec(before, after, gsd=1.0))
    with pytest.raises(SceneError, match='size: .* have no CRS; .*cut them to one size'):
        open_pair(PairSpec(before, write_raster('c.png', noise(64, 81)), align=True))


def test_align_moves_the_later_date_onto_the_earlier_ones_grid(write_raster, noise):
    big = noise(100, 120)
    before = write_raster('a.tif', noise())
    after = write_raster('b.tif', big[:, 10:70, 8:60], offset=(8, 10))
    window = whole(PairSpec(before, after, align=True))
    expected = np.zeros((64, 80), bool)
    expected[10:64, 8:60] = True
    np.testing.assert_array_equal(window.valid, expected)
    np.testing.assert_array_equal(window.images[1][:, expected], big[:, :64, :80][:, expected])


def test_align_leaves_an_equal_grid_alone(pair):
    before, after, a, b = pair
    np.testing.assert_array_equal(whole(PairSpec(before, after, align=True)).images, np.stack([a, b]))


@pytest.mark.parametrize('crs', ['EPSG:32632', 'EPSG:4326', 'EPSG:3857'])
def test_align_from_another_crs_finds_the_same_ground(write_raster, crs):
    rows, cols = np.mgrid[:200, :240]
    ramp = np.stack([40 + cols / 2, 40 + rows / 2, 40 + (rows + cols) / 4]).astype(np.uint8)
    before = write_raster('a.tif', ramp)
    with rasterio.open(before) as file:
        transform, width, height = calculate_default_transform(file.crs, crs, 240, 200, *file.bounds)
        moved = np.zeros((3, height, width), np.uint8)
        reproject(ramp, moved, src_transform=file.transform, src_crs=file.crs, dst_transform=transform, dst_crs=crs,
                  resampling=Resampling.bilinear)
    window = whole(PairSpec(before, write_raster('b.tif', moved, crs=crs, transform=transform, nodata=0), align=True))
    assert window.valid.mean() > 0.97
    assert np.abs(window.images[0] - window.images[1])[:, window.valid].max() <= 2  # two roundings to whole numbers


def test_a_south_up_raster_is_read_as_it_is_and_can_be_aligned(write_raster, noise):
    image = noise()
    before = write_raster('a.tif', image)
    flipped = write_raster('b.tif', image[:, ::-1], transform=Affine(0.5, 0, 500_000, 0, 0.5, 5_000_000 - 32))
    np.testing.assert_array_equal(whole(PairSpec(flipped, flipped)).images[0], image[:, ::-1])
    with pytest.raises(SceneError, match=r'pixel size: \(0.5, -0.5\) and \(0.5, 0.5\)'):
        open_pair(PairSpec(before, flipped))
    window = whole(PairSpec(before, flipped, align=True))
    assert window.valid.all()
    np.testing.assert_array_equal(window.images[1], image)


def test_another_ground_sampling_distance(write_raster):
    ramp = np.repeat(np.arange(0, 240, dtype=np.uint8)[None, None], 3, axis=0).repeat(120, axis=1)
    path = write_raster('a.tif', ramp)
    with open_pair(PairSpec(path, path, gsd=1.5)) as source:
        assert (source.grid.width, source.grid.height, source.grid.gsd) == (80, 40, 1.5)
        window = source.read(0, 0, 80, 40)
    assert window.valid.all()
    np.testing.assert_allclose(window.images[0][:, :, 1:-1], np.broadcast_to(np.arange(4, 237, 3.0), (3, 40, 78)),
                               atol=1)
    np.testing.assert_array_equal(whole(PairSpec(path, path, gsd=0.5)).images[0], ramp)


def test_warped_windows_do_not_depend_on_how_they_are_cut(write_raster, noise):
    before = write_raster('a.tif', noise(150, 700))
    after = write_raster('b.tif', noise(150, 700, seed=5), offset=(0.3, 2.7))
    with open_pair(PairSpec(before, after, align=True)) as source:
        images = source.read(0, 0, 700, 150).images
        for col in range(0, 700, 70):
            np.testing.assert_array_equal(source.read(col, 30, 70, 50).images, images[:, :, 30:80, col:col + 70])


def test_threads_that_open_their_own_read_the_same(pair):
    before, after, a, _ = pair
    wrong = []

    def work():
        for _ in range(5):
            if not np.array_equal(whole(PairSpec(before, after)).images[0], a):
                wrong.append(1)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


@pytest.mark.parametrize('settings_, message', [
    (dict(bands=(1, 2)), '--bands: expected 3 numbers from 1 up, .* found 1,2'),
    (dict(bands=(0, 1, 2)), 'found 0,1,2'),
    (dict(gsd=0.0), '--resample-gsd: expected metres above 0, found 0'),
    (dict(gsd=float('nan')), 'found nan'),
])
def test_settings_that_make_no_sense_are_refused(settings_, message):
    with pytest.raises(SceneError, match=message):
        PairSpec('a.tif', 'b.tif', **settings_)


def test_a_spec_can_be_sent_and_stored():
    spec = PairSpec('a.tif', 'b.tif', (3, 2, 1), Scaling.parse('0:3000,none'), True, 0.5, -9999.0)
    assert pickle.loads(pickle.dumps(spec)) == spec
    assert json.loads(json.dumps(spec.as_dict())) == dict(before='a.tif', after='b.tif', bands=[3, 2, 1], align=True,
                                                          scaling='0:3000,none', gsd=0.5, nodata=-9999.0)
    nan = PairSpec('a.tif', 'b.tif', nodata=float('nan'))
    assert json.loads(json.dumps(nan.as_dict(), allow_nan=False))['nodata'] == 'nan'
