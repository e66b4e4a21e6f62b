"""The error of this room."""

from schanger_mm.utils.errors import UserError


class CheckpointError(UserError, ValueError):
    """A checkpoint is missing, damaged, or could be read only by running code from it."""
