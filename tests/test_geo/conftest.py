"""Tests of rasters need the extra [geo]."""

from importlib.util import find_spec

if find_spec('rasterio') is None:
    collect_ignore_glob = ['test_*.py']
