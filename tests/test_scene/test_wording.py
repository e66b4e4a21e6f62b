import pytest

from schanger_mm.scene.wording import format_area


@pytest.mark.parametrize('area, unit, words', [
    (0.25, 'm2', '0.25 m²'), (9_999, 'm2', '9,999 m²'), (12_345, 'm2', '1.23 ha'), (2.5e7, 'm2', '25.0 km²'),
    (12_345, 'px', '12,345 px')])
def test_areas_are_worded(area, unit, words):
    assert format_area(area, unit) == words
