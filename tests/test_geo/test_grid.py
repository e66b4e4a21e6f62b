import math
import re

import numpy as np
import pyproj
import pytest
import rasterio
from hypothesis import given, settings
from hypothesis import strategies as st
from rasterio.transform import Affine

from schanger_mm.geo.errors import SceneError
from schanger_mm.geo.grid import Grid, gsd_warning, same_crs, shape_warning

UTM = pyproj.CRS('EPSG:32633').to_wkt()
TRANSFORM = (0.5, 0.0, 500_000.0, 0.0, -0.5, 5_000_000.0)


def grid(width=400, height=300, transform=TRANSFORM, crs=UTM):
    return Grid(width, height, transform, crs)


def test_a_grid_knows_its_corners_and_pixel_size():
    place = grid()
    assert place.bounds == (500_000, 4_999_850, 500_200, 5_000_000)
    assert place.affine == Affine(*TRANSFORM)
    assert place.ground_pixel == (0.5, 0.5) and place.gsd == 0.5
    assert place.crs_name == 'EPSG:32633 (WGS 84 / UTM zone 33N)'


def test_a_grid_is_that_of_the_file(write_raster, noise):
    with rasterio.open(write_raster('a.tif', noise(30, 40))) as dataset:
        place = Grid.of(dataset)
    assert (place.width, place.height, place.transform) == (40, 30, TRANSFORM)
    assert same_crs(place.crs, UTM)
    with rasterio.open(write_raster('a.png', noise(30, 40))) as dataset:
        assert Grid.of(dataset) == Grid(40, 30, (1, 0, 0, 0, 1, 0), None)


@pytest.mark.parametrize('crs, transform, metres', [
    ('EPSG:4326', (1e-5, 0, 10, 0, -1e-5, 60.0015), (0.5580, 1.1141)),  # 60 degrees north: a degree is 55800 m wide
    ('EPSG:4326', (1e-5, 0, 10, 0, -1e-5, 0.0015), (1.1132, 1.1057)),
    ('EPSG:3857', (1, 0, 1_113_194, 0, -1, 8_399_738 + 150), (0.5013, 0.5005)),  # Web Mercator at 60 degrees
    ('EPSG:2263', (1, 0, 980_000, 0, -1, 200_150), (0.3048, 0.3048)),  # New York, US survey feet
])
def test_ground_sampling_distance_is_measured_on_the_ground(crs, transform, metres):
    place = grid(300, 300, transform, pyproj.CRS(crs).to_wkt())
    assert place.ground_pixel == pytest.approx(metres, rel=2e-4)
    assert place.gsd == pytest.approx(math.sqrt(metres[0] * metres[1]), rel=2e-4)


def test_without_a_crs_there_is_no_ground_sampling_distance():
    place = grid(crs=None)
    assert place.gsd is None and gsd_warning(place, 0.5) is None
    with pytest.raises(SceneError, match='no CRS.*--resample-gsd'):
        place.at_gsd(1.0)


def test_a_place_that_the_crs_cannot_describe_is_named():
    with pytest.raises(SceneError, match=r'centre \(1e\+09, .* outside of what EPSG:32633'):
        _ = grid(transform=(0.5, 0, 1e9, 0, -0.5, 1e9)).gsd
    with pytest.raises(SceneError, match='outside of what EPSG:4978'):  # geocentric: no map
        grid(crs='EPSG:4978').check()


def test_a_local_crs_counts_by_its_unit():
    assert grid(crs='LOCAL_CS["site",UNIT["foot",0.3048]]').ground_pixel == pytest.approx((0.1524, 0.1524))


@pytest.mark.parametrize('written', [
    'EPSG:32633', pyproj.CRS('EPSG:32633').to_wkt('WKT1_GDAL'), pyproj.CRS('EPSG:32633').to_wkt('WKT1_ESRI'),
    pyproj.CRS('EPSG:32633').to_wkt('WKT2_2015'), '+proj=utm +zone=33 +datum=WGS84 +units=m +no_defs'],
    ids=['authority', 'WKT1', 'ESRI', 'WKT2', 'PROJ'])
