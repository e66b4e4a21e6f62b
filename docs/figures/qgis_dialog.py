"""Draw docs/figures/qgis_dialog.png: the dialog of QGIS for the algorithm, with two layers of a drawn scene.

Run by the Python of QGIS: QT_QPA_PLATFORM=offscreen python3 docs/figures/qgis_dialog.py 2019.tif 2023.tif OUT.png
"""

import os
import sys
from pathlib import Path
from unittest.mock import MagicMock

sys.path.insert(0, '/usr/share/qgis/python/plugins')
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / 'qgis'))

import qgis.utils
from qgis.core import QgsApplication, QgsProject, QgsRasterLayer
from qgis.gui import QgsMapCanvas
from qgis.PyQt.QtGui import QFont


def main(before, after, out):
    """Open the dialog without a main window and save its picture."""
    QgsApplication.setPrefixPath('/usr', True)
    app = QgsApplication([], True)
    app.initQgis()
    app.setFont(QFont('DejaVu Sans', 9))
    from processing.core.Processing import Processing
    Processing.initialize()
    import schanger_changes
    plugin = schanger_changes.classFactory(None)  # kept, as QGIS keeps it
    plugin.initProcessing()
    for path in (before, after):
        QgsProject.instance().addMapLayer(QgsRasterLayer(path, Path(path).stem))
    canvas = QgsMapCanvas()
    qgis.utils.iface = MagicMock()
    qgis.utils.iface.mapCanvas.return_value = canvas
    qgis.utils.iface.messageBar.return_value = qgis.utils.iface.mainWindow.return_value = None
    from processing.gui.AlgorithmDialog import AlgorithmDialog
    algorithm = QgsApplication.processingRegistry().createAlgorithmById('schanger:detectchanges')
    dialog = AlgorithmDialog(algorithm)
    dialog.setParameters(dict(BEFORE=before, AFTER=after, MODEL='/data/levir.onnx'))
    dialog.resize(900, 760)
    dialog.show()
    app.processEvents()
    dialog.grab().save(out)
    os._exit(0)  # without a main window, QGIS crashes when it closes the dialog


if __name__ == '__main__':
    main(*sys.argv[1:])
