"""The error of this package."""


class CheckpointError(ValueError):
    """A checkpoint is missing, damaged, or could be read only by running code from it."""
