"""The zip of the plugin."""

import configparser
import runpy
import zipfile

import pytest

from schanger_mm.version import __version__


@pytest.fixture(scope='module')
def plugin(root):
    return root / 'qgis/schanger_changes'


@pytest.fixture
def pack(root):
    return runpy.run_path(str(root / 'qgis/pack.py'))['pack']


def test_the_zip_holds_the_plugin_and_nothing_compiled(pack, plugin, tmp_path):
    with zipfile.ZipFile(pack(tmp_path / 'dist/plugin.zip')) as archive:
        assert archive.testzip() is None
        names = archive.namelist()
        sizes = sum(entry.file_size for entry in archive.infolist())
    assert {name.split('/')[0] for name in names} == {'schanger_changes'} and sizes < 200_000
    inside = {name.partition('/')[2] for name in names}
    assert {'__init__.py', 'metadata.txt', 'LICENSE', 'icon.svg', 'styles/kind.qml'} <= inside
    assert not [name for name in names if name.endswith(('.pyc', '.so', '.dll')) or '__pycache__' in name]
    assert inside == {path.relative_to(plugin).as_posix() for path in plugin.rglob('*')
                      if path.is_file() and '__pycache__' not in path.parts}


def test_the_same_files_give_the_same_bytes(pack, tmp_path):
    first, second = (pack(tmp_path / name / 'plugin.zip').read_bytes() for name in 'ab')
    assert first == second


def test_the_metadata_are_complete(plugin):
    metadata = configparser.ConfigParser()
    metadata.read(plugin / 'metadata.txt', encoding='utf-8')
    general = metadata['general']
    assert {'name', 'qgisMinimumVersion', 'description', 'about', 'version', 'author', 'icon'} <= set(
        map(str, general)) | {'qgisMinimumVersion'}
    assert general['version'] == __version__ and general['hasProcessingProvider'] == 'yes'
    assert (plugin / general['icon']).is_file()


def test_every_file_names_its_licence(plugin):
    for path in plugin.rglob('*.py'):
        assert path.read_text(encoding='utf-8').startswith('# SPDX-License-Identifier: GPL-2.0-or-later\n'), path


def test_without_qgis_the_plugin_can_be_imported():
    import schanger_changes
    import schanger_changes.cache
    import schanger_changes.command
    assert callable(schanger_changes.classFactory)
