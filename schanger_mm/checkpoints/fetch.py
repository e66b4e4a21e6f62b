"""Fetch the authors' published checkpoints and convert them to ours."""

from __future__ import annotations

import os
from pathlib import Path

import torch
from torch import Tensor

from schanger_mm.checkpoints import Checkpoint, CheckpointError, convert, read_checkpoint, read_weights
from schanger_mm.checkpoints.download import DownloadError, download
from schanger_mm.checkpoints.recorded_hashes import FILE, record_hash, recorded_hash
from schanger_mm.utils.errors import UserError

#: the data sets that published weights were trained on, and the single-temporal pre-training
SETS = ('levir', 'levir_plus', 's2looking', 'cdd', 'sysu', 'whu', 'pretrain')
SIZES = ('base', 'small')
PAGE = 'https://huggingface.co/Zy-Zhou/schanger'
URL_VARIABLE = 'SCHANGER_WEIGHTS_URL'
TERMS = ('these weights are the work of the authors of SChanger, whose repository has no licence file: all rights are '
         'theirs. Ask them before you use or share the weights beyond trying them out, and mind the terms of the data '
         'set that they were trained on.')
"""What is said where the authors' weights are fetched."""
_CONVERTER = 'schanger convert'


class FetchError(UserError, ValueError):
    """A fetched or existing file is not the requested one."""


def fetch_published(data_set: str,
                    size: str,
                    out: str | Path | None = None,
                    base_url: str | None = None,
                    cache: str | Path | None = None,
                    overwrite: bool = False,
                    sha256: str | None = None) -> str:
    """Download one of the fourteen published checkpoints, check and convert it.

    A file that is in ``cache`` or already converted is not fetched again. The
    file is read without running code, and rejected unless it has the size
    and number of dates that its name states. This project does not know the
    SHA-256 of the published files: that of the first download is recorded in
    ``schanger_published.sha256`` in ``cache``, and later ones must match it.

    Args:
        data_set: one of :data:`SETS`; ``'pretrain'`` is the single-temporal network.
        size: ``'base'`` or ``'small'``.
        out: file to write, ``checkpoints/schanger_{size}_{set}_mm.pth`` by default.
        base_url: address of the folder with the files; by default the environment
            variable ``SCHANGER_WEIGHTS_URL``, or the authors' page :data:`PAGE`.
        cache: folder for the download, by default where torch keeps its own
            (``~/.cache/torch/hub/checkpoints``).
        overwrite: replace ``out``.
        sha256: accept the file with this SHA-256 (64 hexadecimal digits) and no other, whatever is recorded.

    Returns:
        A summary of what was done, the terms of the weights, and the command to run next.

    Raises:
        FetchError: an argument or the file is wrong.
        DownloadError: the file cannot be downloaded.
        ExistsError: ``out`` exists.
    """
    _check_words(data_set, size, sha256)
    name = f'schanger_{size}_{data_set}.pth'
    out = Path(out or f'checkpoints/schanger_{size}_{data_set}_mm.pth')
    if out.suffix not in ('.pth', '.safetensors'):
        raise FetchError(f'--out {out}: must end in .pth or .safetensors.')
    follow = f'terms: {TERMS}\nnext:  {_next_command(data_set, size, out)}'
    expected = f'SChanger-{size}, {"single-temporal" if data_set == "pretrain" else "two dates"}'
    if out.exists() and not overwrite:
        _check_converted(out, expected, sha256)
        return f'{out}: {expected}, already there; not fetched again (use --overwrite to replace it).\n{follow}'
    source = Path(cache or Path(torch.hub.get_dir()) / 'checkpoints') / name
    url = f'{(base_url or os.environ.get(URL_VARIABLE) or f"{PAGE}/resolve/main").rstrip("/")}/{name}'
    known = recorded_hash(source.parent, name)
    before = source.exists()
    if not before:
        try:
            download(url, source, sha256)
        except DownloadError as error:
            raise DownloadError(f'{error} Or download {name} from {PAGE} in a browser and convert it: '
                                f'{_CONVERTER} {name} {out}') from error
    try:
        checkpoint, state = _published(source, expected, sha256, known)
        record_hash(source.parent, name, checkpoint.sha256)
    except FetchError as error:
        if before:
            raise FetchError(f'{source}: {error} Delete it to fetch it again.') from error
        size_read = source.stat().st_size
        source.unlink()
        raise FetchError(f'{url}: {error} {size_read:,} bytes arrived; the download was discarded.') from error
    said = f'{source}: {source.stat().st_size:,} bytes, {"downloaded before" if before else f"from {url}"}'
    convert.write_weights(out, state, overwrite)
    return f'{said}\nsha256 {checkpoint.sha256}\n{out}: {expected}, {len(state)} entries.\n{follow}'


def _check_words(data_set: str, size: str, sha256: str | None) -> None:
    if data_set not in SETS or size not in SIZES:
        raise FetchError(f'no published weights {data_set!r}, {size!r}; the sets are {", ".join(SETS)}, '
                         f'the sizes {", ".join(SIZES)}.')
    if sha256 is not None and (len(sha256) != 64 or set(sha256.lower()) - set('0123456789abcdef')):
        raise FetchError(f'--sha256 {sha256}: expected 64 hexadecimal digits.')


def _check_converted(out: Path, expected: str, sha256: str | None) -> None:
    """Reject an existing file that is not the requested one, or that cannot be verified."""
    if sha256 is not None:
        raise FetchError(f'{out} exists, and a converted file does not record the SHA-256 of its source; '
                         'use another file with --out, or pass --overwrite.')
    try:
        kind = convert.mm_to_published(read_weights(out))[1]
    except CheckpointError as error:
        raise FetchError(f'{out} exists but is not a converted checkpoint ({error}) Use another file with --out, '
                         'or pass --overwrite.') from error
    if kind != expected:
        raise FetchError(f'{out} exists but holds {kind}, not {expected}; use another file with --out, or pass '
                         '--overwrite.')


def _published(path: Path, expected: str, sha256: str | None,
               known: str | None) -> tuple[Checkpoint, dict[str, Tensor]]:
    """Read a published file; return it and its state dict in our names. ``known``: SHA-256 of the first download."""
    try:
        checkpoint = read_checkpoint(path)
        if sha256 is not None and checkpoint.sha256 != sha256.lower():
            raise FetchError(f'its SHA-256 is {checkpoint.sha256}, expected {sha256.lower()}.')
        if sha256 is None and known not in (None, checkpoint.sha256):
            raise FetchError(f'its SHA-256 is {checkpoint.sha256}, but {known} was recorded in {path.parent / FILE} '
                             'when it was first fetched: it is another file. If the authors have replaced it and you '
                             f'want the new one, pass --sha256 {checkpoint.sha256}.')
        state, kind = convert.published_to_mm(checkpoint.weights)
    except CheckpointError as error:
        raise FetchError(f'{error}') from error
    if kind != expected:
        raise FetchError(f'it holds {kind}, expected {expected}.')
    return checkpoint, state


def _next_command(data_set: str, size: str, out: Path) -> str:
    suffix = '_small' if size == 'small' else ''
    if data_set == 'pretrain':
        return f'schanger train levir{suffix} --cfg-options load_from={out}'
    return f'schanger test {data_set}{suffix} {out}'
