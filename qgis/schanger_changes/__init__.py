# SPDX-License-Identifier: GPL-2.0-or-later
"""QGIS plugin: change detection between two raster layers, by the command `schanger`.

Nothing of QGIS is imported here, so that `command` and `cache` can be used, and tested, without it.
"""


def classFactory(iface):
    """Return the plugin; QGIS calls this."""
    from .plugin import ChangesPlugin
    return ChangesPlugin()
