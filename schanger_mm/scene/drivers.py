"""The formats that rasters are read in; GDAL's others are switched off for the process.

GDAL chooses a driver by what a file holds, whatever its name. Some of its 150
write files or connect to servers that a raster names (MRF, WMS, STAC, SQL in a
GeoPackage), so a stranger's ``scene.tif`` could do that. Naming drivers at
opening would not be enough: a VRT, or an ``.aux.xml`` beside a GeoTIFF, makes
GDAL open further files with all that are registered.
"""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pyogrio
import rasterio
from rasterio import _env  # type: ignore[attr-defined]
from rasterio.env import get_gdal_config, set_gdal_config

from .errors import SceneError
from .vrt import check_opened, check_vrt

READ = ('GTiff', 'COG', 'PNG', 'JPEG', 'JP2OpenJPEG', 'WEBP', 'BMP', 'ENVI', 'HFA')
HELPERS = ('VRT', 'MEM', 'Memory')  # VRT is for warps too, the others for drawing and tracing polygons
POLYGONS = ('GPKG', 'GeoJSON', 'ESRI Shapefile', 'FlatGeobuf', 'OpenFileGDB')
VARIABLE = 'SCHANGER_MM_GDAL_DRIVERS'
_lock = threading.Lock()
_off = False  # in this process, and in those that it forks


def open_raster(path: str | Path) -> rasterio.DatasetReader:
    """Open a raster to read it: every one of this package is opened here.

    Args:
        path: a file in one of the formats ``READ``, a VRT whose name ends in
            ``.vrt``, ``/vsi...`` or a URL of such.

    Raises:
        SceneError: a VRT that does more than name rasters, or drivers that cannot be switched off.
        RasterioError: not readable, or of another format.
    """
    path = os.fspath(path)
    switch_off_drivers()
    check_vrt(path)
    dataset = rasterio.open(path)
    try:
        check_opened(path, dataset)
    except SceneError:
        dataset.close()
        raise
    return dataset


def switch_off_drivers() -> None:
    """Leave only the drivers that are needed here registered with rasterio's GDAL, in this process, once.

    The environment variable ``SCHANGER_MM_GDAL_DRIVERS`` names more of them,
    with commas between, such as ``NITF,netCDF``; it is read at the first call.
    pyogrio's GDAL, mostly a library of its own, is left alone; where it is the
    same one, formats of polygons stay.

    Raises:
        SceneError: GDAL keeps more of them.
    """
    global _off
    with _lock:
        if _off:
            return
        kept, everything, given = {*READ, *HELPERS, *_more()}, _registered(), _skipped()
        of_polygons = set(pyogrio.list_drivers())
        if everything - kept:
            _register(given | everything - kept)
            if of_polygons - set(pyogrio.list_drivers()):  # one library
                kept |= {*POLYGONS}
                _register(given | everything - kept)
        if left := sorted(_registered() - kept):
            raise SceneError(f'rasterio {rasterio.__version__} keeps {len(left)} drivers of GDAL that should be off '
                             f'({", ".join(left[:3])}, ...); install a version that requirements/geo.txt allows, '
                             'or report this.')
        _off = True


def _skipped() -> set[str]:
    """What the environment, or code outside of this package, has switched off."""
    names = get_gdal_config('GDAL_SKIP', normalize=False) or ''
    return {name.strip() for name in (names.split(',') if ',' in names else names.split())} - {''}


def _register(skipped: set[str]) -> None:
    set_gdal_config('GDAL_SKIP', ','.join(sorted(skipped)))
    _env._have_registered_drivers = False  # GDAL_SKIP counts where they are registered, once in a process
    _registered()


def _registered() -> set[str]:
    with rasterio.Env() as env:
        return set(env.drivers())


def _more() -> list[str]:
    return [name for name in map(str.strip, os.environ.get(VARIABLE, '').split(',')) if name]
