from pathlib import Path

import numpy as np
import pytest

from schanger_mm.datasets import BiTemporalDataset, DatasetError
from schanger_mm.datasets.bands import BandReading
from schanger_mm.datasets.reading import read_image, read_label
from schanger_mm.datasets.transforms import LoadBiTemporalImages, LoadImage
from schanger_mm.utils.errors import SettingError

rasterio = pytest.importorskip('rasterio')


def layers(count=4, h=6, w=8, dtype='uint16', seed=0):
    return np.random.RandomState(seed).randint(0, 5000, (count, h, w)).astype(dtype)


@pytest.fixture
def write_bands(tmp_path):
    def write(name, values, **profile):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        count, h, w = values.shape
        with rasterio.open(path, 'w', driver='GTiff', count=count, height=h, width=w, dtype=values.dtype,
                           **profile) as raster:
            raster.write(values)
        return str(path)
    return write


def read(path, **settings):
    return LoadImage(**settings)(dict(img_path=path))['img']


def test_all_bands_in_their_order_scaled_without_rounding(write_bands):
    values = layers()
    image = read(write_bands('a.tif', values), scale='0:3000')
    expected = np.clip(values / 3000 * 255, 0, 255).transpose(1, 2, 0)
    assert image.dtype == np.float32 and image.shape == (6, 8, 4)
    np.testing.assert_allclose(image, expected, atol=1e-3)
    assert (image % 1 > 0.01).any() and image.max() == 255


def test_chosen_bands_in_the_order_asked_for(write_bands):
    values = layers(13)
    image = read(write_bands('a.tif', values), bands=(12, 4, 4, 1), scale='0:5000')
    np.testing.assert_allclose(image, values[[11, 3, 3, 0]].transpose(1, 2, 0) * (255 / 5000), atol=1e-3)


def test_three_bands_are_b_g_r_as_everywhere(write_bands):
    values = layers(4)
    image = read(write_bands('a.tif', values), bands=(4, 3, 2), scale='0:5000')
    np.testing.assert_allclose(image, values[[1, 2, 3]].transpose(1, 2, 0) * (255 / 5000), atol=1e-3)


@pytest.mark.parametrize('count', [1, 2, 4, 13])
def test_eight_bits_stay_as_they_are(write_bands, count):
    values = (layers(count) % 256).astype(np.uint8)
    for bands in ('all', tuple(range(1, count + 1))):
        image = read(write_bands('a.tif', values), bands=bands)
        assert image.dtype == np.uint8
        np.testing.assert_array_equal(image, values.transpose(1, 2, 0))


def test_float_values_with_nan(write_bands):
    values = np.linspace(-0.2, 1.4, 48, dtype=np.float32).reshape(1, 6, 8)
    values[0, 0, 3] = np.nan
    image = read(write_bands('a.tif', values), scale='0:1')
    assert image[0, 3, 0] == 0 and image[0, 0, 0] == 0 and image[-1, -1, 0] == 255
    assert image[2, 4, 0] == pytest.approx(255 * values[0, 2, 4], abs=1e-4)


@pytest.mark.parametrize('endings', [('/B02.tif', '/B03.tif', '/B04.tif', '/B08.tif'),
                                     ('_B02.tif', '_B03.tif', '_B04.tif', '_B08.tif')])
def test_one_file_per_band(write_bands, endings):
    values = layers(4)
    paths = [write_bands(f'paris{ending}', one[None]) for ending, one in zip(endings, values)]
    image = read(paths[0], files=endings, scale='0:5000')
    np.testing.assert_allclose(image, values.transpose(1, 2, 0) * (255 / 5000), atol=1e-3)


def test_coarser_bands_are_resampled_to_the_finest(write_bands):
    fine = layers(1, 12, 16)
    coarse = np.repeat(np.arange(4, dtype=np.uint16)[None, None] * 1000, 3, axis=1)  # (1, 3, 4), rising to the right
    paths = [write_bands('x_60.tif', coarse), write_bands('x_10.tif', fine)]
    image = read(paths[0], files=('_60.tif', '_10.tif'), scale='0:255')
    assert image.shape == (12, 16, 2)
    wide = read(paths[0], files=('_60.tif', '_10.tif'), scale='0:3000')[..., 0] / 255 * 3000
    # pixel centres of the fine grid, in pixels of the coarse one: (x + 0.5) / 4 - 0.5, held at the border
    expected = np.clip((np.arange(16) + 0.5) / 4 - 0.5, 0, 3) * 1000
    np.testing.assert_allclose(wide, np.repeat(expected[None], 12, axis=0), atol=0.6)


