"""Restrict GDAL to the formats that rasters are read in; its other drivers are disabled in the process.

GDAL chooses a driver by the content of a file, whatever its name. Some of its
150 drivers write files or connect to servers that a raster names (MRF, WMS,
STAC, SQL in a GeoPackage), so an untrusted ``scene.tif`` could do that. Naming
drivers when opening a file would not be enough: a VRT, or an ``.aux.xml`` next to a GeoTIFF, makes
GDAL open further files with all that are registered.
"""

from __future__ import annotations

import importlib.util
import os
import threading
from pathlib import Path

import rasterio
from rasterio import _env  # type: ignore[attr-defined]
from rasterio.env import get_gdal_config, set_gdal_config

from schanger_mm.geo.addresses import Address, approve, environment
from schanger_mm.geo.errors import SceneError
from schanger_mm.geo.vrt import check_opened, check_vrt

READ = ('GTiff', 'COG', 'PNG', 'JPEG', 'JP2OpenJPEG', 'WEBP', 'BMP', 'ENVI', 'HFA')
HELPERS = ('VRT', 'MEM', 'Memory')  # VRT is for warps too, the others for drawing and tracing polygons
POLYGONS = ('GPKG', 'GeoJSON', 'ESRI Shapefile', 'FlatGeobuf', 'OpenFileGDB')
VARIABLE = 'SCHANGER_MM_GDAL_DRIVERS'
_lock = threading.Lock()
_off = False  # in this process, and in those that it forks


def open_raster(path: str | Path, remote: bool = False) -> rasterio.DatasetReader:
    """Open a raster for reading; all rasters of this package are opened here.

    Args:
        path: a file in one of the formats ``READ``, a VRT whose name ends in
            ``.vrt``, ``/vsizip/...`` of such, or the :class:`~schanger_mm.geo.addresses.Address` of a GeoTIFF.
        remote: allow addresses, alone and as sources of a local VRT; read in
            :func:`~schanger_mm.geo.addresses.environment`.

    Raises:
        SceneError: a VRT that does more than name rasters, an address without ``remote``, or drivers that cannot be
            disabled.
        RasterioError: not readable, or of another format.
    """
    path = approve(os.fspath(path), remote)
    switch_off_drivers()
    if isinstance(path, Address):
        with environment(path, remote):
            return rasterio.open(path.gdal, driver='GTiff')
    check_vrt(path, remote)
    with environment(path, remote):
        dataset = rasterio.open(path)
    try:
        check_opened(path, dataset)
    except SceneError:
        dataset.close()
        raise
    return dataset


def switch_off_drivers() -> None:
    """Unregister all drivers of rasterio's GDAL that are not needed here, once per process.

    The environment variable ``SCHANGER_MM_GDAL_DRIVERS`` keeps more of them,
    separated by commas, such as ``NITF,netCDF``; it is read at the first call.
    pyogrio's GDAL, a separate library in wheels, is not changed; if it may be
    the same library (conda), polygon formats stay enabled.

    Raises:
        SceneError: GDAL keeps other drivers.
    """
    global _off
    with _lock:
        if _off:
            return
        kept, everything, given = {*READ, *HELPERS, *_more()}, _registered(), _skipped()
        shared = not (brings_gdal('rasterio') and brings_gdal('pyogrio'))
        if everything - kept:
            of_polygons = _drivers_of_polygons() if shared else set()
            _register(given | everything - kept)
            if shared and of_polygons - _drivers_of_polygons():  # one library
                kept |= {*POLYGONS}
                _register(given | everything - kept)
        if left := sorted(_registered() - kept):
            raise SceneError(f'rasterio {rasterio.__version__} keeps {len(left)} drivers of GDAL that should be off '
                             f'({", ".join(left[:3])}, ...); install a version that requirements/geo.txt allows, '
                             'or report this.')
        _off = True


def brings_gdal(package: str) -> bool:
    """Return whether a package brings its own GDAL, as wheels do: in a folder next to it, on macOS inside it."""
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        return False
    folder = Path(spec.origin).parent
    return folder.with_name(f'{package}.libs').is_dir() or (folder / '.dylibs').is_dir()


def _drivers_of_polygons() -> set[str]:
    import pyogrio  # takes a second if geopandas is installed, so only if needed
    return set(pyogrio.list_drivers())


def _skipped() -> set[str]:
    """Return the drivers that the environment, or code outside this package, has switched off."""
    names = get_gdal_config('GDAL_SKIP', normalize=False) or ''
    return {name.strip() for name in (names.split(',') if ',' in names else names.split())} - {''}


def _register(skipped: set[str]) -> None:
    set_gdal_config('GDAL_SKIP', ','.join(sorted(skipped)))
    _env._have_registered_drivers = False  # GDAL_SKIP is read when they are registered, once per process
    _registered()


def _registered() -> set[str]:
    with rasterio.Env() as env:
        return set(env.drivers())


def _more() -> list[str]:
    return [name for name in map(str.strip, os.environ.get(VARIABLE, '').split(',')) if name]
