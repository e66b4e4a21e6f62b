"""Explain failures of the machine during a run: memory that runs out, workers that are killed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from mmengine.runner import Runner

from schanger_mm.engine.failed_batch import describe_inputs, list_samples
from schanger_mm.engine.hooks.position_hook import PositionHook
from schanger_mm.utils.errors import UserError
from schanger_mm.utils.text import first_line

_STAGES = {'train': 'training', 'val': 'validation', 'test': 'test'}
_OUT_OF_MEMORY = re.compile(r"out of memory|can't allocate memory|not enough memory|Cannot allocate memory|MemoryError")
_WORKER = re.compile(r'DataLoader worker \(pid(?:\(s\))? ([\d, ]+)\) (exited unexpectedly|is killed by signal: [^.]*)')

_MEMORY_HELP = (
    'What helps in training, as --cfg-options: a smaller train_dataloader.batch_size with as much more '
    'optim_wrapper.accumulative_counts, model.backbone.with_cp=True model.decode_head.with_cp=True, a smaller '
    'crop_size in the pipeline; or --amp. In validation and tests: batch_size=1, or tiles '
    '(`schanger test --mode tiles`).')
_WORKER_HELP = (
    'Usually memory ran out, or the shared memory in /dev/shm is full (docker run --shm-size=8g). Use fewer '
    'num_workers or a smaller batch_size; --resume continues from the newest checkpoint.')


class MemoryFailure(UserError, ValueError):
    """Memory of the GPU or of the machine has run out."""


class WorkerFailure(UserError, ValueError):
    """A data loader's worker process was killed."""


@contextmanager
def explain_failures(runner: Runner) -> Iterator[None]:
    """Turn failures of the machine within the block into errors that name the place, the files and remedies.

    Raises:
        MemoryFailure: instead of torch's and Python's errors.
        WorkerFailure: instead of torch's, when a worker was killed.
    """
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        place = next((hook for hook in runner.hooks if isinstance(hook, PositionHook)), PositionHook())
        text = f'{type(error).__name__}: {error}'
        if found := _WORKER.search(text):
            raise WorkerFailure(_explain_worker(place, found[1], found[2])) from error
        if isinstance(error, MemoryError) or _OUT_OF_MEMORY.search(text):
            raise MemoryFailure(_explain_memory(place, error, text)) from error
        raise


def _where(place: PositionHook) -> str:
    return f'{_STAGES[place.stage]}, iteration {place.iteration}' if place.stage else 'before the first iteration'


def _explain_worker(place: PositionHook, pids: str, how: str) -> str:
    return f'{_where(place)}: a worker process of {_loader(place)} (pid {pids.strip()}) {how}. {_WORKER_HELP}'


def _explain_memory(place: PositionHook, error: BaseException, text: str) -> str:
    if 'Original Traceback' in text:
        last = text.strip().splitlines()[-1]
        return f'{_where(place)}: a worker process of {_loader(place)} ran out of memory: {last:.500} {_WORKER_HELP}'
    gpu = isinstance(error, torch.cuda.OutOfMemoryError) or 'CUDA out of memory' in text
    batch = ('while a batch was loaded' if place.batch is None else
             f'with a batch of {describe_inputs(place.batch)}: {list_samples(place.batch)}')
    return (f'{_where(place)}: out of {"GPU memory" if gpu else "memory"} {batch}. '
            f'({first_line(error) or "no more memory"}) {_MEMORY_HELP}')


def _loader(place: PositionHook) -> str:
    return f'{place.stage or "train"}_dataloader'
