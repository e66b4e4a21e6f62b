# SPDX-License-Identifier: GPL-2.0-or-later
"""From layers to files that the command can read: the layer's own file, a VRT of a part of it, or an exported copy."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from osgeo import gdal
from qgis.core import QgsProcessingException, QgsProviderRegistry, QgsRasterLayer, QgsVectorFileWriter

READABLE = {'GTiff', 'COG', 'PNG', 'JPEG', 'JP2OpenJPEG', 'WEBP', 'BMP', 'ENVI', 'HFA'}
"""Drivers of GDAL that the command uses; files of others are exported."""
WHOLE = 0.01
"""Part of a pixel by which a window may miss the grid."""


class Window(NamedTuple):
    """Pixels of a raster."""

    col: int
    row: int
    width: int
    height: int


@dataclass(frozen=True)
class Raster:
    """A raster layer, read in the main thread.

    Args:
        name: of the layer, for messages.
        source: what GDAL opens.
        options: open options of GDAL.
        crs: WKT of the CRS that the layer has in QGIS, if the file has another or none; '' otherwise.
    """

    name: str
    source: str
    options: tuple[str, ...] = ()
    crs: str = ''

    def open(self):
        """Return GDAL's dataset.

        Raises:
            QgsProcessingException: GDAL cannot open it.
        """
        dataset = gdal.OpenEx(self.source, gdal.OF_RASTER, open_options=list(self.options))
        if dataset is None:
            raise QgsProcessingException(f'{self.name}: {self.source} cannot be opened ({gdal.GetLastErrorMsg()}).')
        return dataset


def raster_of(layer) -> Raster:
    """Return what a raster layer is made of.

    Raises:
        QgsProcessingException: its values are not in a file or a format of GDAL, as with WMS.
    """
    kind = layer.providerType()
    if kind != 'gdal':
        raise QgsProcessingException(
            f'{layer.name()}: expected a raster file, found a layer of the provider {kind}: its pixels are pictures or '
            'come from elsewhere and may change. Save it as GeoTIFF first: right-click, Export, Save As, raw data.')
    found = QgsProviderRegistry.instance().decodeUri('gdal', layer.source())
    options = tuple(found.get('openOptions') or ())
    source = layer.source().split('|', 1)[0] if options else layer.source()
    return Raster(layer.name(), source, options, _other_crs(layer))


def _other_crs(layer) -> str:
    if not layer.crs().isValid():
        return ''
    options = QgsRasterLayer.LayerOptions()
    options.skipCrsValidation = True
    own = QgsRasterLayer(layer.source(), layer.name(), 'gdal', options).crs()
    return '' if own.isValid() and own == layer.crs() else layer.crs().toWkt()


def window_of(raster: Raster, extent) -> Window | None:
    """Return the pixels of a raster that an extent in its CRS touches; None for all of them.

    Raises:
        QgsProcessingException: the grid is rotated, or nothing of the raster lies in the extent.
    """
    dataset = raster.open()
    left, width, skew, top, skew_too, height = dataset.GetGeoTransform()
    if skew or skew_too or width <= 0 or height >= 0:
        raise QgsProcessingException(f'{raster.name}: an extent needs a raster whose rows run from west to east and '
                                     'columns from north to south; leave the extent empty.')
    cols = (extent.xMinimum() - left) / width, (extent.xMaximum() - left) / width
    rows = (extent.yMaximum() - top) / height, (extent.yMinimum() - top) / height
    first_col, first_row = (max(0, math.floor(start + WHOLE)) for start, _ in (cols, rows))
    last_col = min(dataset.RasterXSize, math.ceil(cols[1] - WHOLE))
    last_row = min(dataset.RasterYSize, math.ceil(rows[1] - WHOLE))
    if last_col <= first_col or last_row <= first_row:
        raise QgsProcessingException(f'{raster.name}: no pixel lies in the extent; choose another one, or leave it '
                                     'empty.')
    window = Window(first_col, first_row, last_col - first_col, last_row - first_row)
    return None if window == (0, 0, dataset.RasterXSize, dataset.RasterYSize) else window


def same_place(raster: Raster, window: Window, other: Raster) -> Window | None:
    """Return the pixels of ``other`` that cover a window of ``raster``, or None if their grids do not fit.

    The command then gets the whole raster, and tells what differs.
    """
    ours, theirs = raster.open(), other.open()
    here, there = ours.GetGeoTransform(), theirs.GetGeoTransform()
    if any(abs(a - b) > WHOLE * abs(a) / max(window.width, window.height) for a, b in
           ((here[1], there[1]), (here[5], there[5]))) or there[2] or there[4]:
        return None
    col = (here[0] + window.col * here[1] - there[0]) / there[1]
    row = (here[3] + window.row * here[5] - there[3]) / there[5]
    if max(abs(col - round(col)), abs(row - round(row))) > WHOLE:
        return None
    found = Window(round(col), round(row), window.width, window.height)
    inside = (found.col >= 0 and found.row >= 0 and found.col + found.width <= theirs.RasterXSize
              and found.row + found.height <= theirs.RasterYSize)
    return found if inside else None


def as_file(raster: Raster, window: Window | None, target: Path, log=lambda text: None) -> str:
    """Return a file with the values of a raster, or of a window of it.

    That is the layer's own file where possible, a VRT named ``target`` for a window or another CRS, and
    otherwise (a part of a container, in memory, a format that the command does not read) an exported GeoTIFF.

    Raises:
        QgsProcessingException: it cannot be read or exported.
    """
    dataset = raster.open()
    driver = dataset.GetDriver().ShortName
    named_vrt = raster.source.lower().endswith('.vrt')
    readable = driver in READABLE or (driver == 'VRT' and named_vrt)
    is_file = readable and os.path.isfile(raster.source) and not raster.options
    if is_file and window is None and not raster.crs:
        return os.path.abspath(raster.source)
    target = target.with_suffix('.vrt' if is_file else '.tif')
    if target.exists():  # of an earlier run with the same inputs, for which the folder stands
        return str(target)
    if not is_file:
        log(f'{raster.name} is exported to {target}, since it is not a file that the command reads ({driver}).')
    partial = target.with_name(f'partial_{os.getpid()}_{target.name}')
    options = dict(format='VRT' if is_file else 'GTiff', srcWin=list(window) if window else None,
                   outputSRS=raster.crs or None,
                   creationOptions=[] if is_file else ['COMPRESS=DEFLATE', 'TILED=YES', 'BIGTIFF=IF_SAFER'])
    written = gdal.Translate(str(partial), dataset, options=gdal.TranslateOptions(**options))
    if written is None:
        raise QgsProcessingException(f'{raster.name}: cannot be written to {target} ({gdal.GetLastErrorMsg()}).')
    del written  # closes the file
    os.replace(partial, target)
    return str(target)


def vector_file(layer, target: Path, context) -> tuple[str, str]:
    """Return the file of a vector layer and the name of its layer there; others are exported as GeoPackage.

    Raises:
        QgsProcessingException: it cannot be written.
    """
    found = QgsProviderRegistry.instance().decodeUri(layer.providerType(), layer.source())
    path = found.get('path') or ''
    if (layer.providerType() == 'ogr' and os.path.isfile(path) and not layer.isEditable() and not layer.subsetString()
            and not found.get('vsiPrefix')):
        return os.path.abspath(path), found.get('layerName') or ''
    options = QgsVectorFileWriter.SaveVectorOptions()
    options.driverName, options.layerName, options.fileEncoding = 'GPKG', 'changes', 'UTF-8'
    error, text, *_ = QgsVectorFileWriter.writeAsVectorFormatV3(layer, str(target), context.transformContext(), options)
    if error != QgsVectorFileWriter.NoError:
        raise QgsProcessingException(f'{layer.name()}: cannot be written to {target} ({text}).')
    return str(target), ''
