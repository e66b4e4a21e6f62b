"""The devices that networks run on: the CPU and NVIDIA's GPUs. Torch is imported only to look for a GPU."""

from __future__ import annotations

import ctypes
import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from schanger_mm.utils.errors import SettingError

if TYPE_CHECKING:
    import torch



def parse_device(name: str | torch.device) -> tuple[str, int | None]:
    """Parse the name of a device, available or not.

    Args:
        name: ``'cpu'``, ``'cuda'`` or ``'cuda:N'``.

    Returns:
        ``'cpu'`` or ``'cuda'``, and the number, None if the name has none.

    Raises:
        SettingError: any other name, including devices of torch that were not tested here, such as ``'mps'``.
    """
    match = re.fullmatch(r'(cpu|cuda)(?::([0-9]{1,4}))?', str(name))
    if match is None:
        raise SettingError(f'--device {name}: expected cpu, cuda or cuda:N.')
    return match[1], None if match[2] is None else int(match[2])


def find_device(name: str | torch.device, what: str) -> torch.device:
    """Parse the name of a device, which must be available.

    Args:
        name: ``'cpu'``, ``'cuda'`` or ``'cuda:N'``.
        what: what is done on it, such as ``'predict on'``, for the message.

    Raises:
        SettingError: another name, or no such GPU.
    """
    import torch
    kind, number = parse_device(name)
    if kind == 'cuda' and not torch.cuda.is_available():
        raise SettingError(f'--device {name}: no GPU was found; omit it to {what} the CPU.')
    if kind == 'cuda' and number is not None and number >= torch.cuda.device_count():
        raise SettingError(f'--device {name}: expected a number below {torch.cuda.device_count()}, the number of GPUs.')
    return torch.device(name)


def count_cores() -> int:
    """Return the number of threads: ``OMP_NUM_THREADS``, or the physical cores that this process may use."""
    if (text := os.environ.get('OMP_NUM_THREADS', '')).isdecimal() and int(text):
        return int(text)
    if not hasattr(os, 'sched_getaffinity'):
        return os.cpu_count() or 1
    cores = set()
    for cpu in os.sched_getaffinity(0):
        siblings = Path(f'/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list')
        # hyper-threads of a core share one list
        cores.add(siblings.read_text(encoding='utf-8') if siblings.is_file() else str(cpu))
    return len(cores)


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
        limit: bytes of free memory to keep, in blocks below 32 MiB, such as
            :data:`FOR_INFERENCE`; new threads then share the heap, since memory
            freed in a thread's own heap cannot be used by others. None keeps
            everything, which is fastest for training, and about the same as
            starting Python with
            ``MALLOC_MMAP_MAX_=0 MALLOC_TRIM_THRESHOLD_=<huge>``.

    Returns:
        Whether the allocator took the settings; False if it is not glibc.
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
