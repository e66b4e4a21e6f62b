"""A style for the polygons of changes in QGIS."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

from schanger_mm.scene.legend import Colour, Legend
from schanger_mm.utils.files import write_atomic

OPACITY = 150
"""Of the filling, 0 to 255."""


def write_style(path: str | Path, legend: Legend) -> None:
    """Write a QGIS 3 style with a colour for each kind of change or, without kinds, for each class afterwards."""
    groups = legend.groups()
    root = ElementTree.Element('qgis', version='3.22', styleCategories='Symbology')
    renderer = ElementTree.SubElement(root, 'renderer-v2', type='categorizedSymbol', attr=legend.column,
                                      symbollevels='0', enableorderby='0', forceraster='0')
    categories = ElementTree.SubElement(renderer, 'categories')
    symbols = ElementTree.SubElement(renderer, 'symbols')
    for index, (name, colour) in enumerate(groups.items()):
        ElementTree.SubElement(categories, 'category', symbol=str(index), value=name, label=name, render='true',
                               type='string')
        _add_symbol(symbols, str(index), colour)
    text = ElementTree.tostring(root, encoding='unicode')
    doctype = "<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>\n"
    write_atomic(Path(path), (doctype + text + '\n').encode())


def _add_symbol(symbols: ElementTree.Element, name: str, colour: Colour) -> None:
    symbol = ElementTree.SubElement(symbols, 'symbol', type='fill', name=name, alpha='1', clip_to_extent='1',
                                    force_rhr='0')
    layer = ElementTree.SubElement(symbol, 'layer', {'class': 'SimpleFill', 'pass': '0', 'locked': '0',
                                                     'enabled': '1'})
    words = ','.join(map(str, colour))
    properties = dict(color=f'{words},{OPACITY}', outline_color=f'{words},255', outline_style='solid',
                      outline_width='0.4', outline_width_unit='MM', style='solid')
    options = ElementTree.SubElement(layer, 'Option', type='Map')
    for key, value in properties.items():
        ElementTree.SubElement(layer, 'prop', k=key, v=value)  # what QGIS before 3.24 reads
        ElementTree.SubElement(options, 'Option', name=key, value=value, type='QString')
