"""Rasters by network address: which are allowed, how they are shown, and GDAL's options for reading them.

A name that leads to the network is opened only where the user asked for it (``--remote``): in a table or a VRT it could
fetch anything that this machine can reach, or carry data away in its text, and a raster on a server can change at any
time. What may be opened is an :class:`Address`, and GDAL gets no other file from the network while it reads it.
"""

from __future__ import annotations

import logging
import os
import re
from urllib.parse import urlsplit

import rasterio
from rasterio.session import DummySession

from schanger_mm.geo.errors import SceneError

LOOPBACK = ('localhost', '127.0.0.1', '::1')
DEFAULTS = dict(GDAL_HTTP_TIMEOUT='60', GDAL_HTTP_CONNECTTIMEOUT='15', GDAL_HTTP_MAX_RETRY='4',
                GDAL_HTTP_RETRY_DELAY='1')
"""Seconds and numbers, for GDAL and for :mod:`schanger_mm.geo.web`; variables of these names in the environment win."""
_NETWORK = re.compile(r'vsi(curl|s3|gs|az|adls|oss|swift|webhdfs|hdfs)[/_?]|'
                      r'(^|[+/{])(https?|ftp|s3|gs|az|adls|oss|swift|webhdfs|hdfs)://', re.I)
_NO_FILE = 'none'  # a name that no file on a server has


class _Redacting(logging.Filter):
    """Take secrets out of what rasterio logs: GDAL's warnings name the whole address."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Shorten addresses, and let the record pass."""
        if '?' in (text := record.getMessage()) or '@' in text:
            text = re.sub(r'(?<=//)[^/?#\s]*@', '', text)
            record.msg, record.args = re.sub(r'\?[^\s,\'"]+', '?...', text), ()
        return True


for _name in ('', '.env', '._base', '._env', '._err', '._features', '._io', '._warp'):
    logging.getLogger(f'rasterio{_name}').addFilter(_Redacting())


class UnreachableError(SceneError):
    """A raster on a server cannot be read, or not any longer."""


class Address(str):
    """The address of a raster that may be opened, as text without its secrets.

    As text it has no user, no password and no query string (``https://host/a.tif?...``), so that messages, reports,
    journals and the logs of workers never show a signature, and a run resumes with a new one.

    Args:
        text: ``https://...``, ``s3://BUCKET/KEY`` or ``http://`` of this machine; GDAL's spellings
            ``/vsicurl/https://...`` and ``/vsis3/BUCKET/KEY`` are the same.

    Attributes:
        full: the whole address.

    Raises:
        SceneError: another kind of address, or one that is not valid.
    """

    full: str

    def __new__(cls, text: str) -> Address:
        """Check an address, and keep it as ``full``."""
        full = re.sub('^/vsis3/', 's3://', re.sub('^/vsicurl/(?=https?://)', '', text))
        full = re.sub('^[A-Za-z0-9]+(?=://)', lambda scheme: scheme[0].lower(), full)
        address = super().__new__(cls, shown(full))
        address.full = full
        address._check()
        return address

    @property
    def gdal(self) -> str:
        """Return the name by which GDAL opens it."""
        return f'/vsis3/{self.full[5:]}' if self.full.startswith('s3://') else f'/vsicurl/{self.full}'

    def redact(self, text: str) -> str:
        """Return a message of another program without the secrets of the address."""
        parts = urlsplit(self.full)
        for secret in (parts.query, parts.netloc.rpartition('@')[0]):
            text = text.replace(secret, '...') if secret else text
        return text

    def _check(self) -> None:
        if not self.full.isascii() or any(mark <= ' ' or mark in '<>"\\\x7f' for mark in self.full):
            raise SceneError(f'{self!s}: an address has no spaces and no characters beyond ASCII; percent-encode them '
                             '(%20).')
        try:
            parts = urlsplit(self.full)
            scheme, host, _ = parts.scheme, parts.hostname, parts.port
        except ValueError as error:
            raise SceneError(f'{self!s}: not a valid address ({error}).') from None
        if scheme not in ('https', 's3') and not (scheme == 'http' and host in LOOPBACK):
            raise SceneError(f'{self!s}: expected https:// or s3:// (http:// may be changed on its way, so it is for '
                             'this machine only); other stores can be sources of a local .vrt. Or download it first.')
        if not host or not parts.path.strip('/'):
            raise SceneError(f'{self!s}: expected a file of a server, such as https://HOST/a.tif or s3://BUCKET/a.tif.')


def is_network(name: str) -> bool:
    """Return whether GDAL would look for a file on the network."""
    return isinstance(name, Address) or _NETWORK.search(name) is not None


def approve(path: str, remote: bool) -> str:
    """Return a local path as it is, and the address of a raster as :class:`Address`.

    Args:
        path: what the user, a table or a STAC item names.
        remote: whether the user allowed addresses.

    Raises:
        SceneError: an address without ``remote``, or one that cannot be used.
    """
    if (isinstance(path, Address) and remote) or not is_network(path):
        return path
    if not remote:
        raise SceneError(f'{shown(path)}: is on the network, where a name can lead to anything and a raster '
                         'can change while it is read; if that is meant, pass --remote to predict (remote=True in '
                         'Python), or download it first.')
    return Address(path)


def full(path: str) -> str:
    """Return the whole address, or a local path as it is."""
    return path.full if isinstance(path, Address) else path


def environment(path: str, remote: bool) -> rasterio.Env:
    """Return the context in which a raster is opened and read.

    Of an address, GDAL may get that one file and no list of its folder. Of a local raster it may get nothing from the
    network, except for the sources of a VRT with ``remote``. rasterio's settings count for one thread, so each opening
    and reading has its own. Credentials and proxies are GDAL's own, from the environment.
    """
    if not isinstance(path, Address) and not remote:
        return rasterio.Env(session=DummySession(), CPL_VSIL_CURL_ALLOWED_FILENAME=_NO_FILE)
    options = {name: value for name, value in DEFAULTS.items() if name not in os.environ}
    options['CPL_VSIL_CURL_NON_CACHED'] = '/vsicurl/:/vsis3/'  # what is opened again is asked for again
    if isinstance(path, Address):
        options.update(CPL_VSIL_CURL_ALLOWED_FILENAME=path.gdal, GDAL_DISABLE_READDIR_ON_OPEN='EMPTY_DIR')
        if urlsplit(path.full).query:  # signatures are often valid for GET alone
            options['CPL_VSIL_CURL_USE_HEAD'] = 'NO'
    return rasterio.Env(session=DummySession(), **options)


def shown(text: str) -> str:
    """Return an address without user, password and query string."""
    text = re.sub(r'(?<=//)[^/?#]*@', '', text)
    return re.sub(r'[?#].*', '?...', text, flags=re.S)
