"""The process that measures one variant; :mod:`schanger_mm.benchmark.crew` is the other end of its pipe."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

import numpy as np
import torch
from torch import Tensor

from schanger_mm.apis.memory import FOR_INFERENCE, keep_freed_memory
from schanger_mm.benchmark.memory import PeakMemory, release
from schanger_mm.benchmark.subject import Subject
from schanger_mm.benchmark.variants import EXPORTED, Step, Variant, inference_step, training_step
from schanger_mm.wording import first_line

WARM_UP = 2
"""Calls before anything is timed; the peak of memory is theirs."""


@dataclass(frozen=True)
class Job:
    """What one process does.

    Args:
        subject: the network.
        task: ``'inference'`` or ``'train'``.
        variant: its form.
        size: side of the inputs, px.
        batch: pairs per call.
        threads: of torch, and of the runtime of an exported network.
        device: such as ``'cpu'`` or ``'cuda:0'``.
        seed: of weights, inputs and labels.
        memory_limit: of a GPU, bytes; on the CPU the other process watches.
    """

    subject: Subject
    task: str
    variant: Variant
    size: int
    batch: int
    threads: int
    device: str
    seed: int
    memory_limit: int | None = None


@dataclass(frozen=True)
class Failed:
    """An answer that says why there is none."""

    reason: str


def work(connection: Connection, job: Job) -> None:
    """Answer requests, pairs of a function's name and its arguments, until None comes or the pipe is closed.

    An error is answered by :class:`Failed` and ends the process.
    """
    try:
        bench = Bench(job)
        connection.send(bench.malloc)
        while (request := connection.recv()) is not None:
            name, arguments = request
            connection.send(getattr(bench, name)(*arguments))
    except (EOFError, BrokenPipeError, KeyboardInterrupt):
        return  # nobody waits for an answer any more
    except Exception as error:  # whatever a network or a backend raises is a result here
        connection.send(Failed(_reason(error)))


class Bench:
    """One variant, ready to run.

    Args:
        job: what to run.
    """

    def __init__(self, job: Job):
        torch.set_num_threads(job.threads)
        self.job, self.device = job, torch.device(job.device)
        self.malloc = job.variant.malloc if self._on_cpu and _set_malloc(job.variant.malloc) else 'default'
        if job.memory_limit is not None and not self._on_cpu:
            total = torch.cuda.get_device_properties(self.device).total_memory
            torch.cuda.set_per_process_memory_fraction(min(1.0, job.memory_limit / total), self.device)
        model = job.subject.build_with_weights(job.seed).to(self.device)
        make: Callable[..., Step] = inference_step if job.task == 'inference' else training_step
        self.step = make(job.variant, model, job.batch, job.size, job.seed)

    def warm_up(self) -> dict[str, Any]:
        """Run a few times; then give freed memory back, so that other variants have it for theirs.

        Returns:
            ``peak``: growth of memory, bytes; ``result``: of the first call, probabilities as
            :func:`probabilities` gives them, or the loss.
        """
        if self.job.variant.form == 'compile':
            self.step()  # the compiler's own memory is not the network's
        peak = PeakMemory(self.device)
        torch.manual_seed(self.job.seed)  # of dropout
        first = self.step()
        for _ in range(WARM_UP - 1):
            self.step()
        self._wait()
        growth = peak.growth()
        if self.job.task == 'train':
            result: Any = float(first)
        else:
            result = first.numpy() if self.job.variant.form in EXPORTED else probabilities(first)
        del first
        release(self.device)
        return dict(peak=growth, result=result)

    def turn(self, warm: bool, let_go: bool) -> tuple[float, float]:
        """Time one call.

        Args:
            warm: make an untimed call first.
            let_go: give freed memory back afterwards.

        Returns:
            When it started, on the clock of :func:`time.perf_counter`, and how long it took; seconds.
        """
        if warm:
            self.step()
        self._wait()
        start = time.perf_counter()
        self.step()
        self._wait()
        seconds = time.perf_counter() - start
        if let_go:
            release(self.device)
        return start, seconds

    @property
    def _on_cpu(self) -> bool:
        return self.device.type == 'cpu'

    def _wait(self) -> None:
        if not self._on_cpu:
            torch.cuda.synchronize(self.device)


def probabilities(logits: Tensor) -> np.ndarray | None:
    """From logits ``(N, C, H, W)`` to float32 probabilities; None for what is no map of logits.

    Returns:
        ``(N, H, W)`` of the changed class where there are one or two channels, else ``(N, C, H, W)``.
    """
    if not isinstance(logits, Tensor):
        return None
    logits = logits.float().cpu()
    if logits.shape[1] == 1:
        return logits.sigmoid()[:, 0].numpy()
    found = logits.softmax(dim=1).numpy()
    return found[:, 1] if found.shape[1] == 2 else found


def _set_malloc(setting: str) -> bool:
    """Whether this system's allocator took the setting."""
    if setting == 'default':
        return True
    return keep_freed_memory(FOR_INFERENCE if setting == 'limited' else None)


def _reason(error: Exception) -> str:
    """Word an error; torch's allocator on the CPU raises a plain RuntimeError."""
    text = first_line(error, None)
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)) or "can't allocate memory" in text:
        return f'out of memory: {text}' if text else 'out of memory'
    return f'{type(error).__name__}: {text}' if text else type(error).__name__
