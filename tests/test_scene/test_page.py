import json
import re

import numpy as np
import pytest
from rasterio.transform import Affine

from schanger_mm.geo.errors import SceneError
from schanger_mm.geo.pair import PairSpec
from schanger_mm.scene.page import write_page
from schanger_mm.scene.polygons import write_polygons
from schanger_mm.scene.summary import write_summary


@pytest.fixture
def make(tmp_path, write_raster, noise):
    """Return a function that writes a page on changes given as (row, col, size) and returns its text."""
    def write(changes=((10, 20, 12), (60, 90, 8), (80, 10, 4)), before='a.tif', summary=None, crs='EPSG:32633',
              layer='change.gpkg', transform=None, **options):
        change = np.zeros((1, 120, 160), np.uint8)
        for row, col, size in changes:
            change[:, row:row + size, col:col + size] = 1
        place = dict(crs=crs, transform=transform)
        spec = PairSpec(write_raster(before, noise(120, 160), **place),
                        write_raster('b.tif', noise(120, 160, seed=1), **place))
        rasters = write_raster('change.tif', change, **place), write_raster('probability.tif', change * 200, **place)
        found = write_polygons(*rasters, tmp_path / layer, overwrite=True)
        if summary is None:
            summary = write_summary(tmp_path / 'summary.json', rasters[0], overwrite=True, polygons=found)
        page = write_page(tmp_path / 'report.html', spec, *rasters, tmp_path / layer, summary, **options)
        return page.read_text()

    return write


def scene(page):
    return json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)[1])


def test_the_largest_changes_are_listed_with_pictures(make):
    page = make(largest=2)

    data = scene(page)
    assert (data['width'], data['height'], data['metres']) == (160, 120, 0.5)
    assert [(change['rank'], change['area'], change['probability']) for change in data['changes']] == [
        (1, '36 m²', '0.79'), (2, '16 m²', '0.79')]
    assert data['changes'][0]['box'] == [20, 10, 12, 12]
    assert data['changes'][0]['place'] == '500013.0, 4999992.0 (45.15341° N, 15.00017° E)'
    assert data['changes'][0]['spot'] == '45.15341° N, 15.00017° E'
    assert data['place']['north'] == 0 and data['place']['transform'] == [0.5, 0, 500_000, 0, -0.5, 5_000_000]
    assert 'Extent: x 500000.0 to 500080.0, y 4999940.0 to 5000000.0; latitude 45.15294 to 45.15348, longitude ' in page
    for pictures in (data['preview'], *(change['pictures'] for change in data['changes'])):
        assert all(uri.startswith('data:image/') for uri in pictures.values())
    assert 'The 2 largest of 3; all of them are in change.gpkg.' in page
    assert '<dd>56 m²</dd><dt>changed</dt>' in page


def test_nothing_is_loaded_from_elsewhere(make):
    page = re.sub(r'data:image/[^"]+', '', make())

    assert not re.search(r'https?:|src="[^"]|@import|url\(', page)
    assert "default-src 'none'" in page


def test_texts_are_escaped(make):
    page = make(before='<script>alert(1)<&script>.tif', summary={'settings': {'<b>': '</script><script>alert(2)'}},
                title=None)

    assert 'alert(1)' in page
    assert page.count('<script') == 2  # the data and the program
    assert '<b>&lt;' not in page
    assert '&lt;/script&gt;&lt;script&gt;alert(2)' in page


def test_a_title_that_looks_like_a_place_of_the_template_stays_text(make):
    assert '<h1>@@script@@</h1>' in make(title='@@script@@')


def test_geojson_is_read_too(make):
    assert scene(make(layer='change.geojson')) == scene(make(overwrite=True))


@pytest.mark.parametrize('layer', ['change.gpkg', 'change.geojson'])
def test_no_change_is_said_in_words(make, layer):
    page = make(changes=(), layer=layer)

    assert 'No changes were found.' in page
    assert scene(page)['changes'] == []


@pytest.mark.filterwarnings('ignore::rasterio.errors.NotGeoreferencedWarning')
def test_without_a_crs_areas_are_in_pixels(make):
    page = make(crs=None)

    assert scene(page)['metres'] is None and scene(page)['place'] is None and 'Extent' not in page
    assert [change['area'] for change in scene(page)['changes']] == ['144 px', '64 px', '16 px']
    assert 'areas are counted in pixels' in page


def test_any_summary_makes_a_table(make):
    page = make(summary={'note': 'x', 'timings': {'read_s': 1.5, 'inner': {'deep': None}},
                         'model': {'classes': ['a', 1]}, 'warnings': []})

    assert '<th scope="row">read (s)</th><td>1.5</td>' in page
    assert '<th scope="row">inner: deep</th><td>-</td>' in page
    assert '<th scope="row">warnings</th><td>none</td>' in page
    assert '<th scope="row">classes</th><td>a, 1</td>' in page


def test_the_scale_bar_has_the_metres_of_a_row(make):
    page = make(crs='EPSG:4326', transform=Affine(1e-5, 0, 10, 0, -1e-5, 60))

    assert scene(page)['metres'] == pytest.approx(0.558, abs=1e-3)  # and 1.114 along a column


def test_an_earlier_page_is_kept(make, tmp_path):
    make()

    with pytest.raises(FileExistsError, match=r'report.html exists already'):
        make()
    make(overwrite=True)


def test_polygons_that_are_none_are_refused(make, tmp_path):
    make()
    (tmp_path / 'other.gpkg').write_text('not a GeoPackage')

    with pytest.raises(SceneError, match=r'other.gpkg: not readable as polygons'):
        write_page(tmp_path / 'page.html', PairSpec(str(tmp_path / 'a.tif'), str(tmp_path / 'b.tif')),
                   tmp_path / 'change.tif', tmp_path / 'probability.tif', tmp_path / 'other.gpkg', {})
