"""The one loader of checkpoints: ``.safetensors``, or what ``torch.load(weights_only=True)`` reads."""

from __future__ import annotations

import json
import os
import re
import warnings
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

import torch
from safetensors.torch import load
from torch import Tensor
from torch.torch_version import TorchVersion

from schanger_mm.checkpoints.checkpoint import STATE, Checkpoint, stamp_of
from schanger_mm.checkpoints.container import check_container
from schanger_mm.checkpoints.errors import CheckpointError
from schanger_mm.checkpoints.extent import check_pickles
from schanger_mm.checkpoints.hub import ModelFiles, find_model, is_address
from schanger_mm.checkpoints.pickles import imports_of
from schanger_mm.checkpoints.plain import Plain
from schanger_mm.checkpoints.stand_ins import STAND_INS
from schanger_mm.checkpoints.values import as_json_values, config_text
from schanger_mm.config import compat
from schanger_mm.utils.errors import JsonError, SettingError
from schanger_mm.utils.files import read_table, sha256_of
from schanger_mm.utils.text import first_line, first_of

CONVERTER = 'schanger to-safetensors'
FLOOR = '2.10'
"""First torch that checks the size of a pickled checkpoint's tensors against the bytes in the file."""
PUBLISHED = 'schanger_mm'
"""Key in the metadata of a ``.safetensors`` file whose JSON replaces ``meta`` of a ``.pth``."""
ALLOWED = re.compile(
    r'collections\.(OrderedDict|Counter)|_codecs\.encode|builtins\.(set|complex)|torch\.(Size|device)|'
    r'torch\.nn\.parameter\.Parameter|torch\._utils\._rebuild_(tensor|tensor_v2|tensor_v3|parameter)|'
    r'torch\.(cuda\.)?\w+Storage|torch\.storage\.(Untyped|Typed)Storage|'
    r'torch\.(bool|b?float\d\w*|u?int\d+|complex\d+)')
"""Names that tensors and plain values need. Torch allows more, such as ``bytearray(10**10)`` and calling objects."""
_STAND_INS = {f'{kind.__module__}.{kind.__qualname__}' for kind in STAND_INS}


def read_checkpoint(path: str | Path | Checkpoint, map_location: str | torch.device | None = 'cpu') -> Checkpoint:
    """Read a checkpoint without running code; the file is opened once.

    From a ``.pth`` file, everything that a training saves is read: weights,
    optimiser, schedulers, averaged weights, metadata and log.

    Args:
        path: ``.safetensors``, or a file of ``torch.save``; a model of the hub (``hf://org/name[@revision]``) or a
            folder with the same files, see :mod:`.hub`. A checkpoint that has been read is returned as it is.
        map_location: device of the tensors; None: the CPU.

    Returns:
        The content of the file; for ``.safetensors`` and anything other than a
        dict it is ``{'state_dict': ...}``.

    Raises:
        CheckpointError: the file is missing, damaged, or needs unpickling, or it changed while it was read.
        HubError: see :func:`~schanger_mm.checkpoints.hub.find_model`.
        MissingPackageError: ``huggingface_hub`` is not installed and a model of the hub is named.
    """
    if isinstance(path, Checkpoint):
        return path
    if is_address(path) or Path(path).is_dir():
        return _read_model(find_model(path), map_location)
    return _read_file(Path(path).expanduser(), map_location)


def _read_model(model: ModelFiles, map_location: str | torch.device | None) -> Checkpoint:
    """Read the weights of a model, with the values of ``config.json`` as its config."""
    checkpoint = _read_file(model.weights, map_location, model.sha256)
    content = dict(checkpoint.content)
    if model.config is not None:
        meta = dict(checkpoint.meta)
        try:
            values = read_table(model.config)
            if checkpoint.has_config and as_json_values(checkpoint.config()) != values:
                raise CheckpointError(f'{model.config} and the config in {model.weights.name} differ; expected them to '
                                      'be equal, as schanger publish --hub writes them.')
            meta.setdefault('cfg', config_text(values))
        except (JsonError, SettingError) as error:
            raise CheckpointError(f'{model.config}: not a config of plain values ({error}).') from error
        content['meta'] = meta
    return replace(checkpoint, content=content, name=model.name, note=model.note)


