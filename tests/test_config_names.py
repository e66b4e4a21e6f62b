"""Configs by name, package::path, in wheels, in checkouts and on both versions of mmengine."""

import importlib
import sys

import pytest
from mmengine.config import Config

from schanger_mm.apis import ConfigError, load_config
from schanger_mm.config_names import ConfigNameError, find_config, teach_mmengine

LEVIR = 'schanger_mm::schanger/levir_small.py'


@pytest.fixture
def opencd(tmp_path, monkeypatch):
    """A module of that name without configs, before any other."""
    (tmp_path / 'src/opencd').mkdir(parents=True)
    (tmp_path / 'src/opencd/__init__.py').write_text('')
    monkeypatch.delitem(sys.modules, 'opencd', raising=False)
    monkeypatch.syspath_prepend(str(tmp_path / 'src'))
    importlib.invalidate_caches()
    return tmp_path / 'src'


def write(folder, **files):
    folder.mkdir(parents=True)
    for name, text in files.items():
        (folder / f'{name}.py').write_text(text)


def test_ours_are_found_in_this_checkout(root):
    assert find_config(LEVIR) == root / 'configs/schanger/levir_small.py'
    assert find_config('schanger_mm::schanger/levir_small') == root / 'configs/schanger/levir_small.py'


def test_the_wheel_comes_before_the_checkout(opencd):
    write(opencd / 'configs/changer', a='', b='')
    assert find_config('opencd::changer/a.py') == opencd / 'configs/changer/a.py'
    write(opencd / 'opencd/.mim/configs/changer', a='')
    assert find_config('opencd::changer/a.py') == opencd / 'opencd/.mim/configs/changer/a.py'
    assert find_config('opencd::changer/b.py') == opencd / 'configs/changer/b.py'


def test_a_config_inherits_by_name_and_keeps_the_scope_of_what_it_inherits(opencd, tmp_path):
    write(opencd / 'configs/_base_', data="train_dataloader = dict(dataset=dict(type='TheirSet', pipeline=[]))\n")
    path = tmp_path / 'mine.py'
    path.write_text("_base_ = ['opencd::_base_/data.py', 'schanger_mm::_base_/models/schanger_base.py']\n"
                    'model = dict(num_dates=2)\n')
    cfg = Config.fromfile(path)
    assert cfg.train_dataloader.dataset == dict(type='TheirSet', pipeline=[], _scope_='opencd')
    assert cfg.model.type == 'SiameseEncoderDecoder' and cfg.model._scope_ == 'schanger_mm'
    assert cfg.model.num_dates == 2


def test_mmsegs_own_are_found_as_before(tmp_path):
    path = tmp_path / 'mine.py'
    path.write_text("_base_ = 'mmseg::_base_/schedules/schedule_20k.py'\n")
    assert Config.fromfile(path).train_cfg.max_iters == 20000


def test_names_of_other_packages_stay_with_mmengine(tmp_path):
    path = tmp_path / 'mine.py'
    path.write_text("_base_ = 'nobody::a/b.py'\n")
    with pytest.raises(AssertionError, match='mmengine does not support to load nobody config'):
        Config.fromfile(path)


def test_tools_take_a_name():
    assert load_config(LEVIR)._cfg_dict == load_config(find_config(LEVIR))._cfg_dict


def test_teaching_twice_changes_nothing():
    before = Config._get_cfg_path
    teach_mmengine()
    assert Config._get_cfg_path is before


@pytest.mark.parametrize('name, message', [
    ('opencd::_base_/a.py', r'opencd carries no configs, neither .*\.mim/configs nor .*configs is there. Put a'),
    ('schanger_mm::schanger/levir_smal.py', 'holds no .*did you mean schanger_mm::schanger/levir_small.py'),
    ('schanger_mm::zzz/zzz.py', r'configs holds no zzz/zzz\.py\.'),
])
def test_a_name_that_leads_nowhere_is_one_line(name, message, opencd):
    with pytest.raises(ConfigNameError, match=message) as caught:
        load_config(name)
    assert '\n' not in str(caught.value)


def test_a_package_that_is_not_installed(monkeypatch):
    monkeypatch.setattr('importlib.util.find_spec', lambda name: None)
    with pytest.raises(ConfigNameError, match='no module opencd is installed here; Open-CD is not on PyPI'):
        find_config('opencd::a.py')


def test_a_base_that_is_not_there_is_named(tmp_path):
    path = tmp_path / 'mine.py'
    path.write_text("_base_ = './gone.py'\n")
    with pytest.raises(ConfigError, match=r'mine\.py inherits a config that is not there: .*gone\.py'):
        load_config(path)
