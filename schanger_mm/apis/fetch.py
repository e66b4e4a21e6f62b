"""Fetching the authors' published checkpoints and converting them to ours."""

from __future__ import annotations

import os
from pathlib import Path

import torch

from schanger_mm.apis import convert
from schanger_mm.apis.download import DownloadError, download, sha256_of
from schanger_mm.checkpoints import CheckpointError, read_weights

#: the data sets that published weights were trained on, and the single-temporal pre-training
SETS = ('levir', 'levir_plus', 's2looking', 'cdd', 'sysu', 'whu', 'pretrain')
SIZES = ('base', 'small')
PAGE = 'https://huggingface.co/Zy-Zhou/schanger'
URL_VARIABLE = 'SCHANGER_WEIGHTS_URL'
_CONVERTER = 'tools/model_converters/schanger2mm.py'


class FetchError(ValueError):
    """What was fetched, or found, is not what was asked for."""


def fetch_published(data_set: str,
                    size: str,
                    out: str | Path | None = None,
                    base_url: str | None = None,
                    cache: str | Path | None = None,
                    overwrite: bool = False,
                    sha256: str | None = None) -> str:
    """Download one of the fourteen published checkpoints, check and convert it.

    A download that broke off is continued by the next call; one that lies in
    ``cache`` and a file that is converted already are not fetched again. The
    file is read without running code, and refused unless it holds the size
    and number of dates that its name promises. No SHA-256 of the published
    files is known to this project, so none is built in: the one of the file
    that arrived is shown, and ``sha256`` holds it against a known one.

    Args:
        data_set: one of :data:`SETS`; ``'pretrain'`` is the single-temporal network.
        size: ``'base'`` or ``'small'``.
        out: file to write, ``checkpoints/schanger_{size}_{set}_mm.pth`` by default.
        base_url: address of the folder with the files; by default the environment
            variable ``SCHANGER_WEIGHTS_URL``, or the authors' page :data:`PAGE`.
        cache: folder for the download, by default where torch keeps its own
            (``~/.cache/torch/hub/checkpoints``).
        overwrite: replace ``out``.
        sha256: refuse a download with another SHA-256 (64 hexadecimal digits).

    Returns:
        What was done and the command to run next, in words.

    Raises:
        FetchError: an argument or the file is not what it should be.
        DownloadError: the file cannot be had; says how much of it is there.
        ConversionError: ``out`` cannot be written.
    """
    _check_words(data_set, size, sha256)
    name = f'schanger_{size}_{data_set}.pth'
    out = Path(out or f'checkpoints/schanger_{size}_{data_set}_mm.pth')
    if out.suffix not in ('.pth', '.safetensors'):
        raise FetchError(f'--out {out}: must end in .pth or .safetensors.')
    follow = f'next:  {_next_command(data_set, size, out)}'
    expected = f'SChanger-{size}, {"single-temporal" if data_set == "pretrain" else "two dates"}'
    if out.exists() and not overwrite:
        _check_converted(out, expected, sha256)
        return f'{out}: {expected}, there already; not fetched again (--overwrite replaces it).\n{follow}'
    source = Path(cache or Path(torch.hub.get_dir()) / 'checkpoints') / name
    try:
        said = _bring(name, source, base_url, expected, sha256)
    except DownloadError as error:
        raise DownloadError(f'{error} Or download {name} from {PAGE} in a browser and convert it: '
                            f'python {_CONVERTER} {name} {out}') from error
    return '\n'.join([said, convert.convert_file(str(source), str(out), overwrite=overwrite), follow])


def _check_words(data_set: str, size: str, sha256: str | None) -> None:
    if data_set not in SETS or size not in SIZES:
        raise FetchError(f'no published weights {data_set!r}, {size!r}; the sets are {", ".join(SETS)}, '
                         f'the sizes {", ".join(SIZES)}.')
    if sha256 is not None and (len(sha256) != 64 or set(sha256.lower()) - set('0123456789abcdef')):
        raise FetchError(f'--sha256 {sha256}: expected 64 hexadecimal digits.')


def _check_converted(out: Path, expected: str, sha256: str | None) -> None:
    """Refuse an existing file that is not the one asked for, or that cannot be verified."""
    if sha256 is not None:
        raise FetchError(f'{out} exists, and a converted file does not tell the SHA-256 of its source; '
                         'name another file by --out or pass --overwrite.')
    try:
        kind = convert.mm_to_published(read_weights(out))[1]
    except CheckpointError as error:
        raise FetchError(f'{out} exists but is not a converted checkpoint ({error}) Name another file by --out '
                         'or pass --overwrite.') from error
    if kind != expected:
        raise FetchError(f'{out} exists but holds {kind}, not {expected}; name another file by --out or pass '
                         '--overwrite.')


def _bring(name: str, source: Path, base_url: str | None, expected: str, sha256: str | None) -> str:
    """Have the published file at ``source``, checked; return what it is in words."""
    if source.exists():
        try:
            _check_published(source, expected, sha256)
        except FetchError as error:
            raise FetchError(f'{source}: {error} Delete it to fetch it again.') from error
        return _describe(source, 'downloaded before')
    base = base_url or os.environ.get(URL_VARIABLE) or f'{PAGE}/resolve/main'
    url = f'{base.rstrip("/")}/{name}'
    try:
        download(url, source, lambda path: _check_published(path, expected, sha256))
    except FetchError as error:
        raise FetchError(f'{url}: {error} Nothing of it was kept.') from error
    return _describe(source, f'from {url}')


def _check_published(path: Path, expected: str, sha256: str | None) -> None:
    with path.open('rb') as stream:
        head = stream.read(64).lstrip()
    if head.startswith((b'<', b'{', b'version https://git-lfs')):
        raise FetchError(f'this is text ({head[:40].decode("ascii", "replace")!r} ...), not weights: a page, or a '
                         'pointer to the file.')
    if sha256 is not None and (found := sha256_of(path)) != sha256.lower():
        raise FetchError(f'its SHA-256 is {found}, expected {sha256.lower()}.')
    try:
        kind = convert.published_to_mm(read_weights(path))[1]
    except CheckpointError as error:
        raise FetchError(f'{error}') from error
    if kind != expected:
        raise FetchError(f'it holds {kind}, expected {expected}.')


def _describe(source: Path, whence: str) -> str:
    return f'{source}: {source.stat().st_size:,} bytes, {whence}\nsha256 {sha256_of(source)}'


def _next_command(data_set: str, size: str, out: Path) -> str:
    suffix = '_small' if size == 'small' else ''
    if data_set == 'pretrain':
        return f'python tools/train.py configs/schanger/levir{suffix}.py --cfg-options load_from={out}'
    return f'python tools/test.py configs/schanger/{data_set}{suffix}.py {out}'
