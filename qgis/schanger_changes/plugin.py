# SPDX-License-Identifier: GPL-2.0-or-later
"""The plugin: it registers a Processing provider and has no windows of its own."""

from qgis.core import QgsApplication

from .provider import ChangesProvider


class ChangesPlugin:
    """Add the provider to Processing while the plugin is enabled."""

    def __init__(self):
        self.provider = None

    def initProcessing(self):
        """Register the provider; `qgis_process` calls this alone."""
        self.provider = ChangesProvider()
        QgsApplication.processingRegistry().addProvider(self.provider)

    def initGui(self):
        """Register the provider."""
        self.initProcessing()

    def unload(self):
        """Remove the provider."""
        if self.provider is not None:
            QgsApplication.processingRegistry().removeProvider(self.provider)
            self.provider = None