def test_one_crs_written_in_other_ways_is_the_same(written):
    assert grid().differences(grid(crs=written)) == []


def test_crs_equality():
    assert same_crs('EPSG:4326', 'OGC:CRS84')  # only the order of axes, which no raster follows
    assert not same_crs('EPSG:32633', 'EPSG:25833') and not same_crs('EPSG:4326', 'EPSG:4258')
    assert same_crs(None, None) and not same_crs(None, UTM)


@pytest.mark.parametrize('code', [3035, 2193, 31467, 2180, 2393, 3300, 3301, 3346, 3006, 32633, 27572, 3031, 2053])
@pytest.mark.parametrize('form', ['WKT1_ESRI', 'WKT1_GDAL', 'WKT2_2019'])
def test_a_crs_is_the_same_however_it_is_written(code, form):
    crs = pyproj.CRS.from_epsg(code)
    assert same_crs(crs.to_wkt(), crs.to_wkt(form)) and same_crs(crs.to_wkt(form), f'EPSG:{code}')
    assert not same_crs(crs.to_wkt(form), 'EPSG:25832')


def test_a_datum_shift_to_wgs_84_that_is_written_along_does_not_make_another_crs():
    gauss = pyproj.CRS.from_epsg(31467).to_wkt('WKT1_GDAL')
    shifted = gauss.replace('SPHEROID["Bessel 1841",6377397.155,299.1528128,AUTHORITY["EPSG","7004"]],',
                            'SPHEROID["Bessel 1841",6377397.155,299.1528128,AUTHORITY["EPSG","7004"]],'
                            'TOWGS84[598.1,73.7,418.2,0.202,0.045,-2.455,6.7],')
    assert pyproj.CRS(shifted).is_bound and same_crs(gauss, shifted)


@pytest.mark.parametrize('was, becomes, words', [
    ('"False easting",500000', '"False easting",500001', 'another False easting: 500000 metre and 500001 metre'),
    ('"WGS 84",6378137,298.257223563', '"WGS 84",6378138,298.257223563',
     r'another ellipsoid: WGS 84 \(6378137 m, 1 / 298.257223563\) and WGS 84 \(6378138 m, 1 / 298.257223563\)'),
    ('"WGS84 datum"', '"My datum"', 'another datum: WGS84 datum and My datum'),
    ('LENGTHUNIT["metre",1]', 'LENGTHUNIT["US survey foot",0.304800609601219]',
     'another axes: east in metre, north in metre and east in US survey foot, north in US survey foot'),
])
def test_of_two_crss_with_one_name_the_part_that_differs_is_named(was, becomes, words):
    utm = ('PROJCRS["UTM",BASEGEOGCRS["WGS 84",DATUM["WGS84 datum",ELLIPSOID["WGS 84",6378137,298.257223563]]],'
           'CONVERSION["zone 33",METHOD["Transverse Mercator"],PARAMETER["Latitude of natural origin",0],'
           'PARAMETER["Longitude of natural origin",15],PARAMETER["Scale factor at natural origin",0.9996],'
           'PARAMETER["False easting",500000],PARAMETER["False northing",0]],CS[Cartesian,2],AXIS["E",east],'
           'AXIS["N",north],LENGTHUNIT["metre",1]]')
    other = utm.replace(was, becomes)
    assert utm != other
    (found,) = [text for text in grid(crs=utm).differences(grid(crs=other)) if text.startswith('CRS')]
    assert re.fullmatch(rf'CRS: UTM and UTM \(of one name, but with {words}\)', found)


