"""Draw docs/figures/qgis_map.jpg with QGIS: the later date with the result layers, as the plugin shows them.

Run by the Python of QGIS, on two rasters of a drawn scene and the folder of their results:
QT_QPA_PLATFORM=offscreen python3 docs/figures/qgis_map.py 2019.tif 2023.tif results docs/figures/qgis_map.jpg
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / 'qgis'))

from qgis.core import (
    QgsApplication,
    QgsMapRendererParallelJob,
    QgsMapSettings,
    QgsProcessingFeedback,
    QgsRasterLayer,
    QgsVectorLayer,
)
from qgis.PyQt.QtCore import QRectF, QSize, Qt
from qgis.PyQt.QtGui import QColor, QFont, QImage, QPainter
from schanger_changes.results import POLYGONS, PROBABILITY, finish

SIDE, GAP, TOP, BOTTOM, HEADING = 330, 8, 26, 34, 130  # px


def rendered(layers, extent):
    """Return the map of layers, the first one on top."""
    settings = QgsMapSettings()
    settings.setLayers(layers)
    settings.setDestinationCrs(layers[-1].crs())
    settings.setExtent(extent)
    settings.setOutputSize(QSize(SIDE, SIDE))
    settings.setOutputDpi(96)
    job = QgsMapRendererParallelJob(settings)
    job.start()
    job.waitForFinished()
    return job.renderedImage()


def legend(painter, polygons, top):
    """Draw the classes of the polygons in one row, with their outlines."""
    painter.drawText(QRectF(0, top, HEADING, BOTTOM), Qt.AlignVCenter, 'Mean probability:')
    items = polygons.renderer().legendSymbolItems()
    step = (3 * SIDE + 2 * GAP - HEADING) / len(items)
    for number, item in enumerate(items):
        left = HEADING + number * step
        painter.drawImage(int(left), top + 9, item.symbol().asImage(QSize(18, 16)))
        painter.drawText(QRectF(left + 24, top, step, BOTTOM), Qt.AlignVCenter, item.label())


def main(before, after, results, out):
    """Draw three maps next to each other, with titles and a legend."""
    app = QgsApplication([], False)
    app.initQgis()
    dates = [QgsRasterLayer(path, Path(path).stem) for path in (before, after)]
    polygons = QgsVectorLayer(f'{results}/{POLYGONS}', 'changes')
    probability = QgsRasterLayer(f'{results}/{PROBABILITY}', 'probability')
    for layer in (polygons, probability):
        finish(layer, layer.name(), '', QgsProcessingFeedback())
    extent = dates[0].extent()
    maps = [(f'Earlier date: {dates[0].name()}', [dates[0]]),
            (f'Later date: {dates[1].name()}, and changes', [polygons, dates[1]]),
            ('Probability of change', [probability, dates[1]])]
    image = QImage(3 * SIDE + 2 * GAP, TOP + SIDE + BOTTOM, QImage.Format_RGB32)
    image.fill(QColor('white'))
    painter = QPainter(image)
    painter.setFont(QFont('DejaVu Sans', 9))
    for number, (title, layers) in enumerate(maps):
        left = number * (SIDE + GAP)
        painter.drawText(QRectF(left, 0, SIDE, TOP), Qt.AlignVCenter, title)
        painter.drawImage(left, TOP, rendered(layers, extent))
    legend(painter, polygons, TOP + SIDE)
    painter.end()
    image.save(out, quality=88)
    del dates, polygons, probability, layer, maps, layers  # before QGIS ends, or it crashes
    app.exitQgis()


if __name__ == '__main__':
    main(*sys.argv[1:])
