"""Rasters on a server: what is asked for, and what becomes of servers that misbehave."""

import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import rasterio

from schanger_mm.geo.addresses import Address, UnreachableError
from schanger_mm.geo.errors import SceneError
from schanger_mm.geo.fingerprint import file_states, fingerprint
from schanger_mm.geo.pair import PairSpec, open_pair
from schanger_mm.geo.raster import Raster
from schanger_mm.geo.web import fetch_json, state_of


@pytest.fixture
def serve_raster(served, write_raster):
    """Return a function that serves an uncompressed raster in tiles of 128 px; it returns address and pixels."""
    def serve(name, side):
        pixels = np.random.default_rng(0).integers(1, 256, (3, side, side), np.uint8)
        path = write_raster(name, pixels, tiled=True, blockxsize=128, blockysize=128)
        shutil.copy(path, served.folder / name)
        return f'{served.url}/{name}', pixels
    return serve


@pytest.fixture
def large(serve_raster):
    """Serve a raster of 3.1 MB."""
    return serve_raster('large.tif', 1024)


@pytest.fixture
def small(serve_raster):
    """Serve a raster of 197 KB."""
    return serve_raster('small.tif', 256)


def read(address, col=300, row=200, side=100):
    raster = Raster(address, remote=True)
    try:
        return raster.read(col, row, side, side)[0]
    finally:
        raster.close()


def test_a_window_takes_its_tiles_and_no_other_file(served, large):
    address, pixels = large
    np.testing.assert_array_equal(read(address), pixels[:, 200:300, 300:400])
    assert {path for _, path, *_ in served.asked} == {'/large.tif'}, 'no list of the folder, no sidecar files'
    assert 0 < served.sent < 0.13 * pixels.nbytes and len(served.asked) < 10
    served.behave()
    with ThreadPoolExecutor(1) as thread:  # rasterio's settings count for one thread
        np.testing.assert_array_equal(thread.submit(read, address).result(), pixels[:, 200:300, 300:400])
    assert {path for _, path, *_ in served.asked} == {'/large.tif'}


def test_overviews_masks_and_warps_are_read_from_the_same_file(served, write_raster, noise):
    pixels, mask = noise(512, 512), np.full((512, 512), 255, np.uint8)
    mask[:200] = 0
    path = write_raster('m.tif', pixels, mask=mask, tiled=True, blockxsize=128, blockysize=128)
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True), rasterio.open(path, 'r+') as dataset:
        dataset.build_overviews([2, 4])
    (served.folder / 'm.tif').write_bytes(Path(path).read_bytes())
    results = []
    for name in (path, f'{served.url}/m.tif'):
        with open_pair(PairSpec(path, name, gsd=0.6, align=True, remote=True)) as source:
            windows = source.read(10, 100, 200, 200), source.read_reduced(0, 0, 400, 400, (100, 100))
            results.append([array for window in windows for array in (window.images, window.valid)])
    for one, other in zip(*results, strict=True):
        np.testing.assert_array_equal(one, other)
    assert 0 < results[0][1].mean() < 1


@pytest.mark.parametrize('how', ['close', 'reset', '503', 'half'])
@pytest.mark.parametrize('after', [0, 3, 5])
def test_dropped_connections_are_tried_again(served, large, hasty, how, after):
    address, pixels = large
    served.behave(fails=1, how=how, after=after)
    np.testing.assert_array_equal(read(address), pixels[:, 200:300, 300:400])


@pytest.mark.parametrize('how', ['close', 'reset', '503', 'half'])
@pytest.mark.parametrize('after', [0, 3])
@pytest.mark.parametrize('warp', [False, True])
def test_a_server_that_always_drops_them_ends_in_one_error(served, large, hasty, how, after, warp, caplog):
    address, _ = large
    caplog.set_level('DEBUG', 'rasterio')
    served.behave(fails=10 ** 6, how=how, after=after)
    with pytest.raises(UnreachableError, match=f'^{address}\\?\\.\\.\\.: .*download it first') as found:
        raster = Raster(f'{address.replace("://", "://me:password@")}?secret', remote=True)
        if warp:
            raster.warp_to(raster.grid.at_gsd(0.7))
        raster.read(300, 200, 100, 100)
    assert found.value.__cause__ is None and (after == 0 or 'large.tif?...' in caplog.text)
    assert not any(word in f'{found.value}{caplog.text}' for word in ('secret', 'password'))
    assert len(served.asked) < 60


