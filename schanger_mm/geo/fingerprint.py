"""What identifies a raster, and whether it changed meanwhile."""

from __future__ import annotations

import hashlib
import os
from typing import Any

import numpy as np

from schanger_mm.geo.addresses import full, is_network
from schanger_mm.geo.raster import Raster

CHUNK = 256 * 2 ** 10
CHUNKS = 256  # of a raster, whatever number of files it is made of: 64 MiB


def fingerprint(raster: Raster, whole: bool = True) -> dict[str, Any]:
    """Identity of an open raster, as JSON holds it: its place, bands, nodata value and files.

    Each local file it is made of (the raster, its masks and overviews, the
    sources of a VRT) counts by path, size, modification time in ns, SHA-256 as
    ``sha256sum`` prints it, and ``sample``, the SHA-256 of evenly spaced chunks
    of 256 KiB, the first and last among them: 64 MiB of all files. Not
    ``.aux.xml``, which viewers write next to a raster to keep its statistics.
    The raster of an address counts by what its server tells, ``remote``: size,
    ETag, time of the last change. Where that is not known (a bucket that needs
    credentials, sources of a VRT on the network) the SHA-256 of sampled pixels
    counts as well.

    Args:
        raster: open.
        whole: read the files to their ends; False leaves ``sha256`` out.
    """
    grid = raster.own_grid
    identity: dict[str, Any] = {
        'path': raster.path, 'size': [grid.width, grid.height], 'transform': list(grid.transform), 'crs': grid.crs,
        'bands': raster.bands, 'nodata': str(raster.nodata)}
    if raster.state is not None:
        return {**identity, 'remote': raster.state}
    local = _local(raster)
    if local:
        chunks = max(2, CHUNKS // len(local))
        identity['files'] = [_identify(name, chunks, whole) for name in local]
    if _partly_unknown(raster):
        identity['sha256_of_pixels'] = _hash_pixels(raster)
    return identity


def content_of(identity: dict[str, Any]) -> dict[str, Any]:
    """Leave out of a fingerprint what may change while the content stays, and the sample, which is part of it."""
    if 'files' not in identity:
        return identity
    kept = ('path', 'bytes', 'sha256')
    return {**identity, 'files': [{key: file[key] for key in kept} for file in identity['files']]}


def file_states(raster: Raster) -> dict[str, tuple]:
    """Return what changes when a raster is written: real path, inode, size and both times of each local file.

    For an address: what its server tells, or the SHA-256 of sampled pixels.
    """
    states: dict[str, tuple] = {}
    if raster.state is not None:
        states[full(raster.path)] = tuple(raster.state.values())
    elif _partly_unknown(raster):
        states[f'{raster.path}: pixels'] = (_hash_pixels(raster), )
    for name in _local(raster):
        stat = os.stat(name)
        states[name] = os.path.realpath(name), stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns
    return states


def _local(raster: Raster) -> list[str]:
    return sorted(name for name in raster.files if os.path.isfile(name) and not name.endswith('.aux.xml'))


def _partly_unknown(raster: Raster) -> bool:
    return not _local(raster) or any(map(is_network, raster.files))


def _identify(path: str, chunks: int, whole: bool) -> dict[str, Any]:
    with open(path, 'rb') as file:
        stat = os.fstat(file.fileno())
        identity = {'path': os.path.abspath(path), 'bytes': stat.st_size, 'mtime_ns': stat.st_mtime_ns}
        digest = hashlib.sha256()
        if stat.st_size <= chunks * CHUNK:
            digest.update(file.read())
        else:
            for start in np.linspace(0, stat.st_size - CHUNK, chunks).astype(int):
                file.seek(start)
                digest.update(file.read(CHUNK))
        identity['sample'] = digest.hexdigest()
        if whole:
            file.seek(0)
            identity['sha256'] = hashlib.file_digest(file, 'sha256').hexdigest()
        return identity


def _hash_pixels(raster: Raster) -> str:
    digest = hashlib.sha256()
    for values, valid in raster.samples():
        digest.update(values.tobytes())
        digest.update(valid.tobytes())
    return digest.hexdigest()
