import os
import tempfile

import pytest
import rasterio

from schanger_mm.geo.errors import SceneError
from schanger_mm.geo.grid import Grid
from schanger_mm.scene.plan import Settings
from schanger_mm.scene.preflight import check_products

LOCAL = 'LOCAL_CS["site",UNIT["metre",1]]'
MARS = ('PROJCS["Mars",GEOGCS["Mars",DATUM["Mars",SPHEROID["Mars",3396190,0]],PRIMEM["Reference Meridian",0],'
        'UNIT["degree",0.0174532925199433]],PROJECTION["Equirectangular"],UNIT["metre",1]]')
ROTATED = '+proj=ob_tran +o_proj=longlat +o_lon_p=0 +o_lat_p=39.25 +lon_0=18 +R=6371229'


def grid(crs, transform=(0.5, 0, 5e5, 0, -0.5, 5e6)):
    return Grid(40, 30, transform, rasterio.CRS.from_user_input(crs).to_wkt())


@pytest.mark.parametrize('crs', [LOCAL, MARS, 'EPSG:32633', 'EPSG:7415', 'EPSG:2193'])
def test_a_geopackage_takes_any_crs_that_a_geotiff_takes(crs):
    check_products(grid(crs), Settings())


@pytest.mark.parametrize('crs', [LOCAL, MARS])
def test_geojson_takes_no_crs_beyond_longitude_and_latitude(crs, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, 'tempdir', str(tmp_path))

    with pytest.raises(SceneError, match=r'^change.geojson: its CRS, (site|Mars), cannot be turned into the longitude '
                       r'and latitude that GeoJSON consists of; write a GeoPackage \(--format gpkg\), which keeps'):
        check_products(grid(crs), Settings(format='geojson'))
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize('format', ['gpkg', 'geojson'])
def test_a_rotated_pole_is_refused_since_a_geotiff_would_lose_it(format):
    with pytest.raises(SceneError, match='its CRS, .*, cannot be written into a GeoTIFF; warp it first'):
        check_products(grid(ROTATED, (0.01, 0, 1, 0, -0.01, 2)), Settings(format=format))


def test_a_raster_without_a_place_has_products_too():
    check_products(Grid(40, 30, (1, 0, 0, 0, 1, 0), None), Settings(format='geojson'))