def ground(size, gsd, left=0.0, top=0.0):
    """Draw a band whose values are the metres to the east of the origin, and twice those to the south of it."""
    rows, columns = (gsd * (np.arange(count) + 0.5) for count in size)
    return (left + columns + 2 * (top + rows[:, None]))[None].astype(np.float32)


@pytest.mark.parametrize('size, gsd, left, top', [
    ((31, 51), 20, 0, 0), ((30, 50), 20, 0, 0), ((31, 51), 20, -10, -10), ((60, 60), 20, -100, -60),
    ((11, 18), 60, 0, 0), ((12, 18), 60, -20, -40), ((41, 68), 15, -7.5, 7.5)])
def test_coarser_bands_lie_where_their_coordinates_say(write_bands, size, gsd, left, top):
    """Sizes that do not divide, another origin, a coarse file that shows more, half a pixel as in Landsat's."""
    def place(gsd, left, top):
        return rasterio.Affine(gsd, 0, 500000 + left, 0, -gsd, 4000000 - top)
    fine = ground((61, 101), 10)
    path = write_bands('x_1.tif', fine, transform=place(10, 0, 0))
    write_bands('x_2.tif', ground(size, gsd, left, top), transform=place(gsd, left, top))
    found = read(path, files=('_1.tif', '_2.tif'), scale='0:3000') / 255 * 3000
    border = gsd // 10
    inside = np.s_[border:-border, border:-border]
    np.testing.assert_allclose(found[..., 1][inside], fine[0][inside], atol=0.01)
    np.testing.assert_allclose(found[..., 0], fine[0], atol=0.01)
    assert np.abs(found[..., 1] - fine[0]).max() <= 3 * gsd  # the border of what the coarse file shows


@pytest.mark.parametrize('size, factor', [((31, 51), 2), ((30, 50), 2), ((11, 17), 6), ((15, 25), 4)])
def test_without_coordinates_bands_begin_at_one_corner(write_bands, size, factor):
    fine = ground((61, 101), 10)
    path = write_bands('x_1.tif', fine)
    write_bands('x_2.tif', ground(size, 10 * factor))
    found = read(path, files=('_1.tif', '_2.tif'), scale='0:3000')[..., 1] / 255 * 3000
    inside = np.s_[factor:-factor, factor:-factor]
    np.testing.assert_allclose(found[inside], fine[0][inside], atol=0.01)


def test_without_coordinates_small_sizes_that_fit_several_numbers_are_stretched(write_bands):
    path = write_bands('x_1.tif', ground((39, 40), 10))
    write_bands('x_2.tif', ground((6, 6), 65))
    found = read(path, files=('_1.tif', '_2.tif'), scale='0:3000')[..., 1] / 255 * 3000
    np.testing.assert_allclose(found[6:-6, 6:-6], ground((39, 40), 10)[0][6:-6, 6:-6], atol=25)


@pytest.mark.parametrize('left, size, shift', [(0, (12, 16), 0), (0.5, (12, 16), 0), (-5, (12, 16), 5)])
def test_files_of_one_size_lie_where_their_coordinates_say_too(write_bands, left, size, shift):
    path = write_bands('x_1.tif', ground(size, 10), transform=rasterio.Affine(10, 0, 0, 0, -10, 0))
    write_bands('x_2.tif', ground(size, 10), transform=rasterio.Affine(10, 0, left, 0, -10, 0))
    found = read(path, files=('_1.tif', '_2.tif'), scale='0:3000') / 255 * 3000
    np.testing.assert_allclose(found[:, :-1, 1], found[:, :-1, 0] + shift, atol=0.01)


