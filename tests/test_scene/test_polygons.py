import json
import os
import subprocess
import sys
import textwrap

import geopandas
import numpy as np
import pyproj
import pytest
import rasterio
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from rasterio.transform import Affine

from schanger_mm.geo.errors import SceneError
from schanger_mm.scene import polygons as module
from schanger_mm.scene.polygons import write_polygons

UTM = 'EPSG:32633', Affine(0.5, 0, 4e5, 0, -0.5, 5.6e6)
COLUMNS = ['rank', 'area_m2', 'pixels', 'mean_probability', 'xmin', 'ymin', 'xmax', 'ymax', 'col', 'row', 'width',
           'height', 'geometry']


def write_result(folder, change, probability=None, place=UTM):
    """Write change.tif and probability.tif; probability 200 / 254 where changed by default."""
    change = np.asarray(change, np.uint8)
    if probability is None:
        probability = np.where(change == 1, 200, change)
    for name, values in (('change', change), ('probability', probability)):
        with rasterio.open(folder / f'{name}.tif', 'w', driver='GTiff', width=change.shape[1], height=change.shape[0],
                           count=1, dtype='uint8', nodata=255, crs=place[0], transform=place[1]) as raster:
            raster.write(np.asarray(values, np.uint8), 1)
    return folder / 'change.tif', folder / 'probability.tif'


def polygons(folder, change, name='change.gpkg', probability=None, place=UTM, **options):
    found = write_polygons(*write_result(folder, change, probability, place), folder / name, overwrite=True, **options)
    return found, geopandas.read_file(folder / name)


def ring_with_island():
    """A 9 x 9 ring two pixels wide around a 5 x 5 hole with a 2 x 2 island; apart from it, one pixel."""
    change = np.zeros((12, 14), np.uint8)
    change[1:10, 1:10] = 1
    change[3:8, 3:8] = 0
    change[4:6, 4:6] = 1
    change[11, 13] = 1
    return change


def test_features_say_what_changed_and_where(tmp_path):
    change = np.zeros((40, 60), np.uint8)
    change[10:20, 30:50] = 1
    change[2:4, 1:6] = 1
    change[:, 58:] = 255
    probability = np.where(change == 1, 0, change)
    probability[10:20, 30:40], probability[10:20, 40:50], probability[2:4, 1:6] = 254, 127, 200

    found, table = polygons(tmp_path, change, probability=probability)

    assert list(table.columns) == COLUMNS
    assert table.crs == 'EPSG:32633'
    assert table.geometry[0].equals(shapely.box(4e5 + 15, 5.6e6 - 10, 4e5 + 25, 5.6e6 - 5))
    first, second = table.drop(columns='geometry').to_dict('records')
    assert first == dict(rank=1, area_m2=50.0, pixels=200, mean_probability=0.75, xmin=400015.0, ymin=5599990.0,
                         xmax=400025.0, ymax=5599995.0, col=30, row=10, width=20, height=10)
    assert (second['rank'], second['area_m2'], second['pixels']) == (2, 2.5, 10)
    assert second['mean_probability'] == pytest.approx(200 / 254)
    assert (found['polygons'], found['area_m2'], found['largest_m2'], found['area_method']) == (2, 52.5, 50, 'planar')


@settings(deadline=None, max_examples=15)
@given(change=st.tuples(st.integers(1, 12), st.integers(1, 12)).flatmap(
    lambda shape: arrays(np.uint8, shape, elements=st.sampled_from([0, 1, 255]))),
       strip=st.integers(1, 12), connectivity=st.sampled_from([4, 8]))
def test_areas_add_up_and_strips_do_not_matter(tmp_path_factory, change, strip, connectivity):
    folder = tmp_path_factory.mktemp('result')

    found, table = polygons(folder, change, strip=strip, connectivity=connectivity)
    _, whole = polygons(folder, change, connectivity=connectivity)

    assert table.area_m2.sum() == (change == 1).sum() * 0.25 == found['area_m2']
    assert table.geometry.area.sum() == pytest.approx(found['area_m2'])
    assert table.pixels.sum() == (change == 1).sum()
    assert table.is_valid.all()
    assert table.equals(whole)
    assert list(table['rank']) == list(range(1, len(table) + 1))
    assert table.area_m2.is_monotonic_decreasing


def test_small_polygons_are_left_out_and_counted(tmp_path):
    found, table = polygons(tmp_path, ring_with_island(), min_area_m2=1.0)

    assert list(table.pixels) == [56, 4]  # the island has exactly 1 m2
    assert (found['found'], found['dropped'], found['dropped_m2']) == (3, 1, 0.25)


