"""Memory allocation on Linux CPUs."""

from __future__ import annotations

import ctypes
import sys

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_MMAP_MAX, _M_ARENA_MAX = -1, -3, -4, -8  # glibc's malloc.h
_LARGEST = 32 * 2**20
"""Bytes of the largest block that glibc lets a threshold keep."""

FOR_INFERENCE = 128 * 2**20
"""The inference form's wide maps are blocks of 16 MiB; this many bytes of them are worth keeping."""


def keep_freed_memory(limit: int | None = None) -> bool:
    """Ask glibc to reuse freed memory instead of returning it to the system.

    Activations of tens of MiB are otherwise mapped and unmapped for every
    layer, and page faults take about half of the network's time on a CPU.

    Args:
        limit: bytes of free memory that stay, in blocks below 32 MiB, such as
            :data:`FOR_INFERENCE`; new threads then share the heap, since what
            is freed in one of their own is of no use to the others. None keeps
            everything, which is fastest for training, and about the same as
            starting Python with
            ``MALLOC_MMAP_MAX_=0 MALLOC_TRIM_THRESHOLD_=<huge>``.

    Returns:
        Whether the allocator took the settings; False where it is not glibc.
    """
    if not sys.platform.startswith('linux'):
        return False
    mallopt = getattr(ctypes.CDLL(None), 'mallopt', None)
    if mallopt is None:
        return False
    if limit is None:
        return bool(mallopt(_M_MMAP_MAX, 0)) and bool(mallopt(_M_TRIM_THRESHOLD, -1))
    return (bool(mallopt(_M_MMAP_MAX, 65536)) and bool(mallopt(_M_MMAP_THRESHOLD, _LARGEST))
            and bool(mallopt(_M_TRIM_THRESHOLD, limit)) and bool(mallopt(_M_ARENA_MAX, 1)))
