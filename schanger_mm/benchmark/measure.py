"""The process that measures one variant: python -m schanger_mm.benchmark.measure FOLDER, with a Job in job.json."""

from __future__ import annotations

import ctypes
import gc
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from schanger_mm.benchmark.launches import count_launches
from schanger_mm.benchmark.machine import now
from schanger_mm.benchmark.network import load
from schanger_mm.benchmark.quality import judge, read_tiles
from schanger_mm.benchmark.variants import EXPORTED, VARIANTS, make_step
from schanger_mm.utils.devices import FOR_INFERENCE, keep_freed_memory
from schanger_mm.utils.text import first_line


@dataclass(frozen=True)
class Job:
    """What to measure: ``rounds`` calls of a network in a variant, on ``batch`` inputs of ``size`` px.

    With ``data``, a folder of labelled pairs, its tiles of that size are scored as well.
    """

    network: str
    task: str = 'inference'
    size: int = 256
    batch: int = 1
    variant: str = 'plain'
    rounds: int = 7
    threads: int = 2
    device: str = 'cpu'
    checkpoint: str | None = None
    seed: int = 0
    data: str | None = None


def measure(job: Job) -> tuple[dict, Tensor | None]:
    """Call one variant twice to warm up, then time its calls.

    Returns the seconds of each call, the growth of memory during the warm-up, the allocator setting, kernels that are
    launched (None for what torch does not run operator by operator), F1 with ``data``, and ``problems``: errors of the
    last two, which are None then; and the loss of the first call, or its probabilities of the last class,
    ``(N, H, W)``, with ``data`` those of all tiles, None without F1.
    """
    device, variant = torch.device(job.device), VARIANTS[job.task][job.variant]
    torch.set_num_threads(job.threads)
    if device.type == 'cuda':
        torch.cuda.set_device(device.index or 0)
    tuned = device.type == 'cpu' and variant.malloc != 'default' and keep_freed_memory(
        FOR_INFERENCE if variant.malloc == 'limited' else None)
    model = load(job.network, job.checkpoint, job.seed).to(device)
    preprocessor, threshold = model.data_preprocessor, getattr(model.decode_head, 'threshold', None)
    step = make_step(job.task, variant, model, job.batch, job.size, job.seed)
    if variant.form == 'compile':
        step()  # exclude the compiler's memory
    before = start_peak(device)
    torch.manual_seed(job.seed)  # of dropout
    first, _, _ = step(), step(), now(device)
    peak, seconds = read_peak(device) - before, []
    for _ in range(job.rounds):
        start = now(device)
        step()
        seconds.append(now(device) - start)
    counted = variant.form not in EXPORTED and (device.type == 'cuda' or variant.form != 'compile')
    problems: list[str] = []
    answer: dict[str, Any] = dict(
        seconds=seconds, peak_bytes=peak, malloc=variant.malloc if tuned else 'default', problems=problems,
        launches=_attempt('kernels', lambda: count_launches(step, device), problems) if counted else None)
    if job.task == 'inference':
        def probability(logits: Tensor) -> Tensor:
            if variant.form in EXPORTED:
                return logits
            return (logits.float().sigmoid() if logits.shape[1] == 1 else logits.float().softmax(1))[:, -1]

        first = probability(first)
        if job.data is not None:
            folder, forward = job.data, step.func  # type: ignore[attr-defined]  # a partial, in inference

            def score() -> tuple[float, Tensor]:
                return judge(lambda images: probability(forward(images)), preprocessor.to(device),
                             0.5 if threshold is None else threshold,
                             read_tiles(folder, job.size, job.network, model), getattr(model, 'size_divisor', 1))

            answer['f1'], first = _attempt('F1', score, problems) or (None, None)
    return answer, None if first is None else first.cpu()


def _attempt(what: str, compute: Callable[[], Any], problems: list[str]) -> Any:
    """Return what a call returns, or None and add its error to ``problems``, so that timings are kept."""
    try:
        return compute()
    except Exception as error:  # any error of a network, a backend or the profiler
        problems.append(f'{what}: {_in_one_line(error)}')
        return None


def _in_one_line(error: Exception) -> str:
    return f'{type(error).__name__}: {first_line(error, None)}'


def start_peak(device: torch.device) -> int:
    """Release freed memory, reset the high-water mark and return the bytes in use."""
    gc.collect()
    if device.type == 'cuda':
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)
    elif sys.platform.startswith('linux'):
        getattr(ctypes.CDLL(None), 'malloc_trim', bool)(0)
        Path('/proc/self/clear_refs').write_bytes(b'5')  # man 5 proc: the peak becomes the current size
    return read_peak(device)


def read_peak(device: torch.device) -> int:
    """Return the high-water mark, bytes: of torch's allocator on a GPU, of resident memory on Linux, else 0."""
    if device.type == 'cuda':
        return torch.cuda.max_memory_allocated(device)
    status = Path('/proc/self/status').read_text(encoding='utf-8') if sys.platform.startswith('linux') else ''
    return next((1024 * int(line.split()[1]) for line in status.splitlines() if line.startswith('VmHWM:')), 0)


if __name__ == '__main__':
    folder = Path(sys.argv[1])
    job = Job(**json.loads((folder / 'job.json').read_text(encoding='utf-8')))
    try:
        answer, first = measure(job)
        answer['loss'] = None
        if first is not None:
            answer['loss'] = float(first) if job.task == 'train' else None
            np.save(folder / f'{job.variant}.npy', first.numpy())
    except Exception as error:  # any error of a network or backend becomes a row of the table
        answer = dict(failure=_in_one_line(error))
    (folder / 'result.json').write_text(json.dumps(answer), encoding='utf-8')
