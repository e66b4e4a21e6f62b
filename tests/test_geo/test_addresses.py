import pickle

import pytest

from schanger_mm.geo.addresses import Address, approve, is_network
from schanger_mm.geo.errors import SceneError
from schanger_mm.geo.pair import PairSpec
from schanger_mm.geo.raster import Raster

SIGNED = 'https://me:password@host.org:8443/a%20b/c.tif?X-Amz-Signature=secret&x=https://y/'


@pytest.mark.parametrize('copy', [lambda address: address, lambda address: pickle.loads(pickle.dumps(address))])
def test_an_address_shows_no_secrets_and_keeps_them(copy):
    address = copy(Address(SIGNED))
    spec = PairSpec('a.tif', address, remote=True)
    for text in (address, f'{address}', str(address), repr(address), repr(spec), str(spec.as_dict())):
        assert 'https://host.org:8443/a%20b/c.tif?...' in text
        assert 'password' not in text and 'secret' not in text and 'me:' not in text
    assert address.full == SIGNED and address.gdal == f'/vsicurl/{SIGNED}' and spec.after.full == SIGNED
    message = f"'/vsicurl/{SIGNED}' is not recognised; X-Amz-Signature=secret&x=https://y/"
    assert address.redact(message) == "'/vsicurl/https://...@host.org:8443/a%20b/c.tif?...' is not recognised; ..."


@pytest.mark.parametrize('name, full, gdal', [
    ('s3://bucket/a/b.tif', 's3://bucket/a/b.tif', '/vsis3/bucket/a/b.tif'),
    ('/vsis3/bucket/a.tif', 's3://bucket/a.tif', '/vsis3/bucket/a.tif'),
    ('/vsicurl/https://host/a.tif', 'https://host/a.tif', '/vsicurl/https://host/a.tif'),
    ('HTTPS://host/a.tif', 'https://host/a.tif', '/vsicurl/https://host/a.tif'),
    ('http://127.0.0.1:80/a.tif', 'http://127.0.0.1:80/a.tif', '/vsicurl/http://127.0.0.1:80/a.tif'),
])
def test_spellings(name, full, gdal):
    address = approve(name, remote=True)
    assert (address.full, address.gdal) == (full, gdal) and approve(address, remote=True) is address


@pytest.mark.parametrize('name', [
    'https://host/a.tif', 's3://bucket/a.tif', '/vsicurl/https://host/a.tif', '/vsis3/bucket/a.tif', '/vsigs/b/a.tif',
    '/vsizip//vsicurl/https://host/a.zip/a.tif', '/vsizip/{/vsis3/bucket/a.zip}/a.tif', 'zip+https://host/a.zip!a.tif',
    '/vsicurl?url=https%3A%2F%2Fhost%2Fa.tif', '/vsicurl_streaming/https://host/a.tif', 'gs://bucket/a.tif',
    '/VSIAZ/bucket/a.tif', 'ftp://host/a.tif', '/vsigzip//vsicurl/ftp://host/a.tif.gz'])
def test_without_the_option_no_name_leads_to_the_network(name):
    assert is_network(name)
    for use in (lambda: approve(name, False), lambda: PairSpec('a.tif', name), lambda: Raster(name)):
        with pytest.raises(SceneError, match='is on the network, where a name can lead to anything .* pass --remote'):
            use()


def test_a_spec_for_the_network_does_not_allow_it_to_others():
    with pytest.raises(SceneError, match='https://host/a.tif: is on the network'):
        PairSpec(Address('https://host/a.tif'), 'b.tif')


@pytest.mark.parametrize('name', ['a.tif', '/abs/a.tif', '/vsizip/a.zip/b.tif', 'https.tif', 'GTIFF_DIR:1:b.tif',
                                  'x/vsis3.tif', 'C:\\a.tif', 'file:///a.tif', 'zip://a.zip!b.tif'])
def test_local_names_stay_as_they_are(name):
    assert approve(name, False) is name and approve(name, True) is name


@pytest.mark.parametrize('name, message', [
    ('http://example.org/a.tif', r'expected https:// or s3:// \(http:// may be changed on its way'),
    ('gs://bucket/a.tif', 'expected https:// or s3://'),
    ('ftp://host/a.tif', 'expected https:// or s3://'),
    ('/vsizip//vsicurl/https://host/a.zip/b.tif', 'expected https:// or s3://'),
    ('https://host/a b.tif', 'percent-encode them'),
    ('https://host/\u00e4.tif', 'percent-encode them'),
    ('https://host:x/a.tif', 'not a valid address'),
    ('https://[::1/a.tif', 'not a valid address'),
    ('https:///a.tif', 'expected a file of a server'),
    ('https://host', 'expected a file of a server'),
    ('s3://bucket', 'expected a file of a server'),
])
def test_other_addresses_are_refused(name, message):
    with pytest.raises(SceneError, match=message):
        approve(name, remote=True)
