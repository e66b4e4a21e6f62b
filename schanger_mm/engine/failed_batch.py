"""The batch of a failure: its names, and a copy on disk."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from mmengine.structures import BaseDataElement, PixelData
from mmseg.structures import SegDataSample
from safetensors.torch import load_file

from schanger_mm.checkpoints import write_safetensors
from schanger_mm.utils.files import move_into_place
from schanger_mm.utils.text import first_of

FOLDER = 'failures'
"""Folder in the work directory."""
TENSORS, RECORD = 'batch.safetensors', 'batch.json'
SHOWN = 16


def name_samples(batch: object) -> list[str]:
    """Name every sample of a batch: its files (date A + date B), else its name, else its position.

    Args:
        batch: what a data loader of mmengine returns, with ``data_samples``.
    """
    return [_name(place, sample) for place, sample in enumerate(_samples(batch))]


def list_samples(batch: object) -> str:
    """Name the samples of a batch in one line, at most 16 of them."""
    names = name_samples(batch)
    if not names:
        return 'a batch without data samples, whose files are not known'
    return first_of(names, '; ', most=SHOWN)


def describe_inputs(batch: object) -> str:
    """Describe number and shapes of a batch's inputs, such as ``8 of (6, 256, 256)``."""
    inputs = _inputs(batch)
    shapes = list(dict.fromkeys(str(tuple(image.shape)) for image in inputs))
    return f'{len(inputs)} of {" or ".join(shapes)}' if inputs else 'unknown'


def broken_inputs(batch: object) -> list[str]:
    """Name the samples whose input holds NaN or Inf."""
    names = name_samples(batch) or [f'sample {place}' for place in range(len(_inputs(batch)))]
    return [name for name, image in zip(names, _inputs(batch))
            if image.is_floating_point() and not image.isfinite().all()]


def label_values(batch: object) -> list[int]:
    """List the values that the labels of a batch hold, at most 16 of them."""
    labels = [sample.gt_sem_seg.data.flatten() for sample in _samples(batch) if 'gt_sem_seg' in sample]
    return torch.cat(labels).unique()[:SHOWN].tolist() if labels else []


def write_batch(folder: Path, batch: object, facts: Mapping[str, Any]) -> Path:
    """Save inputs, labels and metainfo of a batch as safetensors and JSON, in a new folder.

    Args:
        folder: folder to write; ``<folder>-2`` and so on if it exists.
        batch: what a data loader of mmengine returns.
        facts: further values to record, such as the loss.

    Returns:
        The complete folder.

    Raises:
        OSError: it cannot be written; no partial folder remains.
    """
    tensors = {f'{place}.inputs': image for place, image in enumerate(_inputs(batch))}
    for place, sample in enumerate(_samples(batch)):
        tensors.update({f'{place}.{key}': value.data for key, value in sample.items() if isinstance(value, PixelData)})
    record = {**facts, 'samples': [sample.metainfo for sample in _samples(batch)]}
    partial = folder.with_name(f'.{folder.name}.{os.getpid()}.partial')
    try:
        partial.mkdir(parents=True)
        write_safetensors(partial / TENSORS, tensors)
        (partial / RECORD).write_text(json.dumps(record, indent=1, default=str), encoding='utf-8')
        written, number = folder, 2
        while written.exists():
            written, number = folder.with_name(f'{folder.name}-{number}'), number + 1
        move_into_place(partial, written)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return written


def read_batch(folder: Path) -> dict:
    """Read what :func:`write_batch` wrote, in the form that ``model.train_step`` takes; nothing is unpickled."""
    tensors = load_file(Path(folder) / TENSORS)
    record = json.loads((Path(folder) / RECORD).read_text(encoding='utf-8'))
    batch: dict[str, list] = dict(inputs=[], data_samples=[])
    while (image := tensors.get(f'{len(batch["inputs"])}.inputs')) is not None:
        batch['inputs'].append(image)
    for place, metainfo in enumerate(record['samples']):
        sample = SegDataSample(metainfo={key: tuple(value) if key.endswith('shape') else value
                                         for key, value in metainfo.items()})
        for key, value in tensors.items():
            owner, field = key.split('.', 1)
            if owner == str(place) and field != 'inputs':
                sample.set_data({field: PixelData(data=value)})
        batch['data_samples'].append(sample)
    return batch


def _inputs(batch: object) -> list[torch.Tensor]:
    inputs = batch.get('inputs') if isinstance(batch, Mapping) else None
    return [image for image in inputs if isinstance(image, torch.Tensor)] if isinstance(inputs, Iterable) else []


def _samples(batch: object) -> list[BaseDataElement]:
    samples = batch.get('data_samples') if isinstance(batch, Mapping) else None
    return [s for s in samples if isinstance(s, BaseDataElement)] if isinstance(samples, Sequence) else []


def _name(place: int, sample: BaseDataElement) -> str:
    paths = sample.get('img_path')
    if isinstance(paths, (list, tuple)):
        return ' + '.join(map(str, paths))
    return str(paths or sample.get('name') or f'sample {sample.get("sample_idx", place)}')
