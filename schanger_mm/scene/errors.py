"""Mistakes in rasters and in what is asked of them."""


DIVERGED = 'its weights are damaged, or come from a training that diverged: take another checkpoint.'
"""What is to be said of a network that yields NaN."""


class SceneError(ValueError):
    """Two rasters cannot be compared, read or written as asked."""