def test_other_coordinate_systems_are_refused(write_bands):
    north = dict(transform=rasterio.Affine(10, 0, 0, 0, -10, 0))
    path = write_bands('x_1.tif', layers(1, 12, 16), crs='EPSG:32632', **north)
    write_bands('x_2.tif', layers(1, 12, 16), crs='EPSG:32633', **north)
    with pytest.raises(DatasetError, match=r'x_2\.tif: 16x12 .* its CRS is EPSG:32633 \(.*, not EPSG:32632 \('):
        read(path, files=('_1.tif', '_2.tif'), scale='0:5000')


def test_one_coordinate_system_in_other_words_is_the_same(write_bands):
    utm = rasterio.CRS.from_epsg(32632)
    north = dict(transform=rasterio.Affine(10, 0, 500000, 0, -10, 4000000))
    path = write_bands('x_1.tif', layers(1, 12, 16), crs=utm, **north)
    write_bands('x_2.tif', layers(1, 12, 16), crs=rasterio.CRS.from_proj4(utm.to_proj4()), **north)
    assert read(path, files=('_1.tif', '_2.tif'), scale='0:5000').shape == (12, 16, 2)


@pytest.mark.parametrize('transform, why', [
    (rasterio.Affine(20, 0, 40, 0, -20, 0), 'by their coordinates, it does not cover that'),
    (rasterio.Affine(20, 0, -1000, 0, -20, 0), 'by their coordinates, it does not cover that'),
    (rasterio.Affine(20, 0, 0, 0, 20, 0), 'its pixels have other axes'),
    (rasterio.Affine(20, 1, 0, 0, -20, 0), 'its pixels have other axes')])
def test_files_of_other_ground_are_refused(write_bands, transform, why):
    path = write_bands('x_1.tif', layers(1, 12, 16), transform=rasterio.Affine(10, 0, 0, 0, -10, 0))
    rule = BandReading.of('', files=('_1.tif', '_2.tif'), scale='0:5000')
    for size in ((6, 8), (12, 16)):
        write_bands('x_2.tif', layers(1, *size), transform=transform)
        for use in (rule.header, rule.read):
            with pytest.raises(DatasetError, match=rf'x_2\.tif: {size[1]}x{size[0]} .*16x12: .*{why}'):
                use(path)


def test_a_changed_second_file_is_decoded_again_with_a_cache(write_bands, tmp_path):
    settings = dict(files=('_1.tif', '_2.tif'), scale='0:5000', cache_dir=str(tmp_path / 'cache'))
    path = write_bands('x_1.tif', layers(1))
    write_bands('x_2.tif', layers(1, seed=1))
    first = read(path, **settings)
    np.testing.assert_array_equal(read(path, **settings), first)
    write_bands('x_2.tif', layers(1, seed=2), compress='lzw')
    again = read(path, **settings)
    np.testing.assert_array_equal(again[..., 0], first[..., 0])
    np.testing.assert_allclose(again[..., 1], layers(1, seed=2)[0] * (255 / 5000), atol=1e-3)


@pytest.mark.parametrize(('settings', 'message'), [
    (dict(bands=(0, 1)), r'LoadImage\.bands: expected numbers from 1'),
    (dict(bands=()), r'LoadImage\.bands: expected numbers'),
    (dict(bands=(1, ), files=('a', )), 'expected one of them, found both'),
    (dict(files='_B02.tif'), r'LoadImage\.files: expected the ending'),
    (dict(files=('a', 'a')), r'LoadImage\.files: expected the ending'),
    (dict(scale='p2:p98'), r"LoadImage\.scale: expected 'MIN:MAX'"),
    (dict(scale='0:1,0:2'), r"LoadImage\.scale: expected 'MIN:MAX'"),
    (dict(scale='none'), r"LoadImage\.scale: expected 'MIN:MAX'"),
    (dict(scale='5:1'), r"LoadImage\.scale: expected 'MIN:MAX'"),
    (dict(bands=(1, 2), allow_grey=True), 'cannot be together with allow_grey'),
])
def test_wrong_settings_are_named(settings, message):
    with pytest.raises(SettingError, match=message):
        LoadImage(**settings)


