import pytest

from schanger_mm.geo.errors import SceneError
from schanger_mm.geo.reading import Reading
from schanger_mm.geo.scaling import Range


def test_a_loading_transform_is_described():
    reading = Reading.parse([4, 3, 2, 8], '0:3000', 'c.py')
    assert reading == Reading((4, 3, 2, 8), Range(0, 3000))
    assert reading.describe() == dict(bands=[4, 3, 2, 8], scale='0:3000')
    assert Reading.parse(None, None, 'c.py') == Reading.parse('all', None, 'c.py') == Reading()
    assert Reading().describe() == {}


@pytest.mark.parametrize(('bands', 'scale', 'message'), [
    ([0, 1], None, r'c\.py: bands = \[0, 1\]; expected numbers from 1 up'),
    ([True], None, 'expected numbers'), ('1,2', None, 'expected numbers'), ([], None, 'expected numbers'),
    ([2 ** 70], None, 'expected numbers'),
    (None, 'p2:p98', r'c\.py: scale = p2:p98; expected MIN:MAX'),
    (None, '0:1,0:2', 'expected MIN:MAX'), (None, 'none', 'expected MIN:MAX'), (None, '5:5', 'expected MIN:MAX'),
    (None, 3000, 'expected MIN:MAX'),
])
def test_values_that_no_training_has_are_refused(bands, scale, message):
    with pytest.raises(SceneError, match=message):
        Reading.parse(bands, scale, 'c.py')
