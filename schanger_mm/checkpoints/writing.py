"""Writing tensors as safetensors."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from safetensors.torch import save
from torch import Tensor


def write_safetensors(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Write tensors by name; entries that share memory get their own.

    safetensors' own ``save_file`` makes files that only their owner can read,
    and wraps what the system says of a full disk.

    Raises:
        OSError: the file cannot be written.
    """
    path.write_bytes(save({name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}))
