"""Read checkpoints of any origin without running code."""

from schanger_mm.checkpoints.checkpoint import Checkpoint
from schanger_mm.checkpoints.errors import CheckpointError
from schanger_mm.checkpoints.mmengine_loader import guard_mmengine
from schanger_mm.checkpoints.reading import read_checkpoint, read_weights
from schanger_mm.checkpoints.values import config_values
from schanger_mm.checkpoints.writing import write_safetensors

__all__ = ['Checkpoint', 'CheckpointError', 'config_values', 'guard_mmengine', 'read_checkpoint', 'read_weights',
           'write_safetensors']
