# SPDX-License-Identifier: GPL-2.0-or-later
"""Detect changes: two raster layers to polygons, a probability map and a report."""

from __future__ import annotations

from pathlib import Path

from qgis.core import (
    QgsProcessingOutputFile,
    QgsProcessingOutputHtml,
    QgsProcessingOutputNumber,
    QgsProcessingOutputRasterLayer,
    QgsProcessingOutputVectorLayer,
    QgsProcessingParameterBoolean,
    QgsProcessingParameterExtent,
    QgsProcessingParameterFolderDestination,
    QgsProcessingParameterNumber,
    QgsProcessingParameterRasterLayer,
)

from . import cache
from .base import NUMBER, CommandAlgorithm, advanced
from .layers import as_file, raster_of, same_place, window_of
from .results import CHANGE, JOURNAL, POLYGONS, PROBABILITY, REPORT, SUMMARY, load_on_completion, read_summary

HELP = '''<p>Finds what changed between two raster layers of the same place.</p>
<p>The work is done by the command <i>schanger</i> of the Python package schanger-mm, in a process of its own. The
settings of the provider say where it is; the algorithm <i>Make an environment</i> installs it.</p>
<p><b>Network</b>: an exported file (.onnx), a checkpoint (.pth), or a name such as levir-base or hf://ORG/NAME. The
last two need an environment with [mm,geo].</p>
<p><b>Extent</b>: only this part is predicted. It is widened to whole pixels of the earlier layer.</p>
<p><b>Bands and scaling</b>: one rule for both layers, or one for each: 3,2,1/4,3,2 and 0:3000,1000:4000. More than 8
bits need a scaling.</p>
<p><b>Output folder</b>: change.gpkg (polygons), probability.tif, change.tif, report.html, summary.json. A temporary
folder is kept in your cache, by inputs and settings.</p>
<p>Cancel at any time: run again with the same inputs and settings to continue. Attributes of the polygons: rank,
area_m2, pixels, mean_probability, a bounding box, and kind, from and to where the network tells them.</p>'''


class DetectChanges(CommandAlgorithm):
    """Run `schanger predict` on two layers."""

    NAME, TITLE, HELP = 'detectchanges', 'Detect changes', HELP

    def initAlgorithm(self, configuration=None):
        """Declare parameters and outputs."""
        self.addParameter(QgsProcessingParameterRasterLayer('BEFORE', 'Earlier date'))
        self.addParameter(QgsProcessingParameterRasterLayer('AFTER', 'Later date'))
        self.add_model()
        self.addParameter(QgsProcessingParameterExtent('EXTENT', 'Extent (empty: the whole layer)', optional=True))
        self.add_predicting()
        self.add_reading()
        self.addParameter(advanced(QgsProcessingParameterNumber(
            'GSD', 'Read both dates at this many metres per pixel', NUMBER, None, True, 0)))
        self.addParameter(advanced(QgsProcessingParameterBoolean('OVERWRITE', 'Replace earlier results in the folder',
                                                                 False)))
        self.addParameter(QgsProcessingParameterBoolean('LOAD', 'Load the results into the project', True))
        self.addParameter(QgsProcessingParameterFolderDestination('OUTPUT', 'Output folder', optional=True))
        self.addOutput(QgsProcessingOutputVectorLayer('CHANGES', 'Changed polygons'))
        self.addOutput(QgsProcessingOutputRasterLayer('PROBABILITY', 'Probability of change'))
        self.addOutput(QgsProcessingOutputRasterLayer('CHANGE', 'Changed pixels'))
        self.addOutput(QgsProcessingOutputHtml('REPORT', 'Report'))
        self.addOutput(QgsProcessingOutputFile('SUMMARY', 'Summary'))
        self.addOutput(QgsProcessingOutputNumber('COUNT', 'Number of changes'))

    def prepareAlgorithm(self, parameters, context, feedback):
        """Read the layers, in the main thread."""
        layers = []
        for name in ('BEFORE', 'AFTER'):
            layer = self.parameterAsRasterLayer(parameters, name, context)
            if layer is None:
                feedback.reportError(self.invalidRasterError(parameters, name), True)
                return False
            layers.append(layer)
        self._before, self._after = map(raster_of, layers)
        self._extent = None
        if parameters.get('EXTENT') not in (None, ''):
            self._extent = self.parameterAsExtent(parameters, 'EXTENT', context, layers[0].crs())
        self._names = [layer.name() for layer in layers]
        return True

    def processAlgorithm(self, parameters, context, feedback):
        """Run the command and return the paths of its results."""
        (program, version), model = self.ready(feedback), self.model(parameters, context)
        options = self.predicting_words(parameters, context) + self.reading_words(parameters, context)
        options += self.number_words(parameters, context, (('GSD', '--resample-gsd'), ))
        windows = self._windows('--align' in options)
        name = '_'.join(map(cache.plain, self._names))
        kept = self.cached(name, dict(
            before=[*cache.stamp(self._before.source), self._before.crs, self._before.options, windows[0]],
            after=[*cache.stamp(self._after.source), self._after.crs, self._after.options, windows[1]],
            model=cache.model_stamp(model), options=options, version=version))
        files = [as_file(raster, window, kept / date, feedback.pushInfo) for raster, window, date in
                 zip((self._before, self._after), windows, ('before', 'after'))]
        out = self.own_folder(parameters, context) or kept / 'changes'
        words = [program, 'predict', model, *files, f'--out={out}', *options, '--progress=json']
        overwrite = self.parameterAsBool(parameters, 'OVERWRITE', context)
        if overwrite:
            words.append('--overwrite')
        if not overwrite or (out / JOURNAL).exists():  # complete results would be kept by --resume
            words.append('--resume')
        self.run_command(words, feedback)
        return self._results(out, self.parameterAsBool(parameters, 'LOAD', context), context)

    def _windows(self, align: bool):
        if self._extent is None or self._extent.isEmpty():
            return None, None
        window = window_of(self._before, self._extent)
        if window is None or align:  # what is warped onto a part of the grid need not be cut
            return window, None
        return window, same_place(self._before, window, self._after)

    def _results(self, out: Path, load: bool, context):
        if load:
            load_on_completion(out, ' - '.join(self._names), context)
        return dict(OUTPUT=str(out), CHANGES=str(out / POLYGONS), PROBABILITY=str(out / PROBABILITY),
                    CHANGE=str(out / CHANGE), REPORT=str(out / REPORT), SUMMARY=str(out / SUMMARY),
                    COUNT=read_summary(out)['polygons']['polygons'])
