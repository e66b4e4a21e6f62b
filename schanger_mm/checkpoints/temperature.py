"""Keep a fitted temperature with a checkpoint, as a setting of its config."""

from __future__ import annotations

from pathlib import Path

import torch

from schanger_mm.checkpoints.checkpoint import Checkpoint
from schanger_mm.checkpoints.errors import CheckpointError
from schanger_mm.checkpoints.values import config_text
from schanger_mm.utils.files import whole_file


def check_temperature_can_be_kept(checkpoint: Checkpoint, target: str | Path) -> None:
    """Reject a checkpoint without a config, or a target of another format.

    Raises:
        CheckpointError: see above.
    """
    if Path(target).suffix != '.pth':
        raise CheckpointError(f'--keep {target}: expected a file that ends in .pth.')
    if not checkpoint.config():
        raise CheckpointError(f'--keep {target}: {checkpoint.label} holds no config, in which the temperature is kept; '
                              'name a checkpoint of `schanger train`, or pass --cfg-options temperature=T to the '
                              'commands that predict.')


def keep_temperature(checkpoint: Checkpoint, target: Path, temperature: float) -> None:
    """Write a copy of a checkpoint whose config has ``temperature``; ``target`` must not exist."""
    text = config_text({**checkpoint.config(), 'temperature': round(temperature, 6)})
    content = {**checkpoint.content, 'meta': {**checkpoint.meta, 'cfg': text}}
    with whole_file(target) as partial:
        torch.save(content, partial)
