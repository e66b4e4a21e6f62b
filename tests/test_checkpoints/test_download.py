import socket

import pytest

from schanger_mm.checkpoints.download import DownloadError, download
from schanger_mm.utils.files import sha256_of

BODY = bytes(range(256)) * 1024  # 256 KiB
NAME = 'weights.pth'


def get(web, folder, **options):
    download(f'{web.url}/{NAME}', folder / NAME, **options)
    return (folder / NAME).read_bytes()


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_file_arrives_whole_and_alone(web, tmp_path):
    web.body, web.moved = BODY, '/elsewhere'
    assert get(web, tmp_path / 'new') == BODY
    assert names(tmp_path / 'new') == [NAME]


def test_a_known_digest_is_checked(web, tmp_path):
    web.body = BODY
    (tmp_path / 'known').write_bytes(BODY)
    known = sha256_of(tmp_path / 'known')
    with pytest.raises(DownloadError, match=f'its SHA-256 is {known}, expected {"0" * 64}. The download was discarded'):
        get(web, tmp_path, sha256='0' * 64)
    assert names(tmp_path) == ['known']
    assert get(web, tmp_path, sha256=known.upper()) == BODY


@pytest.mark.parametrize('status, message', [
    (404, r'answered 404 \(there is no such file\)'), (403, r'answered 403 \(access is refused\)'),
    (401, r'answered 401 \(it requires a login\)'), (503, r'answered 503 \(Service Unavailable\)')])
def test_refusals_are_reported_and_what_was_there_stays(web, tmp_path, status, message):
    web.status = status
    (tmp_path / NAME).write_bytes(b'before')
    with pytest.raises(DownloadError, match=f'{web.url}/{NAME}: the server {message}. Check the address'):
        get(web, tmp_path)
    assert names(tmp_path) == [NAME] and (tmp_path / NAME).read_bytes() == b'before'


@pytest.mark.parametrize('page', [b'<html>log in</html>', b'\n<!doctype html>', b'{"error": "no"}', b'version https://git-lfs'])
def test_a_page_is_not_taken_for_the_file(web, tmp_path, page):
    web.body = page
    with pytest.raises(DownloadError, match=r'this is text .*not weights: a login or error page'):
        get(web, tmp_path)
    assert names(tmp_path) == []


def test_nobody_at_the_address(tmp_path, monkeypatch):
    monkeypatch.setenv('no_proxy', '127.0.0.1')
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        port = free.getsockname()[1]
    with pytest.raises(DownloadError, match=r'could not be downloaded \(.*refused.*Check the address, the network'):
        download(f'http://127.0.0.1:{port}/{NAME}', tmp_path / NAME)
    assert names(tmp_path) == []


def test_other_schemes_are_refused(tmp_path):
    with pytest.raises(DownloadError, match='expected an address that starts with https'):
        download('file:///etc/hostname', tmp_path / 'x')


def test_the_hub_is_asked_by_its_own_client_where_that_is_installed(hub, tmp_path):
    hub.add('Zy-Zhou/schanger', {NAME: BODY})
    url = f'https://huggingface.co/Zy-Zhou/schanger/resolve/main/{NAME}'
    download(url, tmp_path / NAME)
    assert (tmp_path / NAME).read_bytes() == BODY and hub.paths()[-1] == f'/Zy-Zhou/schanger/resolve/main/{NAME}'
    hub.repos.clear()
    with pytest.raises(DownloadError, match=rf'{url}x: could not be downloaded \(hf://Zy-Zhou/schanger@main: {hub.url} '
                                            'has no such model, or it is private'):
        download(f'{url}x', tmp_path / 'other')
    assert not (tmp_path / 'other').exists()


def test_a_server_that_says_nothing_is_given_up(tmp_path, monkeypatch):
    monkeypatch.setattr('schanger_mm.checkpoints.download.SILENCE', 0.3)
    with socket.create_server(('127.0.0.1', 0)) as silent:
        url = f'http://127.0.0.1:{silent.getsockname()[1]}/weights.pth'
        with pytest.raises(DownloadError, match='weights.pth: could not be downloaded .*timed out'):
            download(url, tmp_path / 'weights.pth')
    assert list(tmp_path.iterdir()) == [] and socket.getdefaulttimeout() is None
