import json
import shutil
from pathlib import Path
from zipfile import ZipFile

import pytest

geopandas = pytest.importorskip('geopandas')

from shapely.geometry import box  # noqa: E402

from schanger_mm.data_tools.change_polygons import read_polygons  # noqa: E402
from schanger_mm.geo.errors import SceneError  # noqa: E402
from schanger_mm.geo.grid import Grid  # noqa: E402
from schanger_mm.geo.polygon_files import find_polygons  # noqa: E402

UTM = 'EPSG:32633'


@pytest.fixture
def grid():
    import pyproj
    return Grid(256, 256, (0.5, 0, 500000, 0, -0.5, 5000000), pyproj.CRS(UTM).to_wkt())


def save(path, *sides, **options):
    shapes = [box(500010, 4999990 - side, 500010 + side, 4999990) for side in sides]
    geopandas.GeoDataFrame(geometry=shapes, crs=UTM).to_file(path, **options)
    return path


@pytest.fixture
def secret(tmp_path):
    """Write polygons that no other file should lead to."""
    (tmp_path / 'secret').mkdir()
    return save(tmp_path / 'secret/secret.gpkg', 20)


POLYGON = ('"type": "FeatureCollection", "features": [{"type": "Feature", "properties": {"crs": "x"}, '
           '"geometry": null}]}')


@pytest.mark.parametrize('text, found', [
    ('<OGRVRTDataSource><OGRVRTLayer name="c"><SrcDataSource>SECRET</SrcDataSource></OGRVRTLayer></OGRVRTDataSource>',
     'found something else; convert it first'),
    ('<OGRWFSDataSource><URL>http://127.0.0.1:9/wfs</URL></OGRWFSDataSource>', 'found something else'),
    ('{"type": "gdal_streamed_alg", "command_line": "gdal vector pipeline ! read SECRET ! select geom"}',
     "found JSON of the type 'gdal_streamed_alg'"),
    ('{"type": "FeatureCollection", "type": "Topology"}', "found JSON of the type 'Topology'"),
    ('{"crs": {"type": "link", "properties": {"href": "http://127.0.0.1:9"}}, POLYGON', 'its `crs` leads elsewhere'),
    ('{"crs": {"type": "n\\u0061me", "properties": {"name": "/etc/passwd"}}, POLYGON', 'its `crs` leads elsewhere'),
    ('{"crs": {"type": "link"}, "crs": null, POLYGON', 'its `crs` leads elsewhere'),
    ('{"type": "FeatureCollection", ', 'found damaged GeoJSON'),
    ('[' * 100000, 'found something else'),
    ('{"a":' * 100000, 'found damaged GeoJSON'),
    ('', 'found an empty file'),
])
@pytest.mark.parametrize('name', ['new.geojson', 'new.gpkg'])
def test_a_text_leads_to_no_other_polygons(tmp_path, secret, grid, text, found, name):
    (tmp_path / name).write_text(text.replace('SECRET', str(secret)).replace('POLYGON', POLYGON))
    with pytest.raises(SceneError, match=rf'{name}: .*{found}'):
        read_polygons(tmp_path / name, grid)


def test_a_geojson_is_read_as_one_whatever_it_says_beside(tmp_path, secret, grid):
    content = json.loads(save(tmp_path / 'a.geojson', 30, driver='GeoJSON').read_text())
    assert content['crs']['type'] == 'name'
    content = dict(note=f'"type": "gdal_streamed_alg" <OGRVRTDataSource>{secret}', **content)
    (tmp_path / 'b.geojson').write_text(json.dumps(content), encoding='utf-8-sig')
    assert read_polygons(tmp_path / 'b.geojson', grid).geometries[0].area == pytest.approx(3600)


@pytest.mark.parametrize('name, options', [
    ('a.gpkg', {}), ('a.shp', {}), ('a.fgb', dict(driver='FlatGeobuf')), ('a.gdb', dict(driver='OpenFileGDB')),
    ('a.geojson', dict(driver='GeoJSON'))])
