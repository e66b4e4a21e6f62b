"""Mistakes in rasters and in what is asked of them."""


class SceneError(ValueError):
    """Two rasters cannot be compared, read or written as asked."""
