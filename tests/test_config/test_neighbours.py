import os
import subprocess
import sys

import pytest
import torch
from mmengine.config import Config

from schanger_mm.apis import load_config
from schanger_mm.commands.cli import report_errors
from schanger_mm.config.neighbours import NeighbourError, check_neighbours, install_hint


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
    assert report_errors(lambda: load_config(root / 'configs/neighbours/convnext_tfm_upernet_levir.py')) == 2
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


@pytest.mark.parametrize('version, command', [
    ('2.13.0+cpu', '"torch==2.13.0" "torchvision==0.28.0+cpu" -c requirements/constraints.txt '
                   '--extra-index-url https://download.pytorch.org/whl/cpu'),
    ('2.10.1', '"torch==2.10.1" "torchvision==0.25.1" -c requirements/constraints.txt'),
])
def test_the_hint_moves_no_torch(version, command):
    assert install_hint('mmpretrain', version).startswith(f'pip install "schanger-mm[mmpretrain]" {command} (')


UNFIT = '''
import sys, warnings
import schanger_mm
with warnings.catch_warnings(record=True) as said:
    warnings.simplefilter('always')
    import schanger_mm.registry
print([str(warning.message) for warning in said if 'torchvision' in str(warning.message)])
from schanger_mm.models import SCN
from mmengine.config import Config
from schanger_mm.config.neighbours import NeighbourError, check_neighbours
try:
    check_neighbours(Config(dict(model=dict(type='mmpretrain.ConvNeXt'))), 'own.py')
except NeighbourError as error:
    print(error)
'''


def test_a_torchvision_that_does_not_fit_torch_is_said_and_not_used(root, tmp_path):
    for name, text in (('mmpretrain', 'import torchvision'), ('torchvision', "raise RuntimeError('operator "
                       "torchvision::nms does not exist\\nmore')")):
        (tmp_path / name).mkdir()
        (tmp_path / name / '__init__.py').write_text(text)
    env = {**os.environ, 'PYTHONPATH': os.pathsep.join([str(tmp_path), str(root)])}
    done = subprocess.run([sys.executable, '-c', UNFIT], env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    warned, refused = done.stdout.splitlines()[-2:]
    fault = (f'the installed torchvision does not fit torch {torch.__version__} (operator torchvision::nms does not '
             'exist) and is not used')
    assert warned == str([fault])
    assert refused.startswith("own.py: model.type is 'mmpretrain.ConvNeXt', and mmpretrain cannot be imported "
                              f'({fault}); pip install ')
