"""Failures of the machine in the middle of a run, in words: memory that runs out, workers that are killed."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from mmengine.config import Config
from mmengine.runner import Runner

from schanger_mm.engine.failed_batch import describe_inputs, list_samples
from schanger_mm.engine.position_hook import PositionHook
from schanger_mm.registry import MODELS

_STAGES = {'train': 'training', 'val': 'validation', 'test': 'test'}
_OUT_OF_MEMORY = re.compile(r"out of memory|can't allocate memory|not enough memory|Cannot allocate memory|MemoryError")
_SHARED = re.compile(r'Bus error|shared memory|No space left on device|unable to (open|write|allocate) shared')
_WORKER = re.compile(r'DataLoader worker \(pid(?:\(s\))? ([\d, ]+)\) (exited unexpectedly|is killed by signal: [^.]*)')


class MemoryFailure(ValueError):
    """Memory of the GPU or of the machine has run out."""


class WorkerFailure(ValueError):
    """A data loader's worker process was killed."""


@contextmanager
def speaking(runner: Runner) -> Iterator[None]:
    """Word failures of the machine within the block: where the run was, with which files, and what to change.

    Raises:
        MemoryFailure: instead of torch's and Python's errors.
        WorkerFailure: instead of torch's, when a worker was ended from outside.
    """
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        place = next((hook for hook in runner.hooks if isinstance(hook, PositionHook)), PositionHook())
        text = f'{type(error).__name__}: {error}'
        if found := _WORKER.search(text):
            raise WorkerFailure(_explain_worker(runner.cfg, place, found[1], found[2], text)) from error
        if isinstance(error, MemoryError) or _OUT_OF_MEMORY.search(text):
            raise MemoryFailure(_explain_memory(runner.cfg, place, error, text)) from error
        raise


def _where(place: PositionHook) -> str:
    return f'{_STAGES[place.stage]}, iteration {place.iteration}' if place.stage else 'before the first iteration'


def _explain_worker(cfg: Config, place: PositionHook, pids: str, how: str, text: str) -> str:
    loader = f'{place.stage or "train"}_dataloader'
    workers, batch_size = (_setting(cfg, f'{loader}.{key}') for key in ('num_workers', 'batch_size'))
    if _SHARED.search(text):
        why = ('its shared memory is full (df -h /dev/shm; containers get little: docker run --shm-size=8g), or '
               'the machine is out of memory')
    else:
        why = 'most likely the system was out of memory and killed it (dmesg says so)'
    fewer = f'{loader}.num_workers={int(workers) // 2}' if workers else f'{loader}.num_workers=0'
    smaller = f' or {loader}.batch_size={int(batch_size) // 2}' if batch_size and int(batch_size) > 1 else ''
    return (f'{_where(place)}: a worker process of {loader} (pid {pids.strip()}) {how}: {why}. Take fewer workers or '
            f'smaller batches (now {workers} workers, batch_size {batch_size}), for example --cfg-options {fewer}'
            f'{smaller}; --resume goes on from the newest checkpoint.')


def _explain_memory(cfg: Config, place: PositionHook, error: BaseException, text: str) -> str:
    first = str(error).strip().splitlines()[0] if str(error).strip() else 'no more memory'
    if 'Original Traceback' in text:
        loader = f'{place.stage or "train"}_dataloader'
        last = text.strip().splitlines()[-1].split('Error: ', 1)[-1]
        workers = int(_setting(cfg, f'{loader}.num_workers') or 1)
        return (f'{_where(place)}: a worker process of {loader} ran out of memory: {last:.500} Take fewer workers or '
                f'smaller images: --cfg-options {loader}.num_workers={workers // 2}.')
    gpu = isinstance(error, torch.cuda.OutOfMemoryError) or 'CUDA out of memory' in text
    whose = 'GPU memory' if gpu else 'memory'
    batch = ('while a batch was loaded' if place.batch is None else
             f'with a batch of {describe_inputs(place.batch)}: {list_samples(place.batch)}')
    return f'{_where(place)}: out of {whose} {batch}. ({first:.300}) {" ".join(_remedies(cfg, place.stage, gpu))}'


def _remedies(cfg: Config, stage: str | None, gpu: bool) -> list[str]:
    """List what to change, with the keys of this config."""
    if stage in ('val', 'test'):
        loader = f'{stage}_dataloader'
        found = [f'Smaller batches: --cfg-options {loader}.batch_size=1.'] if (
            (_setting(cfg, f'{loader}.batch_size') or 1) > 1) else []
        return [*found, 'Tiles instead of whole images: '
                + ('--mode tiles.' if stage == 'test' else
                   "--cfg-options model.test_cfg.mode=slide model.test_cfg.crop_size='(256,256)' "
                   "model.test_cfg.stride='(256,256)'.")]
    found = []
    size = _setting(cfg, 'train_dataloader.batch_size') or 1
    if size > 1:
        count = int(_setting(cfg, 'optim_wrapper.accumulative_counts') or 1)
        found.append('The same update from smaller batches (and twice the iterations): --cfg-options '
                     f'train_dataloader.batch_size={size // 2} optim_wrapper.accumulative_counts={2 * count}.')
    parts = [f'model.{name}.with_cp=True' for name in ('backbone', 'decode_head')
             if _recomputes(_setting(cfg, f'model.{name}') or {})]
    if parts:
        found.append(f'Less memory for more time, same result: --cfg-options {" ".join(parts)}.')
    if crop := _crop(cfg):
        key, (height, width) = crop
        found.append(f"A smaller crop: --cfg-options {key}='({height // 2},{width // 2})'.")
    if gpu and _setting(cfg, 'optim_wrapper.type') != 'AmpOptimWrapper':
        found.append('Mixed precision: --amp.')
    return found


def _recomputes(part: dict) -> bool:
    """Whether a part takes ``with_cp`` and does not use it yet."""
    kind = MODELS.get(part['type']) if isinstance(part.get('type'), str) else part.get('type')
    return bool(kind) and not part.get('with_cp') and any(
        'with_cp' in inspect.signature(base.__init__).parameters for base in kind.__mro__)


def _crop(cfg: Config) -> tuple[str, tuple[int, int]] | None:
    """Find the setting that holds the size of what is trained on."""
    if size := _setting(cfg, 'model.views.size'):
        return 'model.views.size', size
    todo = [('train_dataloader.dataset.pipeline', _setting(cfg, 'train_dataloader.dataset.pipeline') or [])]
    while todo:
        path, steps = todo.pop(0)
        for place, step in enumerate(steps):
            if isinstance(step, dict) and isinstance(size := step.get('crop_size'), (tuple, list)) and len(size) == 2:
                return f'{path}.{place}.crop_size', (size[0], size[1])
            if isinstance(step, dict) and isinstance(step.get('transforms'), list):
                todo.append((f'{path}.{place}.transforms', step['transforms']))
    return None


def _setting(cfg: Config, path: str):
    node = cfg
    for name in path.split('.'):
        node = node.get(name) if isinstance(node, (dict, Config)) else None
    return node
