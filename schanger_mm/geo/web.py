"""Ask servers about rasters, and fetch small texts from them."""

from __future__ import annotations

import base64
import http.client
import json
import os
import re
import time
import urllib.error
import urllib.request
from typing import Any
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from schanger_mm.geo.addresses import DEFAULTS, Address, UnreachableError
from schanger_mm.geo.errors import SceneError

LARGEST_TEXT = 16 * 2 ** 20  # bytes of a STAC item; usual ones have 20 KB
_AGAIN = (429, 500, 502, 503, 504)
_REASONS = {401: 'it needs a user and a password', 403: 'access is denied; a signature may have expired',
            404: 'there is no such file', 410: 'there is no such file any more'}


def state_of(address: Address) -> dict[str, Any] | None:
    """Return what changes when a raster on a server is replaced: ``bytes``, ``etag`` and ``last_modified``.

    One byte is asked for, which also shows whether the server can send parts of a file.

    Returns:
        None for a bucket that needs credentials, which GDAL has and Python does not.

    Raises:
        UnreachableError: no answer, or an error, also after several tries.
        SceneError: the server sends whole files only, or tells nothing by which a change could be noticed.
    """
    url = _url(address)
    if url is None:
        return None
    status, headers, _ = _ask(address, url, {'Range': 'bytes=0-0'}, 1)
    size = re.fullmatch(r'bytes 0-0/(\d+)', headers.get('Content-Range', '').strip())
    if status != 206 or size is None:
        raise SceneError(f'{address}: the server does not send parts of a file (range requests), so each block would '
                         'download all of it; download it first.')
    found = dict(bytes=int(size[1]), etag=headers.get('ETag'), last_modified=headers.get('Last-Modified'))
    if found['etag'] is None and found['last_modified'] is None:
        raise SceneError(f'{address}: the server tells neither ETag nor Last-Modified, so a raster that changes while '
                         'it is read would not be noticed; download it first.')
    return found


def fetch_json(address: Address) -> Any:
    """Fetch a JSON text of at most 16 MiB.

    Raises:
        UnreachableError: no answer, or an error, also after several tries.
        SceneError: a longer text, or no JSON.
    """
    url = _url(address)
    if url is None:
        raise SceneError(f'{address}: a STAC item is read from https:// or a local file, or from a public bucket '
                         '(AWS_NO_SIGN_REQUEST=YES); download it first.')
    _, _, text = _ask(address, url, {'Accept': 'application/geo+json, application/json'}, LARGEST_TEXT + 1)
    if len(text) > LARGEST_TEXT:
        raise SceneError(f'{address}: expected a STAC item, found a text of more than {LARGEST_TEXT} bytes.')
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise SceneError(f'{address}: expected a STAC item, found no JSON ({error}).') from error


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follow redirects to https, or from http to http."""

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        """Return the next request; None ends in the HTTPError of the redirect."""
        target = urlsplit(newurl).scheme
        if target != 'https' and not (target == 'http' == urlsplit(req.full_url).scheme):
            return None
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _ask(address: Address, url: str, headers: dict[str, str], most: int) -> tuple[int, Any, bytes]:
    """Return status, headers and the first ``most`` bytes of an answer; ask again where that can help."""
    tries = 1 + int(_setting('GDAL_HTTP_MAX_RETRY'))
    opener = urllib.request.build_opener(_Redirects)
    number = 0
    while True:
        number += 1
        try:
            with opener.open(_request(url, headers), timeout=_setting('GDAL_HTTP_TIMEOUT')) as answer:
                return answer.status, answer.headers, answer.read(most)
        except urllib.error.HTTPError as error:
            again, reason = error.code in _AGAIN, _reason(error)
            error.close()
        except (OSError, http.client.HTTPException) as error:  # no answer, or half of one
            again, reason = True, str(getattr(error, 'reason', error)) or type(error).__name__
        if not again or number == tries:
            tried = f' in {number} tries' if number > 1 else ''
            raise UnreachableError(f'{address}: cannot be read{tried} ({address.redact(reason)}); check the address '
                                   'and the connection, or download it first.')
        time.sleep(_setting('GDAL_HTTP_RETRY_DELAY') * 2 ** (number - 1))


def _request(url: str, headers: dict[str, str]) -> urllib.request.Request:
    parts = urlsplit(url)
    user, _, host = parts.netloc.rpartition('@')
    request = urllib.request.Request(urlunsplit(parts._replace(netloc=host)), headers=headers)
    if user:
        name, _, password = user.partition(':')
        secret = base64.b64encode(f'{unquote(name)}:{unquote(password)}'.encode()).decode()
        request.add_unredirected_header('Authorization', f'Basic {secret}')
    return request


def _reason(error: urllib.error.HTTPError) -> str:
    if 'infinite loop' in str(error.reason):
        return f'HTTP {error.code}: it redirects in a circle'
    if error.code // 100 == 3:
        target = urlsplit(error.headers.get('Location', '')).scheme
        return f'HTTP {error.code}: it redirects to {target or "nowhere"}://, expected https://'
    return f'HTTP {error.code}: {_REASONS.get(error.code, error.reason)}'


def _setting(name: str) -> float:
    text = os.environ.get(name, DEFAULTS[name])
    try:
        value = float(text)
    except ValueError:
        value = -1
    if not 0 <= value < 1e6:
        raise SceneError(f'{name}={text}: expected a number, 0 or more.')
    return value


def _url(address: Address) -> str | None:
    """Return the address for Python; None where it would need a signature."""
    if not address.full.startswith('s3://'):
        return address.full
    if not _yes('AWS_NO_SIGN_REQUEST', False):
        return None
    bucket, _, key = address.full[5:].partition('/')
    region = os.environ.get('AWS_REGION') or os.environ.get('AWS_DEFAULT_REGION')
    endpoint = os.environ.get('AWS_S3_ENDPOINT') or (f's3.{region}.amazonaws.com' if region else 's3.amazonaws.com')
    scheme, endpoint = 'https' if _yes('AWS_HTTPS', True) else 'http', endpoint.rpartition('//')[2]
    if _yes('AWS_VIRTUAL_HOSTING', '.' not in bucket):
        return f'{scheme}://{bucket}.{endpoint}/{quote(key)}'
    return f'{scheme}://{endpoint}/{bucket}/{quote(key)}'


def _yes(name: str, default: bool) -> bool:
    return os.environ[name].upper() in ('YES', 'TRUE', 'ON', '1') if name in os.environ else default
