import sys

import pytest
from mmengine.config import Config

from schanger_mm.apis import load_config, run
from schanger_mm.apis.neighbours import NeighbourError, check_neighbours


@pytest.fixture
def absent(monkeypatch):
    """Neither of them can be imported."""
    for package in ('mmpretrain', 'opencd'):
        monkeypatch.setitem(sys.modules, package, None)


@pytest.mark.parametrize('settings, message', [
    (dict(model=dict(backbone=dict(type='mmpretrain.ConvNeXt'))),
     "own.py: model.backbone.type is 'mmpretrain.ConvNeXt', and mmpretrain cannot .*schanger-mm\\[mmpretrain"),
    (dict(train_dataloader=dict(dataset=dict(pipeline=[dict(type='opencd.MultiImgRandomCrop')]))),
     "train_dataloader.dataset.pipeline.0.type is 'opencd.MultiImgRandomCrop', .* Open-CD is not on PyPI"),
    (dict(default_scope='opencd'), "default_scope is 'opencd'"),
    (dict(val_evaluator=dict(type='X', _scope_='opencd')), "val_evaluator._scope_ is 'opencd'"),
])
def test_a_package_that_is_absent_is_named_with_the_key_and_the_command(absent, settings, message):
    with pytest.raises(NeighbourError, match=message) as caught:
        check_neighbours(Config(settings), 'own.py')
    assert '\n' not in str(caught.value)


def test_tools_say_it_in_one_line(absent, root, capsys):
    assert run(lambda: load_config(root / 'configs/neighbours/convnext_tfm_upernet_levir.py')) == 2
    (line, ) = capsys.readouterr().err.splitlines()
    assert line.startswith('error: ') and 'mmpretrain' in line


def test_what_it_lacks_itself_is_said(tmp_path, monkeypatch):
    """As torchvision, which mmpretrain imports."""
    (tmp_path / 'mmpretrain').mkdir()
    for name, text in (('__init__', ''), ('registry', ''), ('models', 'import not_there_either')):
        (tmp_path / f'mmpretrain/{name}.py').write_text(text)
    for name in ('mmpretrain', 'mmpretrain.registry', 'mmpretrain.models'):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(NeighbourError, match=r"cannot be imported \(No module named 'not_there_either'\)"):
        check_neighbours(Config(dict(model=dict(type='mmpretrain.X'))), 'own.py')
    for name in [name for name in sys.modules if name.partition('.')[0] == 'mmpretrain']:
        del sys.modules[name]


def test_parts_of_mmseg_and_of_this_package_need_nothing(absent, root):
    assert load_config(root / 'configs/neighbours/r18_tfm_upernet_levir.py').model.backbone.type == 'mmseg.ResNet'