def test_wrong_files_are_named(write_bands, tmp_path):
    path = write_bands('a.tif', layers())
    for settings, message in (
            (dict(bands=(1, 5), scale='0:1'), r'a\.tif: the loading transform takes band 5, found 4 bands'),
            (dict(bands=(1, 2)), r"a\.tif: holds uint16, so set which .*scale='MIN:MAX'"),
            (dict(files=('a.tif', 'b.tif'), scale='0:1'), r'a\.tif: expected a file of one band, found 4'),
            (dict(files=('B2.tif', 'B3.tif'), scale='0:1'), r"a\.tif: expected a file of the first band")):
        with pytest.raises(DatasetError, match=message):
            read(path, **settings)
    single = write_bands('B2.tif', layers(1))
    with pytest.raises(DatasetError, match=r'B3\.tif: no such file'):
        read(single, files=('B2.tif', 'B3.tif'), scale='0:1')
    with pytest.raises(DatasetError, match='expected real values, found complex64'):
        read(write_bands('c.tif', layers(1).astype(np.complex64)), scale='0:1')
    write_bands('B3.tif', layers(1, dtype='int16'))
    with pytest.raises(DatasetError, match='its bands have different types, int16, uint16'):
        read(single, files=('B2.tif', 'B3.tif'), scale='0:1')
    Path(path).write_bytes(Path(path).read_bytes()[:300])
    with pytest.raises(DatasetError, match=r'a\.tif: truncated, corrupt or not a readable raster'):
        read(path, scale='0:1')


def test_a_header_that_claims_too_much_is_not_decoded(write_bands, monkeypatch):
    path = write_bands('a.tif', layers(13))
    monkeypatch.setenv('SCHANGER_MM_MAX_PIXELS', '200')
    with pytest.raises(DatasetError, match=r'claims 13 bands of 8 x 6 pixels.*SCHANGER_MM_MAX_PIXELS=208'):
        read(path, scale='0:1')


def test_dates_with_other_numbers_of_bands_are_named(write_bands):
    paths = [write_bands('a.tif', layers(4)), write_bands('b.tif', layers(3))]
    with pytest.raises(DatasetError, match=r'same number of bands, found: .*a\.tif has 4, .*b\.tif has 3'):
        LoadBiTemporalImages(scale='0:1')(dict(img_path=paths))


def pairs(write_bands, counts=((4, 4), (4, 4)), **profile):
    for number, dates in enumerate(counts):
        for folder, count in zip('AB', dates):
            write_bands(f'{folder}/{number}.tif', layers(count, 16, 16), **profile)
        label = np.zeros((1, 16, 16), np.uint8)
        label[0, 4:9, 4:9] = 255
        write_bands(f'label/{number}.tif', label)


def dataset(root, **settings):
    return BiTemporalDataset(data_root=str(root), pipeline=[dict(type='LoadBiTemporalImages', **settings),
                                                            dict(type='LoadChangeLabel'),
                                                            dict(type='PackBiTemporalInputs')])


def test_a_data_set_of_four_bands(write_bands, tmp_path):
    pairs(write_bands)
    sample = dataset(tmp_path, scale='0:5000')[1]
    assert sample['inputs'].shape == (8, 16, 16)
    np.testing.assert_allclose(sample['inputs'][:4], layers(4, 16, 16) * (255 / 5000), atol=1e-3)


def test_mixed_numbers_of_bands_are_an_error_before_training(write_bands, tmp_path):
    pairs(write_bands, counts=((4, 4), (4, 3)))
    with pytest.raises(DatasetError, match=r'one number of bands, found: .*0\.tif has 4, .*B.1\.tif has 3'):
        dataset(tmp_path, scale='0:5000')
    assert dataset(tmp_path, scale='0:5000', bands=(1, 2))[0]['inputs'].shape == (4, 16, 16)


def test_values_without_a_rule_are_an_error_before_training(write_bands, tmp_path):
    pairs(write_bands)
    with pytest.raises(DatasetError, match=r"4 files cannot be read:\n.*holds uint16.*scale='MIN:MAX'"):
        dataset(tmp_path, bands=(1, 2, 3, 4))