def test_a_filled_hole_takes_in_what_lies_in_it(tmp_path):
    _, kept = polygons(tmp_path, ring_with_island(), fill_holes_m2=25 * 0.25)  # the hole is not smaller than this
    _, filled = polygons(tmp_path, ring_with_island(), fill_holes_m2=25 * 0.25 + 0.01)

    assert list(kept.pixels) == [56, 4, 1]
    assert list(filled.pixels) == [60, 1]
    assert list(filled.area_m2) == [81 * 0.25, 0.25]
    assert filled.geometry[0].equals(shapely.box(4e5 + 0.5, 5.6e6 - 5, 4e5 + 5, 5.6e6 - 0.5))


def test_simplified_outlines_are_valid_and_keep_the_measured_area(tmp_path):
    rows, cols = np.mgrid[:80, :80]
    change = (np.hypot(rows - 40, cols - 40) < 30).astype(np.uint8)

    _, table = polygons(tmp_path, change, simplify=1.0)
    _, full = polygons(tmp_path, change)

    assert shapely.get_num_coordinates(table.geometry[0]) < shapely.get_num_coordinates(full.geometry[0]) / 3
    assert table.is_valid.all()
    assert table.geometry[0].hausdorff_distance(full.geometry[0]) <= 1.0
    assert table.area_m2[0] == full.area_m2[0] == change.sum() * 0.25


@settings(deadline=None, max_examples=15)
@given(change=arrays(np.uint8, (10, 10), elements=st.integers(0, 1)), simplify=st.floats(0.1, 5))
def test_simplifying_loses_no_polygon(tmp_path_factory, change, simplify):
    folder = tmp_path_factory.mktemp('result')

    found, table = polygons(folder, change, simplify=simplify)

    assert len(table) == found['found']
    assert table.is_valid.all()
    assert not table.is_empty.any()


def test_geojson_is_in_longitude_and_latitude(tmp_path):
    change = np.zeros((40, 60), np.uint8)
    change[10:20, 30:50] = 1

    _, table = polygons(tmp_path, change, 'change.geojson')

    stored = json.loads((tmp_path / 'change.geojson').read_text())
    ring = np.array(stored['features'][0]['geometry']['coordinates'][0][0])
    x, y = ring[:, 0], ring[:, 1]
    assert 'crs' not in stored  # RFC 7946 has no other than EPSG:4326
    assert (x[:-1] * y[1:] - x[1:] * y[:-1]).sum() > 0  # and wants counterclockwise outlines
    assert table.crs == 'EPSG:4326'
    assert table.area_m2[0] == 50
    assert table.to_crs(UTM[0]).geometry[0].hausdorff_distance(
        shapely.box(4e5 + 15, 5.6e6 - 10, 4e5 + 25, 5.6e6 - 5)) < 0.005
    assert tuple(table[['xmin', 'ymin', 'xmax', 'ymax']].loc[0]) == pytest.approx(table.total_bounds, abs=1e-7)


def test_degrees_have_true_areas(tmp_path):
    change = np.zeros((30, 30), np.uint8)
    change[10:20, 10:20] = 1

    found, table = polygons(tmp_path, change, place=('EPSG:4326', Affine(1e-5, 0, 13, 0, -1e-5, 60)))

    # at 60 degrees a degree is 111.4 km of latitude and 55.8 km of longitude
    assert table.area_m2[0] == pytest.approx(100 * 1.1141 * 0.5580, rel=1e-3)
    assert found['area_method'] == 'ellipsoidal'


@pytest.mark.filterwarnings('ignore::rasterio.errors.NotGeoreferencedWarning')
@pytest.mark.parametrize('name', ['change.gpkg', 'change.geojson'])
def test_without_a_crs_everything_is_in_pixels(tmp_path, name):
    change = np.zeros((6, 9), np.uint8)
    change[2:4, 1:6] = 1

    found, table = polygons(tmp_path, change, name, place=(None, Affine.identity()))

    assert table.geometry[0].equals(shapely.box(1, 2, 6, 4))
    assert table.area_px[0] == 10
    assert 'area_m2' not in table
    assert (found['area_px'], found['area_method']) == (10, 'pixels')


@pytest.mark.parametrize('name', ['change.gpkg', 'change.geojson'])
def test_no_change_is_a_layer_without_features(tmp_path, name):
    found, table = polygons(tmp_path, np.zeros((5, 5)), name, fill_holes_m2=1, simplify=1)

    assert len(table) == 0
    assert (found['polygons'], found['area_m2'], found['largest_m2']) == (0, 0, 0)
    if name.endswith('gpkg'):
        assert list(table.columns) == COLUMNS
        assert table.crs == 'EPSG:32633'


