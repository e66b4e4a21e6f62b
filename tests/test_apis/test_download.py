import socket

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schanger_mm.apis.download import DownloadError, download, sha256_of

BODY = bytes(range(256)) * 1024  # 256 KiB
NAME = 'weights.pth'


def get(web, folder, **options):
    download(f'{web.url}/{NAME}', folder / NAME, wait=0, timeout=5, **options)
    return (folder / NAME).read_bytes()


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_file_arrives_whole_and_alone(web, tmp_path):
    web.body = BODY
    assert get(web, tmp_path / 'new') == BODY
    assert names(tmp_path / 'new') == [NAME]
    assert 'Range' not in web.asked[0] and web.asked[0]['User-Agent'].startswith('schanger-mm/')


def test_the_digest_is_that_of_the_bytes(tmp_path):
    (tmp_path / 'abc').write_bytes(b'abc')
    assert sha256_of(tmp_path / 'abc') == 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad'


def test_a_dropped_connection_is_taken_up_again_where_it_broke(web, tmp_path):
    web.body, web.drops = BODY, [100_000]
    assert get(web, tmp_path) == BODY
    assert [request.get('Range') for request in web.asked] == [None, 'bytes=100000-']
    assert web.asked[1]['If-Range'] == '"one"'


def test_what_several_attempts_leave_the_next_call_continues(web, tmp_path):
    web.body, web.drops = BODY, [50_000, 10, 10, 10]
    with pytest.raises(DownloadError) as error:
        get(web, tmp_path)
    assert 'given up after 4 attempts' in str(error.value)
    assert f'50,030 of 262,144 bytes are in {tmp_path / NAME}.part; calling again resumes there' in str(error.value)
    assert names(tmp_path) == [f'{NAME}.part', f'{NAME}.part.json'] and len(web.asked) == 4
    assert get(web, tmp_path) == BODY
    assert web.asked[4]['Range'] == 'bytes=50030-' and names(tmp_path) == [NAME]


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(drops=st.lists(st.integers(0, len(BODY) - 1), max_size=3), ranges=st.booleans(), versioned=st.booleans())
def test_wherever_it_breaks_the_bytes_are_the_same(web, tmp_path, drops, ranges, versioned):
    web.body, web.drops, web.ranges = BODY, drops, ranges
    web.headers = {'ETag': '"one"'} if versioned else {}
    assert get(web, tmp_path) == BODY
    assert names(tmp_path) == [NAME]


def test_a_server_that_ignores_range_starts_over(web, tmp_path):
    web.body, web.drops, web.ranges = BODY, [100_000], False
    assert get(web, tmp_path) == BODY
    assert web.asked[1]['Range'] == 'bytes=100000-'


def leave_a_part(web, folder, size=100_000):
    """Leave what a call that was killed after ``size`` bytes leaves."""
    web.body, web.drops = BODY, [size, 0, 0, 0]
    with pytest.raises(DownloadError):
        get(web, folder)
    web.asked.clear()


@pytest.mark.parametrize('honest', [True, False])
def test_a_file_that_changed_meanwhile_is_not_spliced(web, tmp_path, honest):
    leave_a_part(web, tmp_path)
    web.body, web.headers = BODY[::-1], {'ETag': '"two"'}
    if not honest:  # a server that sends the range though If-Range names another version
        web.first = lambda request: 100_000 if 'Range' in request.headers else None
    assert get(web, tmp_path) == BODY[::-1]


@pytest.mark.parametrize('headers', [{}, {'ETag': 'W/"weak"'}])
def test_without_a_version_to_hold_on_to_nothing_is_resumed(web, tmp_path, headers):
    web.headers = headers
    web.body, web.drops = BODY, [100_000, 5, 5, 5]
    with pytest.raises(DownloadError, match='calling again starts over'):
        get(web, tmp_path)
    assert get(web, tmp_path) == BODY
    assert not any('Range' in request for request in web.asked)


