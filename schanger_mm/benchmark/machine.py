"""The machine and the versions that a measurement belongs to."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

from schanger_mm.benchmark.memory import GIB, installed
from schanger_mm.version import __version__

_PACKAGES = ('torch', 'numpy', 'mmengine', 'onedl-mmengine', 'mmcv', 'onedl-mmcv', 'mmsegmentation',
             'onedl-mmsegmentation', 'onnx', 'onnxruntime', 'openvino')
_ALLOCATORS = ('LD_PRELOAD', 'MALLOC_', 'GLIBC_TUNABLES', 'PYTORCH_CUDA_ALLOC_CONF', 'PYTORCH_ALLOC_CONF')


def describe_machine(device: torch.device) -> dict[str, Any]:
    """Name processor, cores, memory in GiB, GPU, load, and what the environment says about allocators."""
    memory = installed()
    gpu = torch.cuda.get_device_properties(device) if device.type == 'cuda' else None
    return dict(
        processor=processor(), cores=os.cpu_count(),
        usable_cores=len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count(),
        memory_gib=None if memory is None else round(memory / GIB, 1),
        gpu=gpu and gpu.name, gpu_memory_gib=gpu and round(gpu.total_memory / GIB, 1),
        system=platform.platform(), load_average=load_average(),
        cpu_capability=torch.backends.cpu.get_cpu_capability(), tf32_convolutions=torch.backends.cudnn.allow_tf32,
        allocator_environment={name: value for name, value in os.environ.items() if name.startswith(_ALLOCATORS)})


def describe_versions() -> dict[str, str]:
    """Versions of Python, this package, the C library and the installed packages that compute."""
    versions = dict(python=platform.python_version(), schanger_mm=__version__)
    library, version = platform.libc_ver()
    if library:
        versions[library] = version
    for name in _PACKAGES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    if torch.version.cuda:
        versions['cuda'] = torch.version.cuda
    return versions


@contextmanager
def torch_threads(number: int) -> Iterator[None]:
    """Let torch compute with so many threads for a while."""
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def processor() -> str:
    """Name of the processor."""
    facts = Path('/proc/cpuinfo')
    lines = facts.read_text().splitlines() if facts.exists() else []
    return next((line.split(':', 1)[1].strip() for line in lines if line.startswith('model name')),
                platform.processor())


def load_average() -> float | None:
    """Processes that wanted to run during the last minute, on average; None where the system does not say."""
    return round(os.getloadavg()[0], 2) if hasattr(os, 'getloadavg') else None