@pytest.mark.parametrize('other, found', [
    (grid(width=401), ['size: 400 x 300 px and 401 x 300 px']),
    (grid(crs=pyproj.CRS('EPSG:25833').to_wkt()),
     ['CRS: EPSG:32633 (WGS 84 / UTM zone 33N) and EPSG:25833 (ETRS89 / UTM zone 33N)']),
    (grid(crs=None), ['CRS: EPSG:32633 (WGS 84 / UTM zone 33N) and none']),
    (grid(200, 150, (1.0, 0, 500_000, 0, -1.0, 5_000_000)),
     ['size: 400 x 300 px and 200 x 150 px', 'pixel size: (0.5, -0.5) and (1, -1) units of the CRS']),
    (grid(transform=(0.5, 0, 500_001.5, 0, -0.5, 5_000_000)),
     ['shifted grid: upper left corners (500000, 5000000) and (500001.5, 5000000), +3 px across and +0 px down']),
    (grid(transform=(0.5, 0, 500_000, 0, -0.5, 5_000_000.2)),
     ['shifted grid: upper left corners (500000, 5000000) and (500000, 5000000.2), +0 px across and -0.4 px down']),
])
def test_differences_name_both_facts(other, found):
    assert grid().differences(other) == found


def test_grids_without_common_ground_say_so():
    found = grid().differences(grid(transform=(0.5, 0, 600_000, 0, -0.5, 5_000_000)))
    assert found[1] == ('no overlap: bounds (500000, 4999850, 500200, 5000000) and (600000, 4999850, 600200, 5000000) '
                        '(left, bottom, right, top)')
    japan = grid(transform=(1e-5, 0, 140, 0, -1e-5, 36), crs='EPSG:4326')
    assert not grid().overlaps(japan) and 'no overlap' in grid().differences(japan)[1]


def test_overlap_across_coordinate_systems():
    centre = pyproj.Transformer.from_crs(UTM, 'EPSG:4326', always_xy=True).transform(500_100, 4_999_925)
    assert grid().overlaps(grid(100, 100, (1e-6, 0, centre[0], 0, -1e-6, centre[1]), 'EPSG:4326'))


def test_a_south_up_raster_differs_from_a_north_up_one():
    flipped = grid(transform=(0.5, 0, 500_000, 0, 0.5, 4_999_850))
    flipped.check()
    assert flipped.bounds == grid().bounds
    assert flipped.differences(flipped) == []
    assert any('pixel size: (0.5, -0.5) and (0.5, 0.5)' in text for text in grid().differences(flipped))


def test_rasters_without_a_place_are_compared_by_size():
    plain = (1, 0, 0, 0, 1, 0)
    assert grid(transform=plain, crs=None).differences(grid(transform=plain, crs=None)) == []
    assert grid(transform=plain, crs=None).differences(grid(9, 9, plain, None)) == [
        'size: 400 x 300 px and 9 x 9 px']
    placed = grid(transform=(2, 0, 100, 0, -2, 700), crs=None)  # a world file without a CRS
    assert 'shifted grid' in grid(transform=(2, 0, 100, 0, -2, 701), crs=None).differences(placed)[0]


@pytest.mark.parametrize('transform, message', [
    ((0.4, 0.3, 500_000, 0.3, -0.4, 5_000_000), 'rotated by 36.87 degrees.*gdalwarp'),
    ((-0.5, 0, 500_000, 0, -0.5, 5_000_000), 'from right to left'),
    ((0.5, 0, 500_000, 0, 0, 5_000_000), 'expected a transform with a pixel size'),
    ((0.5, 0, math.nan, 0, -0.5, 5_000_000), 'expected a transform with a pixel size'),
    ((1, 0, 0, 0, 1, 0), 'has a CRS, EPSG:32633 .* but no transform'),
])
def test_transforms_that_make_no_sense_are_refused(transform, message):
    with pytest.raises(SceneError, match=message):
        grid(transform=transform).check()


def test_another_distance_keeps_corner_and_area():
    coarse = grid().at_gsd(1.5)
    assert (coarse.width, coarse.height) == (134, 100) and coarse.gsd == 1.5
    assert coarse.transform == (1.5, 0, 500_000, 0, -1.5, 5_000_000)
    degrees = grid(300, 300, (1e-5, 0, 10, 0, -1e-5, 60.0015), 'EPSG:4326').at_gsd(2.0)
    assert degrees.ground_pixel == pytest.approx((2, 2), rel=1e-6)