def test_formats_of_practice_are_read_and_an_edit_of_any_file_counts(tmp_path, monkeypatch, grid, name, options):
    monkeypatch.chdir(tmp_path)  # a relative path too
    source = save(Path(name), 30, 10, **options)
    assert [round(shape.area) for shape in sorted(read_polygons(source, grid).geometries, key=lambda s: -s.area)] == [
        3600, 400]
    found = find_polygons(source)
    hashes = {found.sha256()}
    for file in found.files:
        before = file.read_bytes()
        file.write_bytes(before + b' ')
        hashes.add(find_polygons(source).sha256())
        file.write_bytes(before)
    assert len(hashes) == 1 + len(found.files) and find_polygons(source).sha256() in hashes
    assert len(found.files) >= {'a.shp': 5, 'a.gdb': 15}.get(name, 1)


def test_shapefiles_of_a_folder(tmp_path, grid):
    folder = tmp_path / 'shapes'
    folder.mkdir()
    save(folder / 'a.shp', 30)
    assert len(read_polygons(folder, grid).geometries) == 1
    save(folder / 'b.shp', 30, 10)
    with pytest.raises(SceneError, match='it has 2 layers; choose one with --layer: a, b'):
        read_polygons(folder, grid)
    assert len(read_polygons(folder, grid, 'b').geometries) == 2
    with pytest.raises(SceneError, match=r"no layer 'c' \(--layer\); it has a, b"):
        read_polygons(folder, grid, 'c')
    with pytest.raises(SceneError, match='found a folder without any'):
        read_polygons(tmp_path, grid)


def test_files_in_an_archive(tmp_path, secret, grid):
    save(tmp_path / 'a.shp', 30)
    with ZipFile(tmp_path / 'a.zip', 'w') as archive:
        for path in tmp_path.glob('a.*'):
            if path.suffix != '.zip':
                archive.write(path, f'in/{path.name}')
    for name in (tmp_path / 'a.zip', f'/vsizip/{tmp_path}/a.zip', f'/vsizip/{tmp_path}/a.zip/in/a.shp'):
        assert read_polygons(name, grid).geometries[0].area == pytest.approx(3600)
    before = find_polygons(tmp_path / 'a.zip').sha256()
    with ZipFile(tmp_path / 'a.zip', 'a') as archive:
        archive.writestr('b.geojson', f'<OGRVRTDataSource>{secret}')
    assert find_polygons(f'/vsizip/{tmp_path}/a.zip/in/a.shp').sha256() != before
    with pytest.raises(SceneError, match=r'one of its kind; found in/a\.shp, b\.geojson\. Name one: /vsizip/'):
        find_polygons(tmp_path / 'a.zip')
    with pytest.raises(SceneError, match='found something else'):
        find_polygons(f'/vsizip/{tmp_path}/a.zip/b.geojson')
    for name, reason in (('no.zip', 'No such file'), ('a.shp/x', 'not readable as an archive')):
        with pytest.raises(SceneError, match=reason):
            find_polygons(f'/vsizip/{tmp_path}/{name}')


@pytest.mark.parametrize('name', ['c!d.gpkg', 'site;v2.gpkg', 'a\n.gpkg', 'a\x01.gpkg'])
def test_names_that_mean_another_file_are_refused(tmp_path, grid, name):
    for other in ('d.gpkg', 'site', 'a.gpkg', name):
        shutil.copy(save(tmp_path / 'x.gpkg', 10), tmp_path / other)
    with pytest.raises(SceneError, match='would be taken for .*choose a path without'):
        read_polygons(tmp_path / name, grid)


def test_edits_of_a_geopackage_that_a_gis_holds_open_count(tmp_path):
    source = save(tmp_path / 'a.gpkg', 10)
    before = find_polygons(source).sha256()
    (tmp_path / 'a.gpkg-wal').write_bytes(b'')
    assert find_polygons(source).sha256() == before
    (tmp_path / 'a.gpkg-wal').write_bytes(b'edit')
    assert find_polygons(source).sha256() != before


def test_a_coordinate_system_that_cannot_be_read_is_named(tmp_path, grid):
    import sqlite3
    source = save(tmp_path / 'a.gpkg', 10)
    database = sqlite3.connect(source)
    database.execute("update gpkg_spatial_ref_sys set definition='LOCAL_CS[\"x\",UNIT[\"metre\",1]]', "
                     "organization='x', organization_coordsys_id=99 where srs_id=32633")
    database.commit()
    database.close()
    with pytest.raises(SceneError, match=r'a\.gpkg: cannot be brought from x to EPSG:32633'):
        read_polygons(source, grid)
