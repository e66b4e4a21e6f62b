# SPDX-License-Identifier: GPL-2.0-or-later
"""Predict a folder of pairs: two folders, or a table, to a folder of results for each pair."""

from __future__ import annotations

import os
import re
from pathlib import Path

from qgis.core import (
    QgsProcessingException,
    QgsProcessingOutputNumber,
    QgsProcessingParameterBoolean,
    QgsProcessingParameterFile,
    QgsProcessingParameterFolderDestination,
)

from . import cache
from .base import CommandAlgorithm, advanced
from .results import SUMMARY, load_on_completion

HELP = '''<p>Finds the changes of many pairs of rasters, with one network that is loaded once.</p>
<p>Give two folders, in which rasters of one name are a pair, or a table (.csv) with the columns before,after and, if
you like, name. Each pair gets a folder of its own below the output folder.</p>
<p>A pair that cannot be predicted does not stop the others; the algorithm then ends in an error that names it, unless
<i>Accept pairs that fail</i> is set. Run again with the same settings to continue: finished pairs are skipped.</p>'''
DONE = re.compile(r'\[(\d+)/(\d+)\] ')


class PredictPairs(CommandAlgorithm):
    """Run `schanger predict` on two folders or a table."""

    NAME, TITLE, HELP = 'predictpairs', 'Predict a folder of pairs', HELP

    def initAlgorithm(self, configuration=None):
        """Declare parameters and outputs."""
        folder = QgsProcessingParameterFile.Folder
        self.addParameter(QgsProcessingParameterFile('BEFORE', 'Folder of the earlier date', folder, optional=True))
        self.addParameter(QgsProcessingParameterFile('AFTER', 'Folder of the later date', folder, optional=True))
        self.addParameter(QgsProcessingParameterFile('TABLE', 'Table of pairs (.csv), instead of folders',
                                                     extension='csv', optional=True))
        self.add_model()
        self.add_predicting()
        self.add_reading()
        self.addParameter(advanced(QgsProcessingParameterBoolean(
            'OUTSIDE', 'Let the table name rasters outside its folder', False)))
        self.addParameter(advanced(QgsProcessingParameterBoolean('ACCEPT_FAILED', 'Accept pairs that fail', False)))
        self.addParameter(QgsProcessingParameterBoolean('LOAD', 'Load the results into the project', False))
        self.addParameter(QgsProcessingParameterFolderDestination('OUTPUT', 'Output folder', optional=True))
        self.addOutput(QgsProcessingOutputNumber('COUNT', 'Pairs with results'))
        self.addOutput(QgsProcessingOutputNumber('FAILED', 'Pairs that failed'))

    def processAlgorithm(self, parameters, context, feedback):
        """Run the command; load what is finished."""
        (program, version), model = self.ready(feedback), self.model(parameters, context)
        inputs = self._inputs(parameters, context)
        options = self.predicting_words(parameters, context) + self.reading_words(parameters, context)
        if self.parameterAsBool(parameters, 'OUTSIDE', context):
            options.append('--outside')
        out = self.own_folder(parameters, context) or self.cached('pairs', dict(
            inputs=[cache.stamp(path) if os.path.isfile(path) else path for path in inputs],
            model=cache.model_stamp(model), options=options, version=version))
        self._done, self._count = 0, 1

        def say(line):
            if found := DONE.match(line):
                self._done, self._count = int(found[1]), int(found[2])

        words = [program, 'predict', model, *inputs, f'--out={out}', *options, '--progress=json', '--resume']
        outcome = self.run_command(words, feedback, (0, 1), say)
        failed = self._failures(outcome)
        for line in failed:
            feedback.reportError(line)
        if failed and not self.parameterAsBool(parameters, 'ACCEPT_FAILED', context):
            raise QgsProcessingException(f'{len(failed)} of {self._count} pairs failed; the results of the others are '
                                         f'in {out}. ' + '; '.join(failed))
        names = self._names(outcome, out)
        if self.parameterAsBool(parameters, 'LOAD', context):
            for name in names:
                load_on_completion(Path(out, name), name, context)
        return dict(OUTPUT=str(out), COUNT=len(names), FAILED=len(failed))

    def share(self, fraction: float) -> float:
        """Return the share of all pairs that is done."""
        return min(1.0, (self._done + fraction) / self._count)

    def _inputs(self, parameters, context) -> list[str]:
        before, after, table = (self.parameterAsString(parameters, name, context).strip() for name in
                                ('BEFORE', 'AFTER', 'TABLE'))
        found = [os.path.abspath(path) for path in (before, after, table) if path]
        if (bool(before), bool(after), bool(table)) not in ((True, True, False), (False, False, True)):
            raise QgsProcessingException('Expected two folders, or a table; found '
                                         f'{", ".join(found) or "nothing"}.')
        return found

    @staticmethod
    def _failures(outcome) -> list[str]:
        starts = [number for number, line in enumerate(outcome.printed) if line.endswith(' pairs failed:')]
        if outcome.status == 1 and not starts:
            raise QgsProcessingException(outcome.error)
        return [line.strip() for line in outcome.printed[starts[-1] + 1:]] if starts else []

    @staticmethod
    def _names(outcome, out: Path) -> list[str]:
        mark = f': {out}{os.sep}'  # [1/3] NAME: 3 changes, ...: OUT/NAME
        found = [line.rpartition(mark)[2] for line in outcome.printed if DONE.match(line) and mark in line]
        return [name for name in found if Path(out, name, SUMMARY).is_file()]
