import pyproj
import pytest
import shapely

from schanger_mm.geo.errors import SceneError
from schanger_mm.geo.grid import Grid
from schanger_mm.scene.areas import Ground

SQUARE = shapely.box(0, 0, 1000, 1000)


def ground(crs, transform):
    return Ground(Grid(1000, 1000, transform, crs))


def test_utm_is_measured_on_its_plane():
    utm = ground('EPSG:32633', (0.5, 0, 5e5, 0, -0.5, 5.6e6))

    assert (utm.method, utm.unit, utm.pixel_area, utm.pixel_size) == ('planar', 'm2', 0.25, 0.5)
    assert utm.areas([SQUARE]) == [250_000]


def test_feet_become_metres():
    feet = ground('EPSG:2230', (1, 0, 6e6, 0, -1, 2e6))  # California, US survey feet

    assert feet.method == 'planar'
    assert feet.pixel_area == pytest.approx((1200 / 3937) ** 2)


def test_degrees_are_measured_on_the_ellipsoid():
    degrees = ground('EPSG:4326', (1e-5, 0, 13, 0, -1e-5, 52))
    expected = abs(pyproj.Geod(ellps='WGS84').geometry_area_perimeter(shapely.box(13, 51.99, 13.01, 52))[0])

    assert degrees.method == 'ellipsoidal'
    assert degrees.areas([SQUARE])[0] == pytest.approx(expected, rel=1e-6)


def test_degrees_agree_with_utm_within_its_scale():
    # 13.5 degrees east is 1.5 degrees off the central meridian, where UTM's scale is 0.9998
    lon, lat = 13.5, 52.0
    west, north = pyproj.Transformer.from_crs(4326, 32633, always_xy=True).transform(lon, lat)
    corners = pyproj.Transformer.from_crs(32633, 4326, always_xy=True)
    east, south = corners.transform(west + 500, north - 500)
    degrees = ground('EPSG:4326', ((east - lon) / 1000, 0, lon, 0, (south - lat) / 1000, lat))

    assert degrees.areas([SQUARE])[0] == pytest.approx(250_000, rel=0.03)  # north of UTM is not quite true north


@pytest.mark.parametrize('crs, x, y', [('EPSG:27572', 600000, 2430000), ('EPSG:27572', 1130000, 1700000),
                                       ('EPSG:27571', 600000, 1200000)])
def test_grads_from_paris_are_no_degrees_from_greenwich(crs, x, y):
    french = ground(crs, (0.5, 0, x, 0, -0.5, y))
    assert (french.method, french.pixel_area) == ('planar', 0.25)
    grid = Grid(1000, 1000, (0.5, 0, x, 0, -0.5, y), crs)
    assert grid.ground_pixel == (0.5, 0.5)


def test_a_geographic_crs_in_grads():
    grads = ground('EPSG:4807', (1e-5, 0, 0, 0, -1e-5, 54))
    geod = pyproj.CRS('EPSG:4807').get_geod()
    expected = abs(geod.geometry_area_perimeter(shapely.box(0, 53.99 * 0.9, 0.009, 54 * 0.9))[0])
    assert grads.method == 'ellipsoidal' and grads.areas([SQUARE])[0] == pytest.approx(expected, rel=1e-6)


def test_a_scale_counts_from_the_meridian_of_the_crs():
    oslo = ground('EPSG:27391', (0.5, 0, 0, 0, -0.5, 0))  # at its origin, 10.7 degrees from Greenwich
    assert oslo.method == 'planar'


def test_web_mercator_is_not_taken_at_its_word():
    mercator = ground('EPSG:3857', (0.5, 0, 1.5e6, 0, -0.5, 6.9e6))  # 52.6 degrees north

    assert mercator.method == 'ellipsoidal'
    assert mercator.pixel_area == pytest.approx(0.25 * 0.3704, rel=2e-3)  # cos(52.6 degrees) squared


def test_holes_are_not_counted():
    degrees = ground('EPSG:4326', (1e-5, 0, 13, 0, -1e-5, 52))
    ring = SQUARE.difference(shapely.box(200, 200, 800, 800))

    assert degrees.areas([ring])[0] == pytest.approx(0.64 * degrees.areas([SQUARE])[0], rel=1e-4)


def test_without_a_crs_areas_are_pixels():
    pixels = ground(None, (1, 0, 0, 0, 1, 0))

    assert (pixels.method, pixels.unit, pixels.pixel_area) == ('pixels', 'px', 1)
    assert pixels.areas([SQUARE]) == [1_000_000]


def test_a_crs_without_meaning_is_named():
    with pytest.raises(SceneError, match='its CRS is not readable.*nonsense'):
        ground('nonsense', (1, 0, 0, 0, 1, 0))