def test_last_modified_will_do_as_the_version(web, tmp_path):
    web.headers = {'ETag': 'W/"weak"', 'Last-Modified': 'Mon, 02 Nov 2026 10:00:00 GMT'}
    web.body, web.drops = BODY, [100_000]
    assert get(web, tmp_path) == BODY
    assert web.asked[1]['If-Range'] == 'Mon, 02 Nov 2026 10:00:00 GMT'


def test_another_address_does_not_continue_the_part(web, tmp_path):
    leave_a_part(web, tmp_path)
    download(f'{web.url}/mirror/{NAME}', tmp_path / NAME, wait=0)
    assert (tmp_path / NAME).read_bytes() == BODY and 'Range' not in web.asked[0]


def test_a_part_with_a_broken_note_is_not_trusted(web, tmp_path):
    leave_a_part(web, tmp_path)
    (tmp_path / f'{NAME}.part.json').write_text('[1')
    assert get(web, tmp_path) == BODY and 'Range' not in web.asked[0]


def test_a_part_longer_than_the_file_is_dropped(web, tmp_path):
    leave_a_part(web, tmp_path)
    web.body = BODY[:1000]
    assert get(web, tmp_path) == BODY[:1000]
    assert [request.get('Range') for request in web.asked] == ['bytes=100000-', None]


def test_a_complete_part_is_only_renamed(web, tmp_path):
    leave_a_part(web, tmp_path)
    (tmp_path / f'{NAME}.part').write_bytes(BODY)
    assert get(web, tmp_path) == BODY and web.asked == []


def test_redirects_keep_the_range(web, tmp_path):
    web.body, web.drops, web.moved = BODY, [100_000], '/elsewhere'
    assert get(web, tmp_path) == BODY
    assert web.asked[-1]['path'] == f'/elsewhere/{NAME}' and web.asked[-1]['Range'] == 'bytes=100000-'


def test_a_refused_file_is_not_kept(web, tmp_path):
    web.body = BODY

    def refuse(path):
        raise ValueError(f'{path.stat().st_size} bytes of the wrong kind')

    with pytest.raises(ValueError, match='262144 bytes of the wrong kind'):
        get(web, tmp_path, check=refuse)
    assert names(tmp_path) == []


@pytest.mark.parametrize('status, message, requests', [
    (404, r'answered 404 \(there is no such file\)', 1),
    (403, r'answered 403 \(access is refused\)', 1),
    (401, r'answered 401 \(it wants a login\)', 1),
    (503, r'answered 503 Service Unavailable; given up after 4 attempts. Nothing has arrived', 4),
])
def test_refusals_are_said(web, tmp_path, status, message, requests):
    web.status = status
    with pytest.raises(DownloadError, match=f'{web.url}/{NAME}: the server {message}'):
        get(web, tmp_path)
    assert len(web.asked) == requests and names(tmp_path) == []


def test_a_page_is_not_taken_for_the_file(web, tmp_path):
    web.body, web.kind = b'<html>log in</html>', 'text/html; charset=utf-8'
    with pytest.raises(DownloadError, match=r'sent a page \(text/html\) in place of a file'):
        get(web, tmp_path)
    assert names(tmp_path) == []


def test_nobody_at_the_address(tmp_path, monkeypatch):
    monkeypatch.setenv('no_proxy', '127.0.0.1')
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        port = free.getsockname()[1]
    with pytest.raises(DownloadError, match=r'no connection \(.*refused.*Check the address, the network'):
        download(f'http://127.0.0.1:{port}/{NAME}', tmp_path / NAME, wait=0)


def test_silence_ends(tmp_path, monkeypatch):
    monkeypatch.setenv('no_proxy', '127.0.0.1')
    with socket.create_server(('127.0.0.1', 0)) as silent:
        url = f'http://127.0.0.1:{silent.getsockname()[1]}/{NAME}'
        with pytest.raises(DownloadError, match=r'no answer \(timed out\); given up after 4 attempts'):
            download(url, tmp_path / NAME, wait=0, timeout=0.05)


def test_other_schemes_are_refused(tmp_path):
    with pytest.raises(DownloadError, match='expected an address that starts with https'):
        download('file:///etc/hostname', tmp_path / 'x')