def test_no_change_in_degrees_is_a_layer_too(tmp_path):
    found, table = polygons(tmp_path, np.zeros((5, 5)), place=('EPSG:4326', Affine(1e-5, 0, 13, 0, -1e-5, 60)),
                            fill_holes_m2=1)

    assert (len(table), found['area_m2']) == (0, 0)


def test_an_earlier_file_is_kept(tmp_path):
    rasters = write_result(tmp_path, np.ones((3, 3)))
    (tmp_path / 'change.gpkg').write_text('mine')

    with pytest.raises(FileExistsError, match='change.gpkg exists already'):
        write_polygons(*rasters, tmp_path / 'change.gpkg')

    assert (tmp_path / 'change.gpkg').read_text() == 'mine'


@pytest.mark.parametrize('options, words', [
    ({'out': 'change.shp'}, r"written as .gpkg or .geojson, found the suffix '.shp'"),
    ({'min_area_m2': -1}, 'min_area_m2=-1: expected 0 or more'),
    ({'simplify': float('nan')}, 'simplify=nan: expected 0 or more'),
    ({'connectivity': 6}, 'connectivity=6: expected 4 or 8'),
])
def test_nonsense_is_refused(tmp_path, options, words):
    options = {'out': 'change.gpkg', **options}

    with pytest.raises(SceneError, match=words):
        write_polygons(*write_result(tmp_path, np.ones((3, 3))), tmp_path / options.pop('out'), **options)


def test_rasters_that_do_not_fit_are_refused_and_nothing_is_left(tmp_path):
    change, probability = write_result(tmp_path, np.ones((3, 3)))
    for folder, shape in (('wide', (3, 4)), ('codes', (3, 3)), ('holes', (3, 3))):
        (tmp_path / folder).mkdir()
        write_result(tmp_path / folder, np.full(shape, 7 if folder == 'codes' else 255))

    with pytest.raises(SceneError, match=r'has 3 x 3 px and .* 4 x 3 px'):
        write_polygons(change, tmp_path / 'wide/probability.tif', tmp_path / 'a.gpkg')
    with pytest.raises(SceneError, match='found the value 7; expected 0 unchanged, 1 changed and 255'):
        write_polygons(tmp_path / 'codes/change.tif', probability, tmp_path / 'a.gpkg')
    with pytest.raises(SceneError, match='has no data .* where .* is changed'):
        write_polygons(change, tmp_path / 'holes/probability.tif', tmp_path / 'a.gpkg')
    with pytest.raises(SceneError, match='none.tif'):
        write_polygons(tmp_path / 'none.tif', probability, tmp_path / 'a.gpkg')
    assert sorted(path.name for path in tmp_path.iterdir()) == ['change.tif', 'codes', 'holes', 'probability.tif',
                                                                'wide']


@pytest.mark.parametrize('name', ['change.gpkg', 'change.geojson'])
@pytest.mark.parametrize('share', [0.1, 0.5, 0.999])
def test_a_full_disk_is_one_error_and_leaves_no_half_file(tmp_path, name, share, longest_file):
    rasters = write_result(tmp_path, np.eye(60))
    write_polygons(*rasters, tmp_path / name)
    limit = int((tmp_path / name).stat().st_size * share)
    with longest_file(limit), pytest.raises(SceneError, match=f'new/{name}: not writable'):
        write_polygons(*rasters, tmp_path / 'new' / name)

    assert list((tmp_path / 'new').iterdir()) == []


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    rasters = write_result(tmp_path, np.eye(3))
    (tmp_path / 'file').write_text('')

    with pytest.raises(SceneError, match='file/change.gpkg: not writable'):
        write_polygons(*rasters, tmp_path / 'file/change.gpkg')


@pytest.mark.long
def test_memory_does_not_grow_with_the_height(tmp_path):
    script = textwrap.dedent("""
        import resource, sys
        from pathlib import Path
        import numpy as np, rasterio
        from rasterio.windows import Window
        from schanger_mm.scene.polygons import write_polygons
        folder, height, width = Path(sys.argv[1]), int(sys.argv[2]), 4096
        for name, value in (('change', 1), ('probability', 200)):
            with rasterio.open(folder / f'{name}.tif', 'w', driver='GTiff', width=width, height=height, count=1,
                               dtype='uint8', nodata=255, compress='deflate', tiled=True, crs='EPSG:32633',
                               transform=rasterio.Affine(0.5, 0, 4e5, 0, -0.5, 5.6e6)) as raster:
                strip = np.zeros((512, width), np.uint8)
                strip[200:300:2, :3000:40] = value
                for row in range(0, height, 512):
                    raster.write(strip * (row < 2048), 1, window=Window(0, row, width, 512))
        write_polygons(folder / 'change.tif', folder / 'probability.tif', folder / 'change.gpkg')
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
    """)

    def peak(height):
        folder = tmp_path / str(height)
        folder.mkdir()
        run = subprocess.run([sys.executable, '-c', script, str(folder), str(height)], capture_output=True, text=True,
                             env={**os.environ, 'GDAL_CACHEMAX': '16'})
        assert run.returncode == 0, run.stderr
        return int(run.stdout)

    assert peak(20480) <= 1.1 * peak(2048)


