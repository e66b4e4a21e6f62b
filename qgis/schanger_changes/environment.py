# SPDX-License-Identifier: GPL-2.0-or-later
"""Make an environment: a Python environment with the command `schanger`, and the setting that names it."""

from __future__ import annotations

import os
from pathlib import Path

from qgis.core import (
    QgsProcessingException,
    QgsProcessingOutputFile,
    QgsProcessingParameterEnum,
    QgsProcessingParameterFile,
    QgsProcessingParameterFolderDestination,
    QgsProcessingParameterString,
)

from . import command, installation, settings
from .base import ANY_FILE, CommandAlgorithm, advanced

HELP = '''<p>Makes a Python environment in a folder, installs schanger-mm there with pip, and enters its command in the
settings of this provider. QGIS' own Python is not changed.</p>
<p><b>Exported networks</b> (0.4 GB) runs .onnx files. <b>Everything</b> (some GB, with torch) also runs checkpoints,
published names and models of the Hugging Face hub, and can train.</p>
<p>It needs Python 3.11 or newer and a connection. If it was interrupted, run it again with the same folder.</p>'''
EXTRAS = ('predict', 'mm,geo,hub,predict')
TITLES = ('Exported networks (.onnx) only', 'Everything')


class MakeEnvironment(CommandAlgorithm):
    """Run `python -m venv` and pip."""

    NAME, TITLE, HELP = 'makeenvironment', 'Make an environment', HELP

    def initAlgorithm(self, configuration=None):
        """Declare parameters and outputs."""
        self.addParameter(QgsProcessingParameterEnum('WITH', 'What it can run', list(TITLES), defaultValue=0))
        self.addParameter(advanced(QgsProcessingParameterFile(
            'PYTHON', 'Python 3.11 or newer (empty: the one on the PATH)', optional=True, fileFilter=ANY_FILE)))
        self.addParameter(advanced(QgsProcessingParameterString(
            'PACKAGE', 'Package: a name, or a wheel or folder of schanger-mm', 'schanger-mm')))
        self.addParameter(QgsProcessingParameterFolderDestination('OUTPUT', 'Folder of the environment'))
        self.addOutput(QgsProcessingOutputFile('COMMAND', 'The command'))

    def processAlgorithm(self, parameters, context, feedback):
        """Make it, install, and keep the path of the command."""
        home = self.own_folder(parameters, context)
        if home is None:
            raise QgsProcessingException('Folder of the environment: expected a folder of your own, found a temporary '
                                         'one, which disappears when QGIS is closed.')
        if home.is_dir() and any(home.iterdir()) and not (home / 'pyvenv.cfg').is_file():
            raise QgsProcessingException(f'{home}: expected a new or empty folder, or an environment; found other '
                                         'files. Choose another folder.')
        try:
            python = self.parameterAsString(parameters, 'PYTHON', context).strip() or installation.python_program()
        except command.CommandError as error:
            raise QgsProcessingException(str(error)) from error
        package = self.parameterAsString(parameters, 'PACKAGE', context).strip()
        package = os.path.abspath(package) if os.path.exists(package) else package
        extra = EXTRAS[self.parameterAsEnum(parameters, 'WITH', context)]
        self.run_command([python, '-m', 'venv', home], feedback)
        feedback.setProgress(10)
        own = installation.programs(home)
        self.run_command([own / 'python', '-m', 'pip', 'install', '--upgrade', f'{package}[{extra}]'], feedback)
        feedback.setProgress(95)
        program = Path(own, 'schanger.exe' if command.WINDOWS else 'schanger')
        try:
            feedback.pushInfo(installation.check_version(str(program)))
        except command.CommandError as error:
            raise QgsProcessingException(str(error)) from error
        self._program = str(program)
        return dict(OUTPUT=str(home), COMMAND=self._program)

    def postProcessAlgorithm(self, context, feedback):
        """Keep the setting, in the main thread."""
        settings.set_command(self._program)
        return {}
