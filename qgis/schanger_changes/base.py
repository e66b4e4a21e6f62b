# SPDX-License-Identifier: GPL-2.0-or-later
"""What the algorithms share: parameters for reading rasters, and running the command."""

from __future__ import annotations

import os
import time
from pathlib import Path

from qgis.core import (
    QgsProcessing,
    QgsProcessingAlgorithm,
    QgsProcessingException,
    QgsProcessingParameterBoolean,
    QgsProcessingParameterDefinition,
    QgsProcessingParameterFile,
    QgsProcessingParameterNumber,
    QgsProcessingParameterString,
    QgsProcessingUtils,
)

from . import cache, command, installation, settings

SAY_EVERY = 10.0
"""Seconds between two lines of progress in the log; the bar moves more often."""
NUMBER = QgsProcessingParameterNumber.Double
WARNING = 'warning: '
ANY_FILE = 'All files (*)'
"""Also names without a dot, such as levir-base, which QGIS' own filter rejects."""


def advanced(parameter):
    """Return a parameter, to be shown under Advanced."""
    parameter.setFlags(parameter.flags() | QgsProcessingParameterDefinition.FlagAdvanced)
    return parameter


class CommandAlgorithm(QgsProcessingAlgorithm):
    """An algorithm that runs the command `schanger`. Subclasses set the names and say what the words are."""

    NAME = TITLE = HELP = ''

    def name(self):
        """Return the id after `schanger:`."""
        return self.NAME

    def displayName(self):
        """Return the name in the toolbox."""
        return self.TITLE

    def shortHelpString(self):
        """Return the help at the right of the dialog."""
        return self.HELP.replace('\n', ' ')  # QGIS makes a paragraph of every line

    def createInstance(self):
        """Return an algorithm of this kind; each run has its own."""
        return type(self)()

    def add_model(self):
        """Add the network."""
        self.addParameter(QgsProcessingParameterFile('MODEL', f'Network ({settings.parts()})', fileFilter=ANY_FILE))

    def add_predicting(self):
        """Add threshold, smallest area, the network for kinds and the device."""
        self.addParameter(QgsProcessingParameterNumber(
            'THRESHOLD', 'Threshold, 0 to 1 (empty: of the network)', NUMBER, None, True, 0, 1))
        self.addParameter(QgsProcessingParameterNumber('MIN_AREA', 'Smallest area of a change, in m2', NUMBER, 0, False,
                                                       0))
        self.addParameter(advanced(QgsProcessingParameterFile(
            'SEMANTIC', 'Segmentation network for single images, for kinds (a checkpoint)', optional=True,
            fileFilter=ANY_FILE)))
        self.addParameter(advanced(QgsProcessingParameterString(
            'DEVICE', 'Device, such as cuda:0 (empty: a GPU if there is one)', optional=True)))

    def add_reading(self):
        """Add how values and grids are read."""
        self.addParameter(QgsProcessingParameterString(
            'BANDS', 'Bands R,G,B, such as 3,2,1 (empty: as marked)', optional=True))
        self.addParameter(QgsProcessingParameterString(
            'SCALE', 'Scaling, such as 0:3000 or p2:p98 (8 bits: empty)', optional=True))
        self.addParameter(QgsProcessingParameterBoolean(
            'ALIGN', 'Warp the later date onto the grid of the earlier one', False))
        self.addParameter(advanced(QgsProcessingParameterBoolean(
            'IGNORE_ALPHA', 'Read an alpha band as an ordinary one', False)))
        self.addParameter(advanced(QgsProcessingParameterNumber('NODATA', 'Value of pixels without data', NUMBER, None,
                                                                True)))

    def reading_words(self, parameters, context) -> list[str]:
        """Return the options of the command for :meth:`add_reading`."""
        words = []
        for name, option in (('BANDS', '--bands'), ('SCALE', '--scale')):
            if text := self.parameterAsString(parameters, name, context).strip():
                words.append(f'{option}={text}')
        for name, option in (('ALIGN', '--align'), ('IGNORE_ALPHA', '--ignore-alpha')):
            if self.parameterAsBool(parameters, name, context):
                words.append(option)
        return words + self.number_words(parameters, context, (('NODATA', '--nodata'), ))

    def predicting_words(self, parameters, context) -> list[str]:
        """Return the options of the command for :meth:`add_predicting`."""
        words = self.number_words(parameters, context, (('THRESHOLD', '--threshold'), ('MIN_AREA', '--min-area')))
        if semantic := self.parameterAsString(parameters, 'SEMANTIC', context).strip():
            words.append(f'--semantic={os.path.abspath(semantic)}')
        if device := self.parameterAsString(parameters, 'DEVICE', context).strip():
            words.append(f'--device={device}')
        return words

    def number_words(self, parameters, context, names) -> list[str]:
        """Return the options of numbers that are given."""
        return [f'{option}={self.parameterAsDouble(parameters, name, context):.17g}' for name, option in names
                if parameters.get(name) is not None]

    def model(self, parameters, context) -> str:
        """Return the network: a file as an absolute path, a name as it is."""
        text = self.parameterAsString(parameters, 'MODEL', context).strip()
        return os.path.abspath(text) if os.path.isfile(text) else text

    def own_folder(self, parameters, context, name='OUTPUT') -> Path | None:
        """Return the output folder that the user chose, None for a temporary one."""
        value = parameters.get(name)
        if value in (None, '', QgsProcessing.TEMPORARY_OUTPUT):
            return None
        folder = Path(os.path.abspath(self.parameterAsString(parameters, name, context)))
        temporary = Path(os.path.abspath(QgsProcessingUtils.tempFolder()))
        return None if temporary in folder.parents else folder  # a modeler or a dialog has made one up

    def cached(self, name: str, inputs: dict) -> Path:
        """Return the folder of temporary files for these inputs."""
        try:
            return cache.cache_folder(settings.cache_root(), name, inputs)
        except OSError as error:
            raise QgsProcessingException(f'{settings.cache_root()}: cannot be written ({error}).') from error

    def ready(self, feedback) -> tuple[str, str]:
        """Return the path of the command, and the version that it says."""
        try:
            program = settings.command()
            version = installation.check_version(program)
        except command.CommandError as error:
            raise QgsProcessingException(str(error)) from error
        feedback.pushInfo(f'{program}: {version}')
        return program, version

    def run_command(self, words, feedback, accepted=(0, ), say=None) -> command.Outcome:
        """Run a command, with its progress in QGIS.

        Args:
            words: program and arguments.
            feedback: of the algorithm.
            accepted: exit statuses that are no error.
            say: also takes lines that are not progress; they are logged in any case.

        Raises:
            QgsProcessingException: it failed, with its message, or the user cancelled.
        """
        feedback.pushCommandInfo(' '.join(_quoted(str(word)) for word in words))
        root = settings.cache_root()
        root.mkdir(parents=True, exist_ok=True)
        shown = [time.monotonic()]

        def progress(table):
            if 'fraction' not in table:
                feedback.pushWarning(_plain(str(table['message'])))
                return
            feedback.setProgress(100 * self.share(table['fraction']))
            if time.monotonic() - shown[0] >= SAY_EVERY:
                shown[0] = time.monotonic()
                feedback.pushInfo(command.describe(table))

        def said(line):
            (feedback.pushWarning if line.startswith(WARNING) else feedback.pushInfo)(_plain(line))
            if say is not None:
                say(line)

        try:
            outcome = command.run(words, root, progress, said, feedback.isCanceled)
        except command.Cancelled:
            raise QgsProcessingException('Cancelled. What is finished is kept: run again with the same inputs and '
                                         'settings to continue.') from None
        except command.CommandError as error:
            raise QgsProcessingException(str(error)) from error
        if outcome.status not in accepted:
            raise QgsProcessingException(outcome.error)
        return outcome

    def share(self, fraction: float) -> float:
        """Return the share of the whole work that is done, from that of the current pair."""
        return fraction


def _plain(line: str) -> str:
    return line[len(WARNING):] if line.startswith(WARNING) else line  # QGIS writes its own


def _quoted(word: str) -> str:
    return f'"{word}"' if ' ' in word else word
