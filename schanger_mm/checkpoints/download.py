"""Download a file of weights, completely or not at all."""

from __future__ import annotations

import http.client
import importlib.util
import re
import shutil
import socket
import sys
import urllib.error
from pathlib import Path

import torch

from schanger_mm.checkpoints.hub import SCHEME, HubError, hub_errors
from schanger_mm.utils.errors import UserError
from schanger_mm.utils.files import sha256_of, whole_file
from schanger_mm.utils.optional import require

HUB = re.compile(r'https://huggingface\.co/(?P<repo_id>[^/]+/[^/]+)/resolve/(?P<revision>[^/]+)/(?P<filename>.+)')
SILENCE = 60.0
"""Seconds that a server may say nothing."""
_TEXTS = (b'<', b'{', b'version https://git-lfs')


class DownloadError(UserError, OSError):
    """A file could not be downloaded."""


def download(url: str, path: str | Path, sha256: str | None = None) -> None:
    """Download ``url`` to ``path``, completely or not at all; progress is shown on terminals.

    An address of the Hugging Face hub is fetched by ``huggingface_hub`` if it is installed (the extra ``[hub]``),
    which resumes interrupted downloads; any other address by ``torch.hub``.

    Args:
        url: http or https address; redirects are followed.
        path: file to write or replace; its folder is created.
        sha256: expected SHA-256, 64 hexadecimal digits; None: any.

    Raises:
        DownloadError: the file cannot be downloaded, is a web page, or has another SHA-256; nothing is kept.
    """
    if not url.startswith(('http://', 'https://')):
        raise DownloadError(f'{url}: expected an address that starts with https:// or http://.')
    with whole_file(Path(path)) as partial:
        address = HUB.fullmatch(url)
        if address and importlib.util.find_spec('huggingface_hub'):
            _from_hub(url, partial, **address.groupdict())
        else:
            _from_web(url, partial)
        check_binary(url, partial)
        if sha256 is not None and (found := sha256_of(partial)) != sha256.lower():
            raise DownloadError(f'{url}: its SHA-256 is {found}, expected {sha256.lower()}. The download was '
                                'discarded.')


def check_binary(source: str | Path, path: Path) -> None:
    """Reject a text file where weights are expected.

    Raises:
        DownloadError: ``source``, which arrived at ``path``, is a web page, or the pointer of git-lfs.
    """
    with path.open('rb') as stream:
        head = stream.read(64).lstrip()
    if head.startswith(_TEXTS):
        raise DownloadError(f'{source}: this is text ({head[:40].decode("ascii", "replace")!r} ...), not weights: a '
                            'login or error page, or a pointer to the file. Check the address.')


def _from_web(url: str, path: Path) -> None:
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(SILENCE)  # torch.hub sets none, so a silent server would be waited for without end
    try:
        torch.hub.download_url_to_file(url, str(path), progress=sys.stderr.isatty())
    except urllib.error.HTTPError as error:
        meaning = {401: 'it requires a login', 403: 'access is refused', 404: 'there is no such file'}
        raise DownloadError(f'{url}: the server answered {error.code} ({meaning.get(error.code, error.reason)}). Check '
                            'the address.') from error
    except (http.client.HTTPException, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None and error.filename is not None:
            raise  # from the disk, not from the network
        reason = getattr(error, 'reason', None) or str(error) or type(error).__name__
        raise DownloadError(f'{url}: could not be downloaded ({reason}). Check the address, the network and, behind a '
                            'proxy, https_proxy.') from error
    finally:
        socket.setdefaulttimeout(before)


def _from_hub(url: str, path: Path, **address: str) -> None:
    hub = require('huggingface_hub', 'hub', 'Fetching from the Hugging Face hub')
    try:
        with hub_errors(f'{SCHEME}{address["repo_id"]}@{address["revision"]}'):
            shutil.copyfile(hub.hf_hub_download(**address), path)  # its cache keeps incomplete downloads
    except HubError as error:
        raise DownloadError(f'{url}: could not be downloaded ({error})') from error
