import pytest

from schanger_mm.geo.errors import SceneError
from schanger_mm.scene.legend import KINDS, Legend


def test_buildings_have_kinds_by_default(truth):
    legend = Legend.of(truth(('ground', 'Building')))
    assert (legend.kinds_of, legend.index, legend.column, legend.counted) == ('Building', 1, 'kind', 'kinds')
    assert tuple(legend.groups()) == KINDS


def test_other_classes_have_kinds_where_asked(truth):
    legend = Legend.of(truth(('field', 'road')))
    assert (legend.kinds_of, legend.index, legend.column) == (None, None, 'to')
    assert tuple(legend.groups()) == ('field', 'road')
    assert Legend.of(truth(('field', 'road')), 'ROAD').index == 1
    with pytest.raises(SceneError, match='--kinds-of house: expected one of the classes field, road'):
        Legend.of(truth(('field', 'road')), 'house')


def test_a_network_of_change_only_has_none():
    assert Legend.of(object()) is None
    with pytest.raises(SceneError, match='--kinds-of building: object predicts change only; name .* --semantic'):
        Legend.of(object(), 'building')
