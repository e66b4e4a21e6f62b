"""Write tensors as safetensors."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from safetensors.torch import save
from torch import Tensor


def write_safetensors(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None) -> None:
    """Write tensors by name; entries that share memory get their own.

    safetensors' own ``save_file`` creates files that only their owner can read,
    and hides the system's error for a full disk.

    Raises:
        OSError: the file cannot be written.
    """
    plain = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    path.write_bytes(save(plain, None if metadata is None else dict(metadata)))
