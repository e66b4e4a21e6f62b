# SPDX-License-Identifier: GPL-2.0-or-later
"""Training tiles from changes: two raster layers and polygons to a data set."""

from __future__ import annotations

from qgis.core import (
    QgsProcessing,
    QgsProcessingException,
    QgsProcessingParameterFolderDestination,
    QgsProcessingParameterNumber,
    QgsProcessingParameterRasterLayer,
    QgsProcessingParameterVectorLayer,
)

from . import cache
from .base import NUMBER, CommandAlgorithm, advanced
from .layers import as_file, raster_of, vector_file

HELP = '''<p>Cuts two raster layers and polygons of changes into tiles for training: train and val, each with A, B and
label.</p>
<p>A pixel counts as changed if its centre lies in a polygon. Polygons may be in any CRS. The output folder must be new
or empty; an interrupted run continues when it is run again.</p>'''


class TrainingTiles(CommandAlgorithm):
    """Run `schanger from-rasters` on layers."""

    NAME, TITLE, HELP = 'trainingtiles', 'Training tiles from changes', HELP

    def initAlgorithm(self, configuration=None):
        """Declare parameters and outputs."""
        whole = QgsProcessingParameterNumber.Integer
        self.addParameter(QgsProcessingParameterRasterLayer('BEFORE', 'Earlier date'))
        self.addParameter(QgsProcessingParameterRasterLayer('AFTER', 'Later date'))
        self.addParameter(QgsProcessingParameterVectorLayer('CHANGES', 'Polygons of changes',
                                                            [QgsProcessing.TypeVectorPolygon]))
        self.addParameter(QgsProcessingParameterNumber('SIZE', 'Side of a tile, in pixels', whole, 256, False, 16))
        self.addParameter(QgsProcessingParameterNumber('VAL', 'Share of the tiles for validation', NUMBER, 0.2, False,
                                                       0, 1))
        self.addParameter(advanced(QgsProcessingParameterNumber('SEED', 'Seed of the split', whole, 36, False, 0)))
        self.addParameter(advanced(QgsProcessingParameterNumber(
            'MIN_VALID', 'Keep tiles with at least this share of pixels with data', NUMBER, 1, False, 0, 1)))
        self.add_reading()
        self.addParameter(QgsProcessingParameterFolderDestination('OUTPUT', 'Output folder'))

    def prepareAlgorithm(self, parameters, context, feedback):
        """Read the layers, in the main thread."""
        rasters = [self.parameterAsRasterLayer(parameters, name, context) for name in ('BEFORE', 'AFTER')]
        for name, layer in zip(('BEFORE', 'AFTER'), rasters):
            if layer is None:
                feedback.reportError(self.invalidRasterError(parameters, name), True)
                return False
        polygons = self.parameterAsVectorLayer(parameters, 'CHANGES', context)
        if polygons is None:
            feedback.reportError(self.invalidSourceError(parameters, 'CHANGES'), True)
            return False
        self._rasters = [raster_of(layer) for layer in rasters]
        self._kept = self.cached('tiles', dict(
            rasters=[[*cache.stamp(raster.source), raster.crs] for raster in self._rasters]))
        self._polygons = vector_file(polygons, self._kept / 'polygons.gpkg', context)
        return True

    def processAlgorithm(self, parameters, context, feedback):
        """Run the command."""
        (program, _), out = self.ready(feedback), self.own_folder(parameters, context)
        if out is None:
            raise QgsProcessingException('Output folder: expected a folder of your own, found a temporary one; tiles '
                                         'for training are to stay.')
        files = [as_file(raster, None, self._kept / date, feedback.pushInfo) for raster, date in
                 zip(self._rasters, ('before', 'after'))]
        path, layer = self._polygons
        words = [program, 'from-rasters', *files, path, f'--out={out}', *([f'--layer={layer}'] if layer else [])]
        words += self.number_words(parameters, context, (('SIZE', '--size'), ('VAL', '--val'), ('SEED', '--seed'),
                                                         ('MIN_VALID', '--min-valid')))
        self.run_command([*words, *self.reading_words(parameters, context)], feedback)
        return dict(OUTPUT=str(out))
