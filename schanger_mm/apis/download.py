"""Downloading a file over HTTP: whole or not at all, and continued where an earlier call stopped."""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import re
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from schanger_mm.version import __version__

CHUNK = 1 << 16  # bytes read at a time
ATTEMPTS = 4
_RETRIED = {408, 429, 500, 502, 503, 504}  # the server's own troubles, often over in seconds


class DownloadError(OSError):
    """A file could not be downloaded."""


class _Dropped(Exception):
    """The connection ended early; another attempt may succeed."""


@dataclass
class _Note:
    """What is known of the file that a ``.part`` is the beginning of."""

    url: str = ''
    validator: str | None = None
    total: int | None = None


class _Part:
    """The file ``NAME.part`` that a download grows in, with its note in ``NAME.part.json``."""

    def __init__(self, path: Path, url: str):
        self.file = path.with_name(f'{path.name}.part')
        self.note_file = path.with_name(f'{path.name}.part.json')
        self.note = self._read_note()
        if self.note.url != url or not self.note.validator:
            self.note = _Note(url)
            self.discard()

    def _read_note(self) -> _Note:
        if not (self.file.is_file() and self.note_file.is_file()):
            return _Note()
        try:
            return _Note(**json.loads(self.note_file.read_text(encoding='utf-8')))
        except (ValueError, TypeError):  # not ours: begin anew
            return _Note()

    @property
    def size(self) -> int:
        """Bytes that are there."""
        return self.file.stat().st_size if self.file.is_file() else 0

    @property
    def complete(self) -> bool:
        return self.note.total is not None and self.size == self.note.total

    def start(self, response) -> None:
        """Begin anew with what ``response`` says of the file; the note never describes older bytes."""
        self.discard()
        length = response.headers.get('Content-Length', '')
        self.note.validator = _validator(response)
        self.note.total = int(length) if length.isdigit() else None
        self.note_file.write_text(json.dumps(asdict(self.note)), encoding='utf-8')
        self.file.touch()

    def continued_by(self, response) -> bool:
        """Whether a partial answer starts where this part ends and belongs to the same file."""
        found = re.fullmatch(r'bytes (\d+)-\d+/(\d+)', response.headers.get('Content-Range', ''))
        return (found is not None and int(found[1]) == self.size and int(found[2]) == self.note.total
                and _validator(response) in (None, self.note.validator))

    def discard(self) -> None:
        self.file.unlink(missing_ok=True)
        self.note_file.unlink(missing_ok=True)


def download(url: str,
             path: str | Path,
             check: Callable[[Path], None] = lambda path: None,
             timeout: float = 30.0,
             wait: float = 1.0) -> None:
    """Download ``url`` to ``path``, which appears whole or not at all.

    The bytes go to ``<path>.part``. A dropped connection is tried again up to
    three times; after that, or after a kill, the next call continues the
    ``.part`` (HTTP Range), provided that the server names the file's version
    (ETag or Last-Modified) and it is still the same one. Progress is shown on
    terminals.

    Args:
        url: http or https address; redirects are followed.
        path: file to write, or to replace; its folder is made.
        check: called with the complete ``.part``; where it raises, nothing is kept.
        timeout: seconds without an answer after which a connection counts as dropped.
        wait: seconds before the second attempt; doubled for each one after it.

    Raises:
        DownloadError: the file cannot be had; says how much of it is there.
    """
    if not url.startswith(('http://', 'https://')):
        raise DownloadError(f'{url}: expected an address that starts with https:// or http://.')
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = _Part(path, url)
    for attempt in range(1, ATTEMPTS + 1):
        try:
            _receive(url, part, timeout)
            break
        except _Dropped as error:
            if attempt == ATTEMPTS:
                raise DownloadError(f'{url}: {error}; given up after {ATTEMPTS} attempts. {_state(part)}') from error
            time.sleep(wait * 2**(attempt - 1))
    try:
        check(part.file)
    except Exception:
        part.discard()
        raise
    os.replace(part.file, path)
    part.discard()


