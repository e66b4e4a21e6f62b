"""Memory allocation on Linux CPUs."""

import ctypes
import sys

_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4  # glibc's malloc.h


def keep_freed_memory() -> bool:
    """Ask glibc to reuse freed memory instead of returning it to the system.

    Activations of tens of MiB are otherwise mapped and unmapped for every
    layer, and page faults take about half of the network's time on a CPU. The
    same as starting Python with ``MALLOC_MMAP_MAX_=0
    MALLOC_TRIM_THRESHOLD_=<huge>``.

    Returns:
        Whether the allocator took both settings; False where it is not glibc.
    """
    if not sys.platform.startswith('linux'):
        return False
    mallopt = getattr(ctypes.CDLL(None), 'mallopt', None)
    return mallopt is not None and bool(mallopt(_M_MMAP_MAX, 0)) and bool(mallopt(_M_TRIM_THRESHOLD, -1))
