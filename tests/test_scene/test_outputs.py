import pytest

from schanger_mm.scene.errors import SceneError
from schanger_mm.scene.outputs import Outputs
from schanger_mm.scene.polygons import write_polygons


@pytest.mark.parametrize('name', ['a!b', 'x!y/a', 'a\n', 'a\x01'])
def test_a_folder_whose_polygons_would_go_elsewhere_is_refused_first(tmp_path, name):
    with pytest.raises(SceneError, match=r'^--out .* would be taken for .*choose a path without `!`'):
        Outputs(tmp_path / name)
    with pytest.raises(SceneError, match='would be taken for'):
        write_polygons('no.tif', 'no.tif', tmp_path / name / 'change.gpkg')
    assert not list(tmp_path.iterdir())


def test_other_names_are_taken(tmp_path):
    for name in ('a b', 'a;b', 'a?b', 'a#b', 'a%20b', 'café', '北京', 'a:b', "a'b", '-a'):
        Outputs(tmp_path / name)
