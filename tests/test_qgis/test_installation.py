"""Where the command is and what it can run, without QGIS."""

import os

import pytest
from schanger_changes import installation
from schanger_changes.command import CommandError

pytestmark = pytest.mark.skipif(os.name == 'nt', reason='the commands here are shell scripts')


def program(tmp_path, text):
    """Make a command that prints a text."""
    path = tmp_path / 'schanger'
    path.write_text(f'#!/bin/sh\n{text}\n')
    path.chmod(0o755)
    return str(path)


def test_the_command_is_that_of_the_setting_or_of_the_path(tmp_path, monkeypatch):
    monkeypatch.setenv('PATH', str(tmp_path))
    with pytest.raises(CommandError, match='is not on the PATH. Set it in Settings > Options'):
        installation.find_command()
    path = program(tmp_path, '')
    assert installation.find_command() == path == installation.find_command(path)
    with pytest.raises(CommandError, match='none of the settings does not exist'):
        installation.find_command(str(tmp_path / 'none'))


def test_another_or_an_older_command_is_one_clear_message(tmp_path):
    assert installation.check_version(program(tmp_path, 'echo schanger-mm 0.1.0')) == 'schanger-mm 0.1.0'
    with pytest.raises(CommandError, match=r'too old: expected schanger-mm 0\.1\.0 or newer, found .*0\.0\.9'):
        installation.check_version(program(tmp_path, 'echo schanger-mm 0.0.9'))
    with pytest.raises(CommandError, match="is not the command of schanger-mm .* it answered 'usage: else'"):
        installation.check_version(program(tmp_path, 'echo usage: else'))
    with pytest.raises(CommandError, match='does not start'):
        installation.check_version(str(tmp_path / 'none'))


def test_what_is_installed_is_seen_without_starting_it(tmp_path):
    site = tmp_path / 'lib/python3.11/site-packages'
    path = str(tmp_path / 'bin/schanger')
    assert installation.installed_parts(path) == '.onnx, checkpoint or name'
    (site / 'numpy').mkdir(parents=True)
    assert installation.installed_parts(path) == 'neither torch nor onnxruntime here'
    (site / 'onnxruntime').mkdir()
    assert installation.installed_parts(path) == '.onnx only: no torch here'
    (site / 'torch').mkdir()
    (site / 'mmengine').mkdir()
    assert installation.installed_parts(path) == '.onnx, checkpoint or name'


def test_a_python_that_can_make_an_environment(tmp_path, monkeypatch):
    assert installation.python_program()
    monkeypatch.setenv('PATH', str(tmp_path))
    old = tmp_path / 'python3'
    old.write_text('#!/bin/sh\nexit 1\n')
    old.chmod(0o755)
    with pytest.raises(CommandError, match=r'No Python 3\.11 or newer is on the PATH'):
        installation.python_program()
