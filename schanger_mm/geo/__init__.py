"""Georeferenced rasters and polygons. Needs the `[geo]` extra, but neither torch nor the stack."""
