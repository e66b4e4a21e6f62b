"""The error about rasters and their options."""

from schanger_mm.utils.errors import UserError


class SceneError(UserError, ValueError):
    """Rasters cannot be compared, read or written as requested."""
