"""The one loader of checkpoints: ``.safetensors``, or what ``torch.load(weights_only=True)`` reads."""

from __future__ import annotations

import re
import warnings
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor

from schanger_mm import compat
from schanger_mm.checkpoints.claims import check_claims
from schanger_mm.checkpoints.container import check_container
from schanger_mm.checkpoints.errors import CheckpointError
from schanger_mm.checkpoints.imports import imports_of, own_imports
from schanger_mm.checkpoints.plain import Plain
from schanger_mm.checkpoints.stand_ins import STAND_INS
from schanger_mm.wording import first_line

CONVERTER = 'tools/model_converters/to_safetensors.py'
SHOWN = 12  # imports in a message
ALLOWED = re.compile(
    r'collections\.OrderedDict|_codecs\.encode|builtins\.(set|complex)|torch\.(Size|device)|'
    r'torch\.nn\.parameter\.Parameter|torch\._utils\._rebuild_(tensor|tensor_v2|tensor_v3|parameter)|'
    r'torch\.(cuda\.)?\w+Storage|torch\.storage\.(Untyped|Typed)Storage|'
    r'torch\.(bool|b?float\d\w*|u?int\d+|complex\d+)')
"""What tensors and plain values are made of. Torch allows more: ``bytearray(10**10)``, and to call what was found."""
_STAND_INS = {f'{kind.__module__}.{kind.__qualname__}' for kind in STAND_INS}


def read_checkpoint(path: str | Path, map_location: str | torch.device | None = 'cpu') -> dict:
    """Read a checkpoint without running code.

    Of a ``.pth`` file everything is read that a training saves: weights,
    optimiser, schedulers, averaged weights, meta data and log.

    Args:
        path: ``.safetensors``, or a file of ``torch.save``.
        map_location: device of the tensors; None: the CPU.

    Returns:
        What the file holds; of ``.safetensors`` and of anything else than a
        dict ``{'state_dict': ...}``.

    Raises:
        CheckpointError: the file is missing, damaged, or needs unpickling.
    """
    path = Path(path).expanduser()
    if not path.is_file():
        raise CheckpointError(f'no checkpoint {path}.')
    device = map_location or 'cpu'
    try:
        if path.suffix == '.safetensors':
            return {'state_dict': OrderedDict(load_file(path, device=str(device)))}
        check_container(path)
        if any(not _allowed(name) for name in own_imports(path)):
            raise CheckpointError('it imports more than tensors need')
        with compat.only_these_globals(STAND_INS), warnings.catch_warnings():
            warnings.simplefilter('ignore')  # torch's advice on how to load it nevertheless
            check_claims(path)
            content = Plain()(torch.load(path, map_location=device, weights_only=True))
    except Exception as error:  # a hostile file makes the readers raise anything
        raise CheckpointError(explain(path, error)) from error
    return content if isinstance(content, dict) else {'state_dict': content}


def read_weights(path: str | Path) -> dict[str, Tensor]:
    """Read a state dict, as :func:`read_checkpoint` does.

    Raises:
        CheckpointError: as there, or the file holds something else than tensors by name.
    """
    content = read_checkpoint(path)
    state = content.get('state_dict', content)
    if not isinstance(state, Mapping) or not state or not all(isinstance(value, Tensor) for value in state.values()):
        raise CheckpointError(f"{path}: expected a dict of tensors, or {{'state_dict': ...}}.")
    return dict(state)


def wanted(path: str | Path) -> list[str]:
    """List what a file would import and may not, in one line each, whatever it calls them."""
    names = sorted(name for name in imports_of(path) if not _allowed(name))
    return [name.encode('unicode_escape').decode()[:80] for name in names]


def _allowed(name: str) -> bool:
    return name in _STAND_INS or ALLOWED.fullmatch(name) is not None


def explain(path: Path, error: Exception) -> str:
    """Say in one line why a file is refused, and what to do."""
    if path.suffix != '.safetensors' and (names := wanted(path)):
        more = f' and {len(names) - SHOWN} more' if len(names) > SHOWN else ''
        return (f'{path} is refused: reading it would run code, since it imports {", ".join(names[:SHOWN])}{more}. If '
                f'you trust its source, turn it into plain weights apart: python {CONVERTER} {path} '
                f'{path.with_suffix(".safetensors").name} --i-trust-this-file')
    said = first_line(error, 200)
    return (f'{path} could not be read as plain weights ({type(error).__name__}: {said}); expected .safetensors or a '
            '.pth that torch.load(weights_only=True) accepts.')
