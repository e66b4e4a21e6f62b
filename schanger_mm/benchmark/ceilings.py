"""What the machine can do at best: arithmetic and copying."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator

import torch
from torch import nn

from schanger_mm.benchmark.machine import torch_threads
from schanger_mm.benchmark.memory import MIB
from schanger_mm.models.inference import InferenceConv

_DTYPES = dict(fp32=torch.float32, bf16=torch.bfloat16, fp16=torch.float16)
_SIDES = dict(cpu=1024, cuda=8192)
_COPY = dict(cpu=256 * MIB, cuda=1024 * MIB)  # bytes, beyond any cache
_SECONDS = 0.5  # per measurement


def measure_ceilings(device: torch.device, threads: int, precisions: Iterable[str] = ('fp32', ),
                     seconds: float = _SECONDS) -> dict[str, float]:
    """Measure the best of several runs of each, with the threads that networks get.

    Arithmetic is the product of two square matrices, by :func:`torch.mm` and
    as a 1x1 convolution with packed weights, whichever is faster: on a CPU
    they are of different libraries, and on an AMD EPYC the second is 2.3 times
    as fast. On a GPU float32 products may use TF32 where convolutions may.

    Args:
        device: where.
        threads: of torch.
        precisions: ``'fp32'``, ``'bf16'``, ``'fp16'``.
        seconds: to spend on each.

    Returns:
        By precision floating-point operations per second; ``copy``: bytes read plus written per second.
    """
    side = _SIDES[device.type]
    found = {}
    with torch_threads(threads), _convolutions_precision(device), torch.inference_mode():
        for precision in precisions:
            dtype = _DTYPES[precision]
            a, b = (torch.randn(side, side, device=device).to(dtype) for _ in range(2))
            pixels = torch.randn(1, side, side // 32, 32, device=device).to(dtype, memory_format=torch.channels_last)
            conv = InferenceConv(b[:, :, None, None], None, nn.Conv2d(side, side, 1, bias=False, device='meta'))
            fastest = min(_best(lambda: torch.mm(a, b), device, seconds),  # noqa: B023
                          _best(lambda: conv(pixels), device, seconds))  # noqa: B023
            found[precision] = 2 * side**3 / fastest
        source = torch.ones(_COPY[device.type] // 4, device=device)
        target = torch.empty_like(source)
        found['copy'] = 2 * source.nbytes / _best(lambda: target.copy_(source), device, seconds)
    return found


def _best(run: Callable[[], object], device: torch.device, seconds: float) -> float:
    """Shortest of the runs that fit into the time; three at least."""
    times: list[float] = []
    run()
    while len(times) < 3 or sum(times) < seconds:
        _wait(device)
        start = time.perf_counter()
        run()
        _wait(device)
        times.append(time.perf_counter() - start)
    return min(times)


def _wait(device: torch.device) -> None:
    if device.type == 'cuda':
        torch.cuda.synchronize(device)


@contextlib.contextmanager
def _convolutions_precision(device: torch.device) -> Iterator[None]:
    before = torch.get_float32_matmul_precision()
    if device.type == 'cuda' and torch.backends.cudnn.allow_tf32:
        torch.set_float32_matmul_precision('high')
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)
