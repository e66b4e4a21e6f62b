"""Peak memory of this process, on the CPU and on a GPU."""

from __future__ import annotations

import ctypes
import gc
import sys
from pathlib import Path

import torch

GIB, MIB = 2**30, 2**20


class PeakMemory:
    """Growth of the process's memory from the moment of construction to its peak, in bytes.

    On a GPU what torch's allocator has handed out. On a CPU resident memory,
    whose high-water mark Linux can set back; elsewhere the mark is that of the
    whole life of the process, so a small growth may read as 0.

    Args:
        device: of the network.
    """

    def __init__(self, device: torch.device):
        self.device = device
        release(device)
        if device.type == 'cuda':
            torch.cuda.reset_peak_memory_stats(device)
            self._before = torch.cuda.memory_allocated(device)
        else:
            _reset_mark()
            self._before = _mark()

    def growth(self) -> int:
        """Bytes so far."""
        if self.device.type == 'cuda':
            return torch.cuda.max_memory_allocated(self.device) - self._before
        return _mark() - self._before


def release(device: torch.device) -> None:
    """Give the system back what is freed but kept: by glibc, or by torch on a GPU."""
    gc.collect()
    if device.type == 'cuda':
        torch.cuda.empty_cache()
    elif sys.platform.startswith('linux'):
        trim = getattr(ctypes.CDLL(None), 'malloc_trim', None)
        if trim is not None:
            trim(0)


def resident(pid: str = 'self') -> int | None:
    """Resident memory of a process, bytes; None where there is no /proc or no such process."""
    return _status(pid, 'VmRSS')


def available(device: torch.device) -> int | None:
    """Memory that is free for use now, bytes; None where it is unknown."""
    if device.type == 'cuda':
        return torch.cuda.mem_get_info(device)[0]
    return _field(Path('/proc/meminfo'), 'MemAvailable')


def installed() -> int | None:
    """Memory of the machine, bytes; None where it is unknown."""
    return _field(Path('/proc/meminfo'), 'MemTotal')


def _mark() -> int:
    peak = _status('self', 'VmHWM')
    if peak is not None:
        return peak
    import resource  # not on Windows
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == 'darwin' else 1024)


def _reset_mark() -> None:
    clear = Path('/proc/self/clear_refs')
    if clear.exists():
        clear.write_text('5')  # man 5 proc: set the peak resident set size to the current one


def _status(pid: str, key: str) -> int | None:
    return _field(Path(f'/proc/{pid}/status'), key)


def _field(path: Path, key: str) -> int | None:
    try:
        lines = path.read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return next((1024 * int(line.split()[1]) for line in lines if line.startswith(f'{key}:')), None)