def test_a_folder_per_image_with_a_file_per_band(write_bands, tmp_path):
    endings = ('/B02.tif', '/B03.tif')
    for place in ('bern', 'paris'):
        for folder in 'AB':
            for ending in endings:
                write_bands(f'{folder}/{place}{ending}', layers(1, 16, 16, seed=len(place) + ord(folder)))
        write_bands(f'label/{place}.tif', (layers(1, 16, 16) % 2 * 255).astype(np.uint8))
    data = dataset(tmp_path, files=endings, scale='0:5000')
    assert [data.get_data_info(index)['name'] for index in range(len(data))] == ['bern', 'paris']
    np.testing.assert_allclose(data[1]['inputs'][2], layers(1, 16, 16, seed=5 + ord('B'))[0] * (255 / 5000), atol=1e-3)


def test_description_names_what_decides_the_pixels():
    assert BandReading.of('', (4, 2), None, '0:3000').describe() == "bands=(4, 2), scale='0:3000'"
    assert repr(LoadImage(bands=(1, 2))).startswith('LoadImage(allow_grey=False, bands=(1, 2), ')
    assert BandReading.of('') is None


def test_three_bands_that_a_file_marks_as_colours_are_these(write_bands):
    values = layers(3)
    path = write_bands('a.tif', values)
    with rasterio.open(path, 'r+') as file:
        file.colorinterp = [rasterio.enums.ColorInterp[name] for name in ('blue', 'red', 'green')]
    image = read(path, bands='all', scale='0:5000')
    np.testing.assert_allclose(image, values[[0, 2, 1]].transpose(1, 2, 0) * (255 / 5000), atol=1e-3)  # B, G, R
    named = read(path, bands=(1, 2, 3), scale='0:5000')
    np.testing.assert_allclose(named, values[::-1].transpose(1, 2, 0) * (255 / 5000), atol=1e-3)


def test_8_bit_files_under_a_scale_of_other_values_are_refused(write_bands):
    path = write_bands('a.tif', (layers() % 256).astype(np.uint8))
    with pytest.raises(DatasetError, match=r"a\.tif: holds 8-bit values, which end at 255, and scale='820:4000'"):
        read(path, scale='820:4000')
    assert read(path, scale='0:100').max() == 255


def test_bands_of_other_proportions_are_refused(write_bands):
    path = write_bands('x_1.tif', layers(1, 12, 16))
    for size, right in (((6, 8), True), ((3, 4), True), ((7, 8), True), ((6, 16), False), ((12, 8), False)):
        write_bands('x_2.tif', layers(1, *size))
        if right:
            assert read(path, files=('_1.tif', '_2.tif'), scale='0:5000').shape == (12, 16, 2)
            continue
        with pytest.raises(DatasetError, match=rf'x_2\.tif: {size[1]}x{size[0]} .*does not show the ground of the '
                                               'largest band of its image, 16x12: it does not have its proportions'):
            read(path, files=('_1.tif', '_2.tif'), scale='0:5000')


def test_types_that_differ_are_an_error_before_training(write_bands, tmp_path):
    pairs(write_bands)
    write_bands('B/1.tif', layers(4, 16, 16).astype(np.float32))
    with pytest.raises(DatasetError, match=r'images of one type, found: .*0\.tif holds uint16, .*1\.tif holds float32'):
        dataset(tmp_path, scale='0:5000')


def test_bands_that_pillow_cannot_tell_apart_are_no_colours(write_bands):
    values = (layers(3) % 256).astype(np.uint8)
    stored = dict(interleave='band', compress='lzw')
    path = write_bands('a.tif', values, photometric='minisblack', **stored)
    for decode in (read_image, read_label):
        with pytest.raises(DatasetError, match=r"a\.tif: its bands are stored one after the other .*bands='all'"):
            decode(path)
    np.testing.assert_array_equal(read(path, bands='all'), values[::-1].transpose(1, 2, 0))
    marked = write_bands('b.tif', values, photometric='rgb', **stored)
    np.testing.assert_array_equal(read_image(marked), values[::-1].transpose(1, 2, 0))
