# SPDX-License-Identifier: GPL-2.0-or-later
"""Results in the project: styles, a group named after the pair, and notes that say how they came about."""

from __future__ import annotations

import html
import json
from pathlib import Path

from qgis.core import (
    QgsLayerNotesUtils,
    QgsProcessingContext,
    QgsProcessingException,
    QgsProcessingLayerPostProcessorInterface,
    QgsVectorLayer,
)

STYLES = Path(__file__).parent / 'styles'
POLYGONS, PROBABILITY, CHANGE, REPORT, SUMMARY = ('change.gpkg', 'probability.tif', 'change.tif', 'report.html',
                                                  'summary.json')
JOURNAL = '.journal'
KIND = 'kind'
_waiting = {}  # QGIS does not keep post-processors alive


def read_summary(folder: Path) -> dict:
    """Return the summary of a run.

    Raises:
        QgsProcessingException: the run left none, or a damaged one.
    """
    path = folder / SUMMARY
    try:
        return json.loads(path.read_text(encoding='utf-8'))
    except (OSError, ValueError) as error:
        raise QgsProcessingException(f'{path}: expected the summary of the run ({error}).') from error


def polygon_style(layer: QgsVectorLayer) -> str:
    """Return the file of the style of polygons: by kind where they have one, otherwise by mean probability."""
    return str(STYLES / ('kind.qml' if layer.fields().indexOf(KIND) >= 0 else 'probability.qml'))


def notes(summary: dict) -> str:
    """Return HTML about a run: network and its hash, inputs, settings, warnings."""
    model, inputs = summary.get('model') or {}, summary.get('inputs') or {}
    rows = [('Network', model.get('weights')), ('SHA-256', model.get('weights_sha256')),
            ('Config', model.get('config')), ('Threshold', model.get('threshold')), ('Date', summary.get('date'))]
    if semantic := model.get('semantic'):
        rows += [('Network for kinds', semantic.get('weights')), ('SHA-256', semantic.get('weights_sha256'))]
    rows += [(date.capitalize(), _named(inputs.get(date))) for date in ('before', 'after')]
    rows += [(f'Setting {name}', value) for name, value in (summary.get('settings') or {}).items()]
    rows += [('Warning', text) for text in summary.get('warnings') or ()]
    lines = (f'<tr><td>{html.escape(name)}</td><td>{html.escape(str(value))}</td></tr>' for name, value in rows
             if value is not None)
    return f'<p>Changes found by schanger-mm</p><table>{"".join(lines)}</table>'


def _named(entry) -> str | None:
    files = entry.get('files') if isinstance(entry, dict) else None
    return ', '.join(file['path'] for file in files) if files else None


def load_on_completion(folder: Path, group: str, context: QgsProcessingContext) -> None:
    """Let QGIS load the polygons and the probability of a run, when the algorithm has ended.

    Args:
        folder: of the run.
        group: name of the group of layers.
        context: of the algorithm; without a project, as in `qgis_process`, nothing is loaded.
    """
    if context.project() is None:
        return
    text = notes(read_summary(folder))
    for name, title in ((PROBABILITY, 'Probability of change'), (POLYGONS, 'Changes')):
        path = str(folder / name)
        details = QgsProcessingContext.LayerDetails(title, context.project(), title)
        details.forceName = True
        _waiting[path] = Finish(group, title, text)
        details.setPostProcessor(_waiting[path])
        context.addLayerToLoadOnCompletion(path, details)


class Finish(QgsProcessingLayerPostProcessorInterface):
    """Style a layer that was just loaded, write its notes, and move it to its group."""

    def __init__(self, group: str, title: str, text: str):
        super().__init__()
        self.group, self.title, self.text = group, title, text

    def postProcessLayer(self, layer, context, feedback):
        """Do so; QGIS calls this in the main thread."""
        finish(layer, self.title, self.text, feedback)
        root = context.project().layerTreeRoot()
        node = root.findLayer(layer.id())
        group = root.findGroup(self.group) or root.insertGroup(0, self.group)
        if node is not None and node.parent() is not group:
            group.insertChildNode(0 if isinstance(layer, QgsVectorLayer) else -1, node.clone())
            node.parent().removeChildNode(node)


def finish(layer, title: str, text: str, feedback) -> None:
    """Give a result layer its name, style and notes."""
    layer.setName(title)
    style = polygon_style(layer) if isinstance(layer, QgsVectorLayer) else str(STYLES / 'probability_raster.qml')
    message, done = layer.loadNamedStyle(style)
    if not done:
        feedback.reportError(f'{style}: {message}')
    QgsLayerNotesUtils.setLayerNotes(layer, text)
    layer.triggerRepaint()
