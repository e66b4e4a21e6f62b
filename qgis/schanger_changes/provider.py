# SPDX-License-Identifier: GPL-2.0-or-later
"""The Processing provider `schanger`, and its settings."""

from pathlib import Path

from qgis.core import QgsProcessingProvider
from qgis.PyQt.QtGui import QIcon

from .detect import DetectChanges
from .environment import MakeEnvironment
from .pairs import PredictPairs
from .settings import add_settings, remove_settings
from .tiles import TrainingTiles

FOLDER = Path(__file__).parent


class ChangesProvider(QgsProcessingProvider):
    """List the algorithms of the plugin."""

    def load(self):
        """Add the settings, then the algorithms."""
        add_settings(self.name(), self.icon())
        return super().load()

    def unload(self):
        """Remove the settings."""
        remove_settings(self.name())
        super().unload()

    def loadAlgorithms(self):
        """Add one of each algorithm; QGIS takes ownership."""
        for algorithm in (DetectChanges, PredictPairs, TrainingTiles, MakeEnvironment):
            self.addAlgorithm(algorithm())

    def id(self):
        """Return the prefix of the algorithms' ids: `schanger:detectchanges`."""
        return 'schanger'

    def name(self):
        """Return the name in the toolbox."""
        return 'Change detection (SChanger)'

    def icon(self):
        """Return the icon in the toolbox."""
        return QIcon(str(FOLDER / 'icon.svg'))
