"""The numbers of a scene's result: ``summary.json``."""

from __future__ import annotations

import dataclasses
import importlib
import json
import math
import platform
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import shapely
from rasterio.windows import Window

from schanger_mm.geo.drivers import open_raster
from schanger_mm.geo.errors import SceneError
from schanger_mm.geo.grid import Grid
from schanger_mm.scene.areas import Ground
from schanger_mm.utils.files import as_json, refuse_existing, write_atomic
from schanger_mm.version import __version__

TILE = 512
"""Side in px of the squares within which a pixel's area on the ellipsoid is taken as constant."""
PACKAGES = 'numpy', 'rasterio', 'shapely', 'pyproj', 'pyogrio'


def write_summary(path: str | Path, change_tif: str | Path | None = None, overwrite: bool = False, **parts) -> dict:
    """Write the summary of a result as strict JSON, completely or not at all.

    Args:
        path: file to write; its folder is created.
        change_tif: the result; adds the sections ``pixels`` and ``areas`` of :func:`count_pixels`.
        overwrite: replace ``path``.
        parts: further sections: ``polygons`` (what :func:`~schanger_mm.scene.polygons.write_polygons`
            returned), ``settings``, ``inputs``, ``model``, ``timings`` and so on. Dataclasses, paths and
            numpy's values are turned into plain ones.

    Returns:
        The written content; always with ``versions``, those of :func:`versions` unless they are given.

    Raises:
        SceneError: a value that JSON does not support, named by its key.
        FileExistsError: ``path`` exists.
    """
    path = Path(path)
    if not overwrite:
        refuse_existing(path)
    counts = {} if change_tif is None else count_pixels(change_tif)
    found = parts.pop('versions', None) or versions()
    content = _plain({**counts, **parts, 'versions': found}, 'summary')
    write_atomic(path, as_json(content))
    return content


def count_pixels(change_tif: str | Path) -> dict[str, dict]:
    """Count the pixels of a change map and measure the ground they cover, square by square.

    Returns:
        ``pixels``: ``total``, ``valid``, ``changed``, ``nodata``; ``areas``: ``valid_m2``, ``changed_m2``, the
        ``method``, see :class:`~schanger_mm.scene.areas.Ground`, and ``changed_share`` of the valid area, None
        where nothing is valid. Without a CRS areas are in px, and their keys end so.

    Raises:
        SceneError: not readable as a raster, or its CRS is not.
    """
    changed = valid = 0
    changed_area = valid_area = 0.0
    try:
        with open_raster(change_tif) as raster:
            grid = Grid.of(raster)
            ground = Ground(grid)
            for row in range(0, grid.height, TILE):
                height = min(TILE, grid.height - row)
                values = raster.read(1, window=Window(0, row, grid.width, height))
                for col in range(0, grid.width, TILE):
                    tile = values[:, col:col + TILE]
                    here, seen = int((tile == 1).sum()), int((tile <= 1).sum())
                    if seen:
                        area = ground.areas([shapely.box(col, row, col + tile.shape[1], row + height)])[0] / tile.size
                        changed_area, valid_area = changed_area + here * area, valid_area + seen * area
                    changed, valid = changed + here, valid + seen
    except rasterio.errors.RasterioError as error:
        raise SceneError(f'{change_tif}: not readable as a raster: {error}') from error
    total = grid.width * grid.height
    return {
        'pixels': {'width': grid.width, 'height': grid.height, 'total': total, 'valid': valid, 'changed': changed,
                   'nodata': total - valid},
        'areas': {f'valid_{ground.unit}': float(valid_area), f'changed_{ground.unit}': float(changed_area),
                  'changed_share': float(changed_area / valid_area) if valid_area else None,
                  'method': ground.method, 'gsd_m': grid.gsd, 'crs': grid.crs_name},
    }


def versions(packages: Sequence[str] = ()) -> dict[str, str]:
    """Return the versions of the packages that a result depends on, including ``packages`` that run the network."""
    found = {'schanger_mm': __version__, 'python': platform.python_version()}
    return {**found, **{name: _version(name) for name in (*packages, *PACKAGES)}, 'gdal': rasterio.__gdal_version__}


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:  # onnxruntime-gpu installs the module onnxruntime
        return str(importlib.import_module(package).__version__)


def _plain(value: Any, key: str) -> Any:
    """Convert a value to JSON types."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        value = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, dict):
        return {str(name): _plain(part, f'{key}.{name}') for name, part in value.items()}
    if isinstance(value, (list, tuple, np.ndarray)):
        return [_plain(part, f'{key}[{i}]') for i, part in enumerate(value)]
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, float) and not math.isfinite(value):
        raise SceneError(f'{key}: found {value}, which JSON does not have; omit it or pass None.')
    try:
        json.dumps(value)
    except TypeError:
        raise SceneError(f'{key}: found a {type(value).__name__}, which JSON does not have; expected text, '
                         'numbers, lists and dicts of them.') from None
    return value