@pytest.mark.parametrize('behaviour, message', [
    (dict(ranges=False), 'does not send parts of a file .*download it first'),
    (dict(status=404), 'HTTP 404: there is no such file'),
    (dict(status=403), 'HTTP 403: access is denied; a signature may have expired'),
    (dict(moved='file:///etc/passwd'), 'redirects to file://, expected https://'),
    (dict(moved='ftp://127.0.0.1/large.tif'), 'redirects to ftp://, expected https://'),
    (dict(moved='/large.tif'), 'HTTP 302: it redirects in a circle'),
    (dict(etag=None), 'tells neither ETag nor Last-Modified'),
])
def test_servers_that_are_of_no_use(served, large, hasty, behaviour, message):
    served.behave(**behaviour)
    with pytest.raises(SceneError, match=f'{large[0]}: .*{message}'):
        read(large[0])
    assert len(served.asked) <= 12


def test_a_redirect_is_followed(served, large):
    address, pixels = large
    (served.folder / 'there').mkdir(exist_ok=True)
    (served.folder / 'there/large.tif').write_bytes((served.folder / 'large.tif').read_bytes())
    served.behave(moved='/there/large.tif')
    np.testing.assert_array_equal(read(address), pixels[:, 200:300, 300:400])


def test_a_slow_server_ends_in_an_error(served, large, hasty, monkeypatch):
    monkeypatch.setenv('GDAL_HTTP_TIMEOUT', '0.2')
    monkeypatch.setenv('GDAL_HTTP_MAX_RETRY', '1')
    served.behave(slow=0.5)
    with pytest.raises(UnreachableError, match='cannot be read in 2 tries .*timed out'):
        read(large[0])
    served.behave()
    monkeypatch.setenv('GDAL_HTTP_TIMEOUT', '0.5')
    monkeypatch.setenv('GDAL_HTTP_MAX_RETRY', '0')
    raster = Raster(large[0], remote=True)
    served.behave(slow=0.7)
    with pytest.raises(UnreachableError, match='large.tif'):
        raster.read(300, 200, 100, 100)
    raster.close()


def test_settings_of_the_environment_are_checked(served, large, monkeypatch):
    monkeypatch.setenv('GDAL_HTTP_TIMEOUT', 'long')
    with pytest.raises(SceneError, match='GDAL_HTTP_TIMEOUT=long: expected a number'):
        read(large[0])


def test_user_and_password_are_sent_to_the_server(served, large):
    read(large[0].replace('://', '://me:p%40ss@'))
    assert {line[3] for line in served.asked} == {'Basic bWU6cEBzcw=='}


def test_a_replaced_raster_is_noticed(served, large, hasty):
    address, _ = large
    raster = Raster(address, remote=True)
    first, states = fingerprint(raster), file_states(raster)
    assert first['remote'] == dict(bytes=(served.folder / 'large.tif').stat().st_size, etag='"one"', last_modified=None)
    served.behave(etag='"two"')
    again = Raster(address, remote=True)
    assert fingerprint(again) != first and file_states(again) != states
    again.close()
    served.behave(etag='"two"', fails=10 ** 6, how='half', spared='bytes=0-0')  # so that it is opened again
    with pytest.raises(SceneError, match='replaced while it was read'):
        raster.read(300, 200, 100, 100)


@pytest.fixture
def bucket(served, small, monkeypatch):
    """Serve the raster as an object of a store."""
    (served.folder / 'bucket').mkdir(exist_ok=True)
    (served.folder / 'bucket/small.tif').write_bytes((served.folder / 'small.tif').read_bytes())
    for name, value in dict(AWS_S3_ENDPOINT=served.url.removeprefix('http://'), AWS_HTTPS='NO',
                            AWS_VIRTUAL_HOSTING='FALSE').items():
        monkeypatch.setenv(name, value)
    for name in ('AWS_REGION', 'AWS_DEFAULT_REGION', 'AWS_PROFILE', 'AWS_ACCESS_KEY_ID', 'AWS_SESSION_TOKEN'):
        monkeypatch.delenv(name, raising=False)
    return 's3://bucket/small.tif', small[1]


def test_a_public_object_is_read_without_credentials(served, bucket, hasty, monkeypatch):
    address, pixels = bucket
    monkeypatch.setenv('AWS_NO_SIGN_REQUEST', 'YES')
    np.testing.assert_array_equal(read(address, 50, 20), pixels[:, 20:120, 50:150])
    assert {line[1::2] for line in served.asked} == {('/bucket/small.tif', None)}
    assert state_of(Address(address))['etag'] == '"one"'
    served.behave(status=404)
    with pytest.raises(UnreachableError, match=r's3://bucket/small\.tif: cannot be read \(HTTP 404'):
        read(address)


