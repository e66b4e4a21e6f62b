"""Configs by name, package::path, in wheels, in checkouts and on both versions of mmengine."""

import importlib
import sys

import pytest
from mmengine import hub
from mmengine.config import Config

from schanger_mm.apis import ConfigError, load_config
from schanger_mm.config import names
from schanger_mm.config.names import (
    ConfigNameError,
    find_config,
    is_config,
    is_short_name,
    locate,
    short_names,
    stem_of,
    teach_mmengine,
)

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


def test_mmengines_hub_finds_ours_and_still_others():
    assert hub.get_config(LEVIR)._cfg_dict == Config.fromfile(find_config(LEVIR))._cfg_dict
    assert hub.get_config('mmseg::_base_/schedules/schedule_20k.py').train_cfg.max_iters == 20000
    with pytest.raises(ConfigNameError, match=r'levir_small\.py: no weights .*`schanger fetch` fetches'):
        hub.get_config(LEVIR, pretrained=True)


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
    ('opencd::_base_/a.py', r'opencd has no configs: neither .*\.mim/configs nor .*configs is there. Put a'),
    ('schanger_mm::schanger/levir_smal.py', 'has no .*did you mean schanger_mm::schanger/levir_small.py'),
    ('schanger_mm::zzz/zzz.py', r'configs has no zzz/zzz\.py\.'),
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
    with pytest.raises(ConfigError, match=r'mine\.py inherits a config that does not exist: .*gone\.py'):
        load_config(path)


@pytest.fixture
def shelf(tmp_path, monkeypatch):
    """A package of our name with three configs, two of which have the same last part."""
    folder = tmp_path / 'shelf'
    write(folder / '_base_', base='', small='')
    write(folder / 'one', small='a = 1', levir='')
    write(folder / 'two', small='a = 2', **{'x_0.5': ''})
    monkeypatch.setattr(names, 'FOLDERS', [str(folder)])
    return folder


def test_every_config_that_runs_has_a_short_name(root):
    paths = {path for path in (root / 'configs').rglob('*.py') if '_base_' not in path.parts}
    assert {locate(name) for name in short_names()} == paths and len(short_names()) == len(paths) > 40
    assert locate('levir') == locate('schanger/levir') == root / 'configs/schanger/levir.py'
    assert short_names()[0] in ('cdd', 'whu')


@pytest.mark.parametrize('name, path', [
    ('levir', 'one/levir.py'), ('one/levir', 'one/levir.py'), ('two/small', 'two/small.py'),
    ('x_0.5', 'two/x_0.5.py'), ('schanger_mm::two/small', 'two/small.py'), ('schanger_mm::_base_/base.py',
                                                                           '_base_/base.py')])
def test_a_short_name_is_the_last_parts_of_one_path(shelf, name, path):
    assert locate(name) == shelf / path and stem_of(name) == stem_of(path)


def test_a_name_that_several_have_lists_them(shelf):
    assert short_names() == ['levir', 'x_0.5', 'one/small', 'two/small']
    with pytest.raises(ConfigNameError, match=r'^small: 2 configs .*: one/small, two/small; add the folder\.$'):
        load_config('small')
    assert is_short_name('small') and is_short_name('levir') and not is_short_name('vir') and not is_short_name('')


@pytest.mark.parametrize('name, message', [
    ('levri', r'^no config levri: expected a file that ends in \.py, \.json or \.yaml, or a config of schanger_mm; '
              r'did you mean levir\?$'),
    ('one/levri', r'did you mean levir\?'), ('base', 'it has levir, x_0.5, one/small, two/small'),
    ('', 'no config without a name: expected a file'), ('.', r'no config \.: expected a file'),
    ('mine.txt', r'no config mine\.txt: expected a file')])
def test_a_short_name_that_leads_nowhere(shelf, name, message):
    with pytest.raises(ConfigNameError, match=message):
        load_config(name)


def test_what_has_no_suffix_is_never_a_file(shelf, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ('levir', 'mine'):
        (tmp_path / name).write_text('a = 3\n')
    (tmp_path / 'one').mkdir()
    (tmp_path / 'levir.py').write_text('a = 4\n')
    assert locate('levir') == shelf / 'one/levir.py' and load_config('levir.py').a == 4
    with pytest.raises(ConfigNameError, match='no config mine: expected a file that ends in'):
        locate('mine')


def test_a_missing_file_points_at_the_name_without_suffix(shelf):
    with pytest.raises(ConfigError, match=r'^no config file configs/one/levir\.py; levir, without \.py, is a config'):
        load_config('configs/one/levir.py')
    with pytest.raises(ConfigError, match=r'^no config file mine\.py; levir, for example, is a config that comes'):
        load_config('mine.py')


def test_a_model_is_a_config_by_its_suffix_or_name_unless_a_file_has_the_name(shelf, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'levir').mkdir()
    texts = ('one/levir', 'mine.py', 'mmseg::a.py', 'levir', 'best.pth', 'hf://a/b.py', '')
    assert [is_config(text) for text in texts] == [True, True, True, False, False, False, False]


def test_the_last_part_of_a_name_has_no_suffix():
    assert [stem_of(name) for name in ('a/b.py', 'mmseg::a/c.py', 'x_0.5', 'x_0.5.yaml', 'levir')] == [
        'b', 'c', 'x_0.5', 'x_0.5', 'levir']
