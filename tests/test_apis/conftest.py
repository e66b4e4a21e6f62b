"""A small web server for tests of downloads: on 127.0.0.1, misbehaving on demand."""

import contextlib
import re
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest


@dataclass
class Web:
    """What the server serves, how, and what it was asked.

    Args:
        body: content of the one file.
        drops: after how many bytes of the body each coming answer breaks off.
        ranges: whether Range is honoured.
        status: answer with this status instead.
        kind: Content-Type.
        headers: more headers of a whole or partial answer.
        moved: where to redirect requests that are not there yet.
    """

    body: bytes = b''
    drops: list[int] = field(default_factory=list)
    ranges: bool = True
    status: int | None = None
    kind: str = 'application/octet-stream'
    headers: dict = field(default_factory=lambda: {'ETag': '"one"'})
    moved: str | None = None
    asked: list[dict] = field(default_factory=list)
    url: str = ''

    def first(self, request) -> int | None:
        """Return the first byte that a range request asks for; None for the whole file."""
        wanted = re.fullmatch(r'bytes=(\d+)-', request.headers.get('Range', ''))
        same = request.headers.get('If-Range') in (None, *self.headers.values())
        return int(wanted[1]) if wanted and self.ranges and same else None


@contextlib.contextmanager
def serve(web: Web):
    """Serve ``web`` in a thread; ``web.url`` is the address of its folder."""

    class Handler(BaseHTTPRequestHandler):

        def do_GET(self):
            web.asked.append({'path': self.path, **self.headers})
            if web.moved and not self.path.startswith(web.moved):
                self.send_response(302)
                self.send_header('Location', web.moved + self.path)
                self.end_headers()
                return
            if web.status:
                self.send_error(web.status)
                return
            first = web.first(self)
            if first is not None and first >= len(web.body):
                self.send_error(416)
                return
            rest = web.body[first or 0:]
            self.send_response(200 if first is None else 206)
            if first is not None:
                self.send_header('Content-Range', f'bytes {first}-{len(web.body) - 1}/{len(web.body)}')
            for name, value in {'Content-Type': web.kind, 'Content-Length': len(rest), **web.headers}.items():
                self.send_header(name, str(value))
            self.end_headers()
            self.wfile.write(rest[:web.drops.pop(0)] if web.drops else rest)

        def log_message(self, *args):
            pass

    server = ThreadingHTTPServer(('127.0.0.1', 0), Handler)
    threading.Thread(target=server.serve_forever, kwargs={'poll_interval': 0.01}, daemon=True).start()
    web.url = f'http://127.0.0.1:{server.server_port}'
    try:
        yield web
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture
def web(monkeypatch):
    """Serve one file on 127.0.0.1, past any proxy."""
    monkeypatch.setenv('no_proxy', '127.0.0.1')
    with serve(Web()) as web:
        yield web