def lonlat(folder, change, crs, transform, **options):
    found, table = polygons(folder, change, 'change.geojson', place=(crs, transform), **options)
    stored = json.loads((folder / 'change.geojson').read_text())
    assert table.is_valid.all() and (table.geom_type == 'MultiPolygon').all()
    assert (table.bounds[['minx', 'miny']].to_numpy() >= (-180, -90)).all()
    assert (table.bounds[['maxx', 'maxy']].to_numpy() <= (180, 90)).all()
    return found, table, stored


def spherical_area(table):
    """Areas on the ellipsoid, from the longitudes and latitudes in the file."""
    geod = pyproj.Geod(ellps='WGS84')
    return [abs(geod.geometry_area_perimeter(shapely.segmentize(shape, 0.1))[0]) for shape in table.geometry]


@pytest.mark.parametrize('crs, west', [('EPSG:4326', 179.9), ('EPSG:4326', -180.1), ('EPSG:3832', 3_322_890)])
def test_a_polygon_over_180_degrees_is_cut_there(tmp_path, crs, west):
    change = np.zeros((30, 30), np.uint8)
    change[5:15, 2:28], change[20:25, 1:5] = 1, 1
    step = 0.01 if crs == 'EPSG:4326' else 1113
    transform = Affine(step, 0, west, 0, -step, 10 if crs == 'EPSG:4326' else 1_100_000)

    _, table, stored = lonlat(tmp_path, change, crs, transform)

    first = stored['features'][0]
    assert len(first['geometry']['coordinates']) == 2
    assert first['properties']['xmin'] > 179.8 and first['properties']['xmax'] < -179.7  # west is greater than east
    second = stored['features'][1]['properties']
    assert 179.8 < second['xmin'] < second['xmax'] < 180
    assert spherical_area(table) == pytest.approx(table.area_m2, rel=2e-3)


def test_longitudes_of_0_to_360_become_those_of_geojson(tmp_path):
    change = np.zeros((30, 30), np.uint8)
    change[5:15, 2:28] = 1

    _, table, _ = lonlat(tmp_path, change, 'EPSG:4326', Affine(0.01, 0, 200, 0, -0.01, 20))

    assert tuple(table.total_bounds) == pytest.approx((-159.98, 19.85, -159.72, 19.95))
    assert tuple(table.loc[0, ['xmin', 'ymin', 'xmax', 'ymax']]) == pytest.approx(tuple(table.total_bounds))


@pytest.mark.parametrize('crs, pole', [('EPSG:3031', -90), ('EPSG:3413', 90)])
@pytest.mark.parametrize('place', ['around', 'corner', 'ring', 'edge', 'beside'])
def test_polygons_around_a_pole_keep_their_area(tmp_path, crs, pole, place):
    change = np.zeros((40, 40), np.uint8)  # the pole is the middle, a corner of four pixels
    change[{'around': np.s_[10:33, 12:30], 'corner': np.s_[20:30, 20:30], 'ring': np.s_[5:35, 5:35],
            'edge': np.s_[20:30, 12:30], 'beside': np.s_[2:12, 25:38]}[place]] = 1
    if place == 'ring':
        change[15:25, 15:25] = 0

    _, table, _ = lonlat(tmp_path, change, crs, Affine(20_000, 0, -400_000, 0, -20_000, 400_000))

    assert spherical_area(table) == pytest.approx(table.area_m2, rel=5e-3)
    box = table.loc[0, ['xmin', 'ymin', 'xmax', 'ymax']]
    if place in ('around', 'ring'):
        assert (box.xmin, box.xmax) == (-180, 180)
    if place == 'around':
        assert pole in (box.ymin, box.ymax)


def test_many_polygons_are_written_in_batches(tmp_path, monkeypatch):
    change = np.zeros((40, 60), np.uint8)
    change[::2, ::2] = 1
    monkeypatch.setattr(module, 'BATCH', 70)

    for name in ('change.gpkg', 'change.geojson'):
        found, table = polygons(tmp_path, change, name)

        assert found['polygons'] == len(table) == 600
        assert list(table['rank']) == list(range(1, 601))
        assert list(table.row) == sorted(table.row)  # of one area: in reading order
        assert found['columns'] == [name for name in table.columns if name != 'geometry']
