"""What identifies a raster, without reading ten gigabytes of it."""

from __future__ import annotations

import hashlib
import os
from typing import Any

import numpy as np

from .raster import Raster

CHUNK = 256 * 2 ** 10
CHUNKS = 256  # of a raster, whatever number of files it is made of: 64 MiB


def fingerprint(raster: Raster) -> dict[str, Any]:
    """Identity of an open raster, as JSON holds it: its place, bands, nodata value and files.

    Each local file it is made of (the raster, its masks and overviews, the
    sources of a VRT) counts by path, size, modification time in ns and the
    SHA-256 of its size and of evenly spaced chunks of 256 KiB, the first and
    last among them: 64 MiB in all, so a smaller file is hashed whole. An edit
    between two chunks shows by the time of modification. Not ``.aux.xml``,
    which viewers write beside a raster to keep its statistics.
    A raster of remote files only (``/vsicurl/...``) counts by the SHA-256 of
    sampled pixels instead.
    """
    grid = raster.own_grid
    identity = {'path': raster.path, 'size': [grid.width, grid.height], 'transform': list(grid.transform),
                'crs': grid.crs, 'bands': raster.bands, 'nodata': str(raster.nodata)}
    local = sorted(name for name in raster.files if os.path.isfile(name) and not name.endswith('.aux.xml'))
    if not local:
        return {**identity, 'sha256_of_pixels': _hash_pixels(raster)}
    chunks = max(2, CHUNKS // len(local))
    return {**identity, 'files': [_identify(name, chunks) for name in local]}


def _identify(path: str, chunks: int) -> dict[str, Any]:
    with open(path, 'rb') as file:
        stat = os.fstat(file.fileno())
        digest = hashlib.sha256(str(stat.st_size).encode())
        if stat.st_size <= chunks * CHUNK:
            digest.update(file.read())
        else:
            for start in np.linspace(0, stat.st_size - CHUNK, chunks).astype(int):
                file.seek(start)
                digest.update(file.read(CHUNK))
    return {'path': os.path.abspath(path), 'bytes': stat.st_size, 'mtime_ns': stat.st_mtime_ns,
            'sha256': digest.hexdigest()}


def _hash_pixels(raster: Raster) -> str:
    digest = hashlib.sha256()
    for values, valid in raster.samples():
        digest.update(values.tobytes())
        digest.update(valid.tobytes())
    return digest.hexdigest()