@settings(max_examples=100, deadline=None)
@given(st.integers(100, 5000), st.integers(1, 5000), st.floats(0.05, 50))
def test_another_distance_covers_the_raster_and_less_than_a_pixel_more(width, height, gsd):
    own = grid(width, height)
    other = own.at_gsd(gsd)
    left, bottom, right, top = (a - b for a, b in zip(other.bounds, own.bounds))
    assert left == top == 0
    assert -0.02 * gsd <= right <= gsd and -0.02 * gsd <= -bottom <= gsd


@settings(max_examples=100, deadline=None)
@given(st.floats(-50, 50), st.floats(-50, 50))
def test_a_shift_is_found_from_a_hundredth_of_a_pixel_on(right, down):
    moved = grid(transform=(0.5, 0, 500_000 + right / 2, 0, -0.5, 5_000_000 - down / 2))
    size = max(abs(right), abs(down))
    if not np.isclose(size, 0.01, atol=1e-6):
        assert bool(grid().differences(moved)) == (size > 0.01)


@pytest.mark.parametrize('gsd, words', [(0.5, None), (0.74, None), (0.34, None), (1.0, '2.0 times too small'),
                                        (0.25, '2.0 times too large')])
def test_a_distance_far_from_the_training_one_warns(gsd, words):
    warning = gsd_warning(grid(transform=(gsd, 0, 500_000, 0, -gsd, 5_000_000)), 0.5)
    assert warning is None if words is None else words in warning and '--resample-gsd 0.5' in warning
    assert gsd_warning(grid(), None) is None


def test_a_crs_that_leads_nowhere_is_named():
    transform = (0.5, 0, 1000, 0, -0.5, 1000)
    airy = pyproj.CRS('+proj=airy +type=crs').to_wkt()  # PROJ has no inverse of it
    with pytest.raises(SceneError, match='its CRS, unknown, cannot be turned into longitude and latitude .*gdalwarp'):
        Grid(100, 100, transform, airy).check()
    with pytest.raises(SceneError, match='its CRS is not readable: .*gdal_edit.py -a_srs'):
        Grid(100, 100, transform, 'nonsense').check()


def test_a_local_crs_shares_no_ground_with_one_of_the_earth():
    transform = (0.5, 0, 500000, 0, -0.5, 5000000)
    local = Grid(100, 100, transform, 'LOCAL_CS["site",UNIT["metre",1]]')
    utm = Grid(100, 100, transform, pyproj.CRS('EPSG:32633').to_wkt())
    for one, other in ((local, utm), (utm, local)):
        assert not one.overlaps(other)
        assert 'no overlap' in ' '.join(one.differences(other))


@pytest.mark.parametrize('gsd', [1e9, 1e300, 385, 0.0001, 1e-9, 1e-300, 0.0077])
def test_a_distance_that_makes_no_image_is_refused(gsd):
    own = grid(512, 768)
    with pytest.raises(SceneError, match=rf'--resample-gsd {re.escape(f"{gsd:g}")}: its pixels are 0.5 x 0.5 m; '
                                         r'expected 0.00781 m .* to 384 m \(one pixel for the scene\)'):
        own.at_gsd(gsd)
    assert (own.at_gsd(384).width, own.at_gsd(384).height, own.at_gsd(0.0079).width) == (1, 1, 32406)


def test_pixels_that_are_not_square_on_the_ground_are_warned_of():
    assert shape_warning(grid()) is None and shape_warning(grid(crs=None)) is None
    text = shape_warning(grid(transform=(1e-5, 0, 10, 0, -1e-5, 60), crs='EPSG:4326'))
    assert text.startswith('pixels are 0.558 m wide and 1.11 m high on the ground, so everything looks stretched')
    assert '--resample-gsd 0.788 makes them square' in text
    assert shape_warning(grid(transform=(1e-5, 0, 10, 0, -1e-5, 30), crs='EPSG:4326')) is None  # 1.15 to 1