def test_a_private_object_is_read_with_gdals_credentials_and_counts_by_its_pixels(served, bucket, hasty, monkeypatch):
    address, pixels = bucket
    monkeypatch.setenv('AWS_ACCESS_KEY_ID', 'id')
    monkeypatch.setenv('AWS_SECRET_ACCESS_KEY', 'secret')
    raster = Raster(address, remote=True)
    np.testing.assert_array_equal(raster.read(50, 20, 100, 100)[0], pixels[:, 20:120, 50:150])
    assert all(line[3].startswith('AWS4-HMAC-SHA256 Credential=id/') for line in served.asked)
    identity, states = fingerprint(raster), file_states(raster)
    raster.close()
    with rasterio.open(served.folder / 'bucket/small.tif', 'r+') as dataset:
        dataset.write(255 - pixels)
    raster = Raster(address, remote=True)
    assert fingerprint(raster)['sha256_of_pixels'] != identity['sha256_of_pixels'] and file_states(raster) != states
    raster.close()


def test_a_local_raster_opens_no_connection(served, large, write_raster, noise):
    path = write_raster('local.tif', noise(256, 256))
    Path(f'{path}.aux.xml').write_text('<PAMDataset><Metadata domain="OVERVIEWS"><MDI key="OVERVIEW_FILE">'
                                       f'/vsicurl/{large[0]}</MDI></Metadata></PAMDataset>')
    raster = Raster(path)
    raster.read_reduced(0, 0, 256, 256, (64, 64))
    raster.close()
    assert served.asked == []
    with rasterio.open(path) as dataset:
        dataset.overviews(1)
    assert served.asked != [], 'it would without the settings of schanger_mm.geo.addresses'


def vrt(folder, source):
    text = ''.join(f'<VRTRasterBand dataType="Byte" band="{number}"><SimpleSource><SourceFilename>{source}'
                   f'</SourceFilename><SourceBand>{number}</SourceBand></SimpleSource></VRTRasterBand>'
                   for number in (1, 2, 3))
    path = folder / 'mosaic.vrt'
    path.write_text(f'<VRTDataset rasterXSize="256" rasterYSize="256">{text}</VRTDataset>')
    return str(path)


def test_a_local_vrt_leads_to_the_network_only_if_that_is_allowed(served, small, hasty, tmp_path):
    address, pixels = small
    path = vrt(tmp_path, f'/vsicurl/{address}')
    with pytest.raises(SceneError, match=r"mosaic.vrt: a source is '/vsicurl/.*', on the network; pass --remote"):
        Raster(path)
    assert served.asked == []
    raster = Raster(path, remote=True)
    np.testing.assert_array_equal(raster.read(50, 20, 100, 100)[0], pixels[:, 20:120, 50:150])
    identity, states = fingerprint(raster), file_states(raster)
    assert {'files', 'sha256_of_pixels'} <= identity.keys()
    raster.close()
    with rasterio.open(served.folder / 'small.tif', 'r+') as dataset:
        dataset.write(255 - pixels)
    raster = Raster(path, remote=True)
    assert fingerprint(raster) != identity and file_states(raster) != states
    raster.close()
    served.behave(fails=10 ** 6, how='503')
    raster = Raster(path, remote=True)
    with pytest.raises(SceneError, match='mosaic.vrt: pixels .* cannot be read'):
        raster.read(0, 0, 100, 100)
    raster.close()


def test_a_vrt_on_a_server_is_refused(served, large, tmp_path):
    (served.folder / 'a.vrt').write_bytes(Path(vrt(tmp_path, served.folder / 'large.tif')).read_bytes())
    (served.folder / 'a.tif').write_bytes((served.folder / 'a.vrt').read_bytes())
    for name in ('a.vrt', 'a.tif'):
        with pytest.raises(SceneError, match=f'{name}: expected a GeoTIFF'):
            Raster(f'{served.url}/{name}', remote=True)
    with pytest.raises(SceneError, match='mosaic.vrt: a source is .*a VRT there may lead anywhere'):
        Raster(vrt(tmp_path, f'/vsicurl/{served.url}/a.vrt'), remote=True)


@pytest.mark.parametrize('text, message', [(b'<html>', 'found no JSON'), (b'[' * 10 ** 5, 'found no JSON'),
                                           (b' ' * (17 * 2 ** 20), 'a text of more than 16777216 bytes')])
def test_texts_that_are_no_json(served, text, message):
    (served.folder / 'item.json').write_bytes(text)
    with pytest.raises(SceneError, match=f'item.json: .*{message}'):
        fetch_json(Address(f'{served.url}/item.json'))
