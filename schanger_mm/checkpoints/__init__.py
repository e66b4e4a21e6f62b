"""Read checkpoints of any origin without running code."""

from schanger_mm.config import compat

compat.leave_transformers_out()  # first: mmengine's runner, which the loaders import, would import it

from schanger_mm.checkpoints.checkpoint import Checkpoint  # noqa: E402
from schanger_mm.checkpoints.errors import CheckpointError  # noqa: E402
from schanger_mm.checkpoints.mmengine_loader import guard_mmengine  # noqa: E402
from schanger_mm.checkpoints.reading import read_checkpoint, read_weights  # noqa: E402
from schanger_mm.checkpoints.values import config_values  # noqa: E402
from schanger_mm.checkpoints.writing import write_safetensors  # noqa: E402

__all__ = ['Checkpoint', 'CheckpointError', 'config_values', 'guard_mmengine', 'read_checkpoint', 'read_weights',
           'write_safetensors']
