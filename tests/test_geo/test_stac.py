import json

import pytest

from schanger_mm.geo.errors import SceneError
from schanger_mm.geo.stac import is_item, raster_of

COG = 'image/tiff; application=geotiff; profile=cloud-optimized'


def asset(href, kind=COG, roles=('data', )):
    return dict(href=href, type=kind, roles=list(roles))


def item(**assets):
    return dict(type='Feature', stac_version='1.0.0', id='x', assets=assets)


@pytest.fixture
def local(tmp_path):
    """Return a function that writes an item and returns its path."""
    def write(content):
        path = tmp_path / 'items' / 'item.json'
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(content))
        return str(path)
    return write


def test_names_of_items():
    assert all(map(is_item, ('a.json', 'A.GeoJSON', 'https://host/a.json?sig', 'https://host/collections/c/items/S2_1')))
    assert not any(map(is_item, ('a.tif', 'https://host/a.tif?x=a.json', 'https://host/items/a.tif', 'x/items/a',
                                 's3://bucket/json')))


def test_the_only_geotiff_with_data_is_taken(local):
    path = local(item(
        thumbnail=asset('t.png', 'image/png', ['thumbnail', 'visual']), info=asset('i.json', 'application/json'),
        mask=asset('https://host/m.tif', roles=['data-mask']),
        visual=asset('https://host/v.tif?sig=1', roles=['visual'])))
    assert raster_of(path, None, remote=True).full == 'https://host/v.tif?sig=1'
    assert raster_of(path, 'mask', remote=True).full == 'https://host/m.tif'
    assert raster_of('a.tif', 'mask', remote=True) == 'a.tif'


@pytest.mark.parametrize('content, name, message', [
    (item(a=asset('a.tif'), b=asset('b.tif')), None, 'role data or visual, found 2: a, b; name one: --asset NAME'),
    (item(a=asset('a.tif', roles=['thumbnail']), b=dict(href='b.tif')), None, 'found none among a, b; name one'),
    (item(), None, 'found none among no assets'),
    (item(a=asset('a.tif')), 'b', '--asset b: no such asset; found a'),
    (dict(type='FeatureCollection', features=[]), None, "expected a STAC item .* found 'FeatureCollection'"),
    ([], None, "found 'list'"),
    (dict(type='Feature', assets=[1]), None, 'expected a STAC item'),
    (item(a=asset('../a.tif')), None, r", asset a: '../a.tif' is neither an address nor a file below"),
    (item(a=asset('/etc/a.tif')), None, 'neither an address nor a file below'),
    (item(a=asset('file:///a.tif')), None, 'neither an address nor a file below'),
    (item(a=asset('<VRTDataset/>')), None, 'neither an address nor a file below'),
    (item(a=asset('http://host/a.tif')), None, 'asset a: http://host/a.tif: expected https://'),
    (item(a=asset('/vsigs/a/b.tif')), None, 'expected https://'),
])
def test_other_items_are_refused(local, content, name, message):
    with pytest.raises(SceneError, match=rf'item\.json.*{message}'):
        raster_of(local(content), name, remote=True)


def test_an_item_is_read_only_if_the_network_is_allowed(local):
    with pytest.raises(SceneError, match=r'item\.json: is a STAC item, .*pass --remote'):
        raster_of(local(item(a=asset('a.tif'))), None, remote=False)
    with pytest.raises(SceneError, match='https://host/a.json: is on the network'):
        raster_of('https://host/a.json', None, remote=False)


def test_a_local_item_leads_to_files_beside_it(local, tmp_path):
    assert raster_of(local(item(a=asset('./x/a.tif'))), None, remote=True) == f'{tmp_path}/items/./x/a.tif'


@pytest.mark.parametrize('href, expected', [
    ('a.tif', '/c/a.tif'), ('../d/a.tif?x', '/d/a.tif?x'), ('/a.tif', '/a.tif')])
def test_an_address_is_relative_to_that_of_the_item(served, href, expected):
    (served.folder / 'c').mkdir(exist_ok=True)
    (served.folder / 'c/item.json').write_text(json.dumps(item(a=asset(href))))
    assert raster_of(f'{served.url}/c/item.json', None, remote=True).full == served.url + expected


@pytest.mark.parametrize('href, message', [
    ('file:///etc/passwd', 'asset a: leads to file:, expected https:// or s3://'),
    ('ftp://host/a.tif', 'expected https:// or s3://'), ('gs://b/a.tif', 'expected https:// or s3://')])
def test_an_item_on_a_server_leads_to_no_local_file(served, href, message):
    (served.folder / 'item.json').write_text(json.dumps(item(a=asset(href))))
    with pytest.raises(SceneError, match=rf'item\.json, .*{message}'):
        raster_of(f'{served.url}/item.json', None, remote=True)


def test_an_item_elsewhere_does_not_lead_to_this_machine(monkeypatch):
    monkeypatch.setattr('schanger_mm.geo.stac.fetch_json', lambda address: item(a=asset('http://127.0.0.1/a.tif')))
    with pytest.raises(SceneError, match='asset a: leads to http:, expected https'):
        raster_of('https://host/item.json', None, remote=True)
