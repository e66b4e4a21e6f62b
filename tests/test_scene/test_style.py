from xml.etree import ElementTree

import pytest

from schanger_mm.scene.legend import KIND_COLOURS, Legend
from schanger_mm.scene.style import write_style


@pytest.mark.parametrize('kinds_of, column', [('house & barn', 'kind'), (None, 'to')])
def test_each_group_has_a_category_with_its_colour(tmp_path, kinds_of, column):
    legend = Legend(('field', 'house & barn'), kinds_of)
    write_style(tmp_path / 'change.qml', legend)
    root = ElementTree.parse(tmp_path / 'change.qml').getroot()
    renderer = root.find('renderer-v2')
    assert (renderer.get('type'), renderer.get('attr')) == ('categorizedSymbol', column)
    symbols = {symbol.get('name'): symbol.find("layer/Option/Option[@name='color']").get('value')
               for symbol in renderer.find('symbols')}
    colours = {one.get('value'): symbols[one.get('symbol')] for one in renderer.find('categories')}
    expected = KIND_COLOURS if kinds_of else dict(zip(legend.classes, legend.colours))
    assert colours == {name: ','.join(map(str, colour)) + ',150' for name, colour in expected.items()}