def sha256_of(path: str | Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal digits."""
    digest = hashlib.sha256()
    with open(path, 'rb') as stream:
        while chunk := stream.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def _state(part: _Part) -> str:
    if not part.size:
        return 'Nothing has arrived yet; call again later.'
    total = '?' if part.note.total is None else f'{part.note.total:,}'
    there = f'{part.size:,} of {total} bytes are in {part.file}'
    if not part.note.validator:
        return f'{there}, but the server does not say which version they are of: calling again starts over.'
    return f'{there}; calling again resumes there.'


def _receive(url: str, part: _Part, timeout: float) -> None:
    """Do one attempt: fetch what is missing of the part."""
    if part.size and not part.note.validator:
        part.discard()
    if part.complete:
        return
    with _open(url, part, timeout) as response:
        if response.status == 206:
            if not part.continued_by(response):
                part.discard()
                raise _Dropped('the server sent another part of the file than the one asked for')
        elif response.status == 200:  # the whole file: a first call, a server without Range, or a file that changed
            _refuse_page(url, response)
            part.start(response)
        else:
            raise DownloadError(f'{url}: the server answered {response.status} {response.reason}, expected a file.')
        _append(part, response)
    if part.note.total is not None and part.size < part.note.total:
        raise _Dropped(f'the connection ended after {part.size:,} of {part.note.total:,} bytes')


def _open(url: str, part: _Part, timeout: float):
    headers = {'User-Agent': f'schanger-mm/{__version__}'}
    if part.size:
        headers |= {'Range': f'bytes={part.size}-', 'If-Range': str(part.note.validator)}
    try:
        return urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=timeout)
    except urllib.error.HTTPError as error:
        if error.code == 416:  # nothing follows the part: it is not a beginning of this file
            part.discard()
            raise _Dropped('the server has no such part of the file') from error
        if error.code in _RETRIED:
            raise _Dropped(f'the server answered {error.code} {error.reason}') from error
        meaning = {401: 'it wants a login', 403: 'access is refused', 404: 'there is no such file'}
        said = f'the server answered {error.code} ({meaning.get(error.code, error.reason)})'
        raise DownloadError(f'{url}: {said}. Check the address.') from error
    except (http.client.HTTPException, ConnectionError, TimeoutError) as error:
        raise _Dropped(f'no answer ({_reason(error)})') from error
    except urllib.error.URLError as error:
        raise DownloadError(f'{url}: no connection ({error.reason}). Check the address, the network and, '
                            f'behind a proxy, https_proxy. {_state(part)}') from error


def _refuse_page(url: str, response) -> None:
    kind = response.headers.get_content_type()
    if kind in ('text/html', 'application/xhtml+xml'):
        raise DownloadError(f'{url}: the server sent a page ({kind}) in place of a file; a login, a consent page or '
                            f'a wrong address. It came from {response.url}.')


def _append(part: _Part, response) -> None:
    """Write what comes after what is there; writing at its place keeps two calls at once from mixing bytes."""
    columns = [TextColumn('{task.description}'), BarColumn(), DownloadColumn(), TransferSpeedColumn()]
    console = Console(stderr=True)
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress, \
            part.file.open('r+b') as stream:
        stream.seek(0, os.SEEK_END)
        bar = progress.add_task(part.file.stem, total=part.note.total, completed=stream.tell())
        for chunk in _chunks(response):
            try:
                stream.write(chunk)
                stream.flush()
            except OSError as error:
                raise DownloadError(f'{part.file}: cannot be written ({error.strerror}).') from error
            progress.advance(bar, len(chunk))


def _chunks(response) -> Iterator[bytes]:
    while True:
        try:
            chunk = response.read(CHUNK)
        except (http.client.HTTPException, OSError) as error:
            raise _Dropped(f'the connection broke ({_reason(error)})') from error
        if not chunk:
            return
        yield chunk


def _validator(response) -> str | None:
    """Return the header that tells versions of a file apart; a weak ETag cannot join parts (RFC 9110, 13.1.5)."""
    etag = response.headers.get('ETag')
    return etag if etag and not etag.startswith('W/') else response.headers.get('Last-Modified')


def _reason(error: Exception) -> str:
    return str(error) or type(error).__name__