def _read_file(path: Path, map_location: str | torch.device | None, expected: str | None = None) -> Checkpoint:
    """Read one file; ``expected`` is the SHA-256 that it must have, checked before anything in it is interpreted."""
    if not path.is_file():
        raise CheckpointError(f'no checkpoint {path}.')
    try:
        stream = path.open('rb')
    except OSError as error:
        raise CheckpointError(f'{path} cannot be opened: {error.strerror}.') from error
    with stream:
        stamp = stamp_of(os.fstat(stream.fileno()))
        sha256 = sha256_of(stream)
        if expected not in (None, sha256):
            raise CheckpointError(f'{path}: its SHA-256 is {sha256}, but the hub states {expected}; it is damaged or '
                                  f'another file, and was not used. Delete {path.resolve()} to download it again.')
        stream.seek(0)
        try:
            read = _read_safetensors if path.suffix == '.safetensors' else _read_pickled
            content = read(stream, str(map_location or 'cpu'))
        except Exception as error:  # a malicious file can make the readers raise anything
            raise CheckpointError(_explain(path, stream, error)) from error
        if stamp_of(os.fstat(stream.fileno())) != stamp:
            raise CheckpointError(f'{path} was written to while it was read; run the command again.')
    return Checkpoint(path, content, sha256, stamp)


def read_weights(path: str | Path) -> dict[str, Tensor]:
    """Read a state dict, as :func:`read_checkpoint` does.

    Raises:
        CheckpointError: as there, or the file holds something other than tensors by name.
    """
    return read_checkpoint(path).weights


def wanted_of(path: Path) -> list[str]:
    """List the forbidden imports of a file, one line each, whatever their names contain."""
    with path.open('rb') as stream:
        return _wanted(stream)


def _read_safetensors(stream: BinaryIO, device: str) -> dict:
    data = stream.read()
    state = OrderedDict((name, value.to(device)) for name, value in load(data).items())
    header = json.loads(data[8:8 + int.from_bytes(data[:8], 'little')])  # safetensors has checked its length
    meta = json.loads(header.get('__metadata__', {}).get(PUBLISHED, 'null'))
    return {STATE: state, 'meta': meta} if isinstance(meta, dict) else {STATE: state}


def _read_pickled(stream: BinaryIO, device: str) -> dict:
    check_container(stream)
    if not all(_allowed(name) for name in imports_of(stream)):
        raise CheckpointError('it imports more than tensors need')
    if TorchVersion(torch.__version__) < FLOOR:
        raise CheckpointError(f'torch {torch.__version__} does not check the tensor sizes that a pickled file '
                              f'declares; reading it needs torch {FLOOR} or newer, a .safetensors file does not')
    with compat.only_these_globals(STAND_INS), warnings.catch_warnings():
        warnings.simplefilter('ignore')  # torch's advice on how to load it anyway
        check_pickles(stream)
        content = Plain()(torch.load(stream, map_location=device, weights_only=True))
    return content if isinstance(content, dict) else {STATE: content}


def _allowed(name: str) -> bool:
    return name in _STAND_INS or ALLOWED.fullmatch(name) is not None


def _wanted(stream: BinaryIO) -> list[str]:
    names = {name for name in _until_damaged(stream) if not _allowed(name)}
    return [name.encode('unicode_escape').decode()[:80] for name in sorted(names)]


def _until_damaged(stream: BinaryIO) -> Iterator[str]:
    """Yield the imports of any file, as far as they can be found; used for a message."""
    try:
        yield from imports_of(stream)
    except Exception:  # pickletools and zipfile raise many kinds
        return


def _explain(path: Path, stream: BinaryIO, error: Exception) -> str:
    """Explain in one line why a file is rejected, and what to do."""
    if path.suffix != '.safetensors' and (names := _wanted(stream)):
        return (f'{path} is refused: reading it would run code, since it imports {first_of(names)}. If you trust its '
                f'source, turn it into plain weights: {CONVERTER} {path} '
                f'{path.with_suffix(".safetensors").name} --i-trust-this-file')
    said = first_line(error, 200)
    return (f'{path} could not be read as plain weights ({type(error).__name__}: {said}); expected .safetensors or a '
            '.pth that torch.load(weights_only=True) accepts.')
