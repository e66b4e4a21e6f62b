"""Reading checkpoints without running code, whoever made them."""

from schanger_mm.checkpoints.config_text import config_values
from schanger_mm.checkpoints.errors import CheckpointError
from schanger_mm.checkpoints.mmengine_loader import guard_mmengine
from schanger_mm.checkpoints.reading import read_checkpoint, read_weights
from schanger_mm.checkpoints.writing import write_safetensors

__all__ = ['CheckpointError', 'config_values', 'guard_mmengine', 'read_checkpoint', 'read_weights',
           'write_safetensors']
