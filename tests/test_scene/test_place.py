import numpy as np
import pyproj
import pytest
import rasterio

from schanger_mm.geo.grid import Grid
from schanger_mm.scene.place import STEPS, Place


def place(crs, transform, width=1000, height=800):
    return Place(Grid(width, height, transform, crs and rasterio.CRS.from_user_input(crs).to_wkt()))


@pytest.mark.parametrize('crs, transform, north', [
    ('EPSG:32633', (0.5, 0, 500_000, 0, -0.5, 5_000_000), 0),
    ('EPSG:32633', (0.5, 0, 500_000, 0, 0.5, 5_000_000), 180),  # south-up
    ('EPSG:32633', (0.5, 0, 700_000, 0, -0.5, 5_500_000), -2.1),  # 2.8 degrees east of its meridian, at 49.6 north
    ('EPSG:4326', (1e-5, 0, 10, 0, -1e-5, 60), 0),
    ('EPSG:4326', (1e-5, 0, 10, 0, 1e-5, -60), 180),
    ('EPSG:3031', (500, 0, 1_000_000, 0, -500, 200_000), 90),  # at 90 degrees east
    ('EPSG:3031', (500, 0, -250_000, 0, -500, -1_000_000), 180),
    ('LOCAL_CS["site",UNIT["metre",1]]', (1, 0, 0, 0, -1, 0), 0),
    ('LOCAL_CS["site",UNIT["metre",1]]', (1, 0, 0, 0, 1, 0), 180),
])
def test_north_is_where_longitude_stays_and_latitude_rises(crs, transform, north):
    assert (place(crs, transform).north() - north + 180) % 360 - 180 == pytest.approx(0, abs=0.15)


def test_places_are_worded_with_digits_that_tell_pixels_apart():
    utm = place('EPSG:32633', (0.5, 0, 500_000, 0, -0.5, 5_000_000))
    lon, lat = pyproj.Transformer.from_crs(32633, 4326, always_xy=True).transform(500_010, 4_999_990)
    assert utm.at(20, 20) == f'500010.0, 4999990.0 ({lat:.5f}° N, {lon:.5f}° E)'
    assert place('EPSG:4326', (1e-5, 0, 200, 0, -1e-5, -20)).at(100, 0) == '20.00000° S, 159.99900° W'
    site = place('LOCAL_CS["site",UNIT["metre",1]]', (1, 0, 0, 0, -1, 0))
    assert (site.at(3, 4), site.extent()) == ('3, -4', 'x 0 to 1000, y -800 to 0') and site.as_dict()['lons'] is None
    nowhere = place(None, (1, 0, 0, 0, 1, 0))
    assert (nowhere.at(1, 1), nowhere.extent(), nowhere.north(), nowhere.as_dict()) == ('', '', None, None)


def test_the_lattice_of_a_page_is_a_metre_off_at_most_in_100_km():
    grid = Grid(10_000, 10_000, (10, 0, 600_000, 0, -10, 6_100_000), rasterio.CRS.from_epsg(32633).to_wkt())
    found = Place(grid).as_dict()
    lats = np.array(found['lats']).reshape(STEPS + 1, STEPS + 1)
    middle = (lats[3:5, 3:5]).mean()  # what bilinear interpolation gives between four of them
    side = 100_000 / STEPS
    _, lat = pyproj.Transformer.from_crs(32633, 4326, always_xy=True).transform(600_000 + 3.5 * side,
                                                                               6_100_000 - 3.5 * side)
    assert abs(middle - lat) * 111_000 < 1.5


def test_longitudes_go_on_beyond_180_degrees():
    found = place('EPSG:3832', (100, 0, 3_300_000, 0, -100, 1_000_000)).as_dict()  # the Pacific
    lons = np.array(found['lons']).reshape(STEPS + 1, STEPS + 1)
    assert lons[0, 0] < 180 < lons[0, -1] and (np.diff(lons, axis=1) > 0).all()
