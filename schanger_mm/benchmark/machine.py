"""The machine of a measurement, and its peak rates."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable, Iterable
from importlib import metadata
from pathlib import Path

import torch
from torch import nn
from torch.utils.benchmark import Timer

from schanger_mm.models.inference import InferenceConv

DTYPES = dict(fp32=torch.float32, bf16=torch.bfloat16, fp16=torch.float16)
_PACKAGES = ('schanger-mm', 'torch', 'numpy', 'onedl-mmengine', 'mmengine', 'onedl-mmcv', 'mmcv', 'onnxruntime',
             'openvino')
_ALLOCATORS = ('LD_PRELOAD', 'MALLOC_', 'GLIBC_TUNABLES', 'PYTORCH_CUDA_ALLOC_CONF', 'PYTORCH_ALLOC_CONF')


def describe_machine(device: torch.device) -> dict[str, str]:
    """Return processor, GPU, load, versions, and allocator settings of the environment."""
    facts = Path('/proc/cpuinfo')
    lines = facts.read_text(encoding='utf-8').splitlines() if facts.exists() else []  # Linux alone has it
    name = next((line.split(': ', 1)[1] for line in lines if line.startswith('model name')), platform.processor())
    cuda = device.type == 'cuda'
    versions = {found.name: found.version for found in metadata.distributions() if found.name in _PACKAGES}
    return dict(processor=f'{name}, {os.cpu_count()} cores', system=platform.platform(),
                gpu=f'{torch.cuda.get_device_name(device)}, CUDA {torch.version.cuda}' if cuda else 'not used',
                load=f'{os.getloadavg()[0]:.1f}' if hasattr(os, 'getloadavg') else 'unknown',
                versions=', '.join(f'{key} {versions[key]}' for key in _PACKAGES if key in versions),
                allocator=' '.join(f'{key}={os.environ[key]}' for key in os.environ if key.startswith(_ALLOCATORS)))


def now(device: torch.device) -> float:
    """Return the time in seconds once a GPU has finished; no other GPU is waited for, which would initialise it."""
    if device.type == 'cuda':
        torch.cuda.synchronize(device)
    return time.perf_counter()


def measure_ceilings(device: torch.device, threads: int, precisions: Iterable[str], seconds: float = 0.5,
                     side: int | None = None) -> dict[str, float]:
    """Measure each peak rate as the best of several runs.

    Arithmetic is the product of two square matrices, by :func:`torch.mm` and as a 1x1 convolution with packed weights,
    whichever is faster: on an AMD EPYC the second is 2.3 times as fast. On a GPU float32 products may use TF32 if
    convolutions may. Copying uses 256 MiB, on a GPU 1 GiB.
    Returns floating-point operations per second by precision, and bytes read plus written per second as ``copy``.
    """
    found = _measure_ceilings(device, threads, precisions, seconds, side)
    torch.cuda.empty_cache()  # other processes measure on this GPU next
    return found


@torch.inference_mode()
def _measure_ceilings(device: torch.device, threads: int, precisions: Iterable[str], seconds: float,
                      side: int | None) -> dict[str, float]:
    def fastest(run: Callable[[], object]) -> float:
        timer = Timer('run()', globals=dict(run=run), num_threads=threads)
        return min(timer.blocked_autorange(min_run_time=seconds).times)

    cuda, found = device.type == 'cuda', {}
    side, numbers = side or (8192 if cuda else 1024), (256 if cuda else 64) * 2**20
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision('high' if cuda and torch.backends.cudnn.allow_tf32 else before)
    for precision in precisions:
        a, b = (torch.randn(side, side, device=device).to(DTYPES[precision]) for _ in range(2))
        pixels = a.reshape(1, side, side // 32, 32).contiguous(memory_format=torch.channels_last)
        conv = InferenceConv(b[:, :, None, None], None, nn.Conv2d(side, side, 1, bias=False, device='meta'))
        found[precision] = 2 * side**3 / min(fastest(lambda: torch.mm(a, b)), fastest(lambda: conv(pixels)))  # noqa: B023
    torch.set_float32_matmul_precision(before)
    source, target = torch.ones(numbers, device=device), torch.empty(numbers, device=device)
    found['copy'] = 2 * source.nbytes / fastest(lambda: target.copy_(source))
    return found
