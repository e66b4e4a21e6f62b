"""How a command ends: a user's mistake is one line and status 2, a fault of the program keeps its traceback."""

import argparse
import importlib
import json
import os
import pkgutil
import subprocess
import sys
from types import SimpleNamespace

import pytest
from torch.utils.data import DataLoader

import schanger_mm
from schanger_mm.commands import cli, config_show
from schanger_mm.commands.cli import report_errors
from schanger_mm.utils.errors import CommandError, DiskFullError, SampleError, SettingError, UserError


def subclasses(kind):
    return {kind, *(deeper for below in kind.__subclasses__() for deeper in subclasses(below))}


def user_errors():
    for module in pkgutil.walk_packages(schanger_mm.__path__, 'schanger_mm.'):
        importlib.import_module(module.name)
    return sorted((kind for kind in subclasses(UserError) if kind.__module__.startswith('schanger_mm.')),
                  key=lambda kind: kind.__qualname__)


def raising(error):
    def main():
        raise error
    return main


def ends(main, capsys, status=2):
    """Run it as a tool, and return the one line that it leaves."""
    assert report_errors(main) == status
    (line, ) = capsys.readouterr().err.strip().splitlines()
    return line


@pytest.mark.parametrize('kind', user_errors(), ids=lambda kind: kind.__qualname__)
def test_every_error_for_users_is_one_line(kind, capsys):
    error = kind(['python', 'a.py']) if kind is CommandError else kind('a.png is damaged.')
    said = 'the command above failed: python a.py' if kind is CommandError else 'a.png is damaged.'
    assert ends(raising(error), capsys) == f'error: {said}'


@pytest.mark.parametrize('error', [
    ValueError('a'), KeyError('a'), TypeError("f() got an unexpected keyword argument 'a'"), RuntimeError('a'),
    AssertionError('a'), ImportError('a'), OSError('a'), IndexError('a'), SampleError('a')], ids=repr)
def test_a_fault_raised_in_the_package_keeps_its_traceback(error, monkeypatch, capsys):
    monkeypatch.setattr('schanger_mm.utils.names.natural_key', raising(error))
    from schanger_mm.utils import names
    with pytest.raises(type(error)):
        report_errors(lambda: names.natural_key())
    assert capsys.readouterr().err == ''


PLANTED = """
import sys
from types import ModuleType
from schanger_mm.utils.errors import SettingError

def planted(*args):
    raise {error}

sys.modules['schanger_mm.data_tools.foreground'] = module = ModuleType('foreground')  # its own imports take seconds
module.write_foreground_list = planted
"""


@pytest.mark.parametrize(('error', 'status', 'last'), [
    ("ValueError('planted')", 1, 'ValueError: planted'), ("KeyError('planted')", 1, "KeyError: 'planted'"),
    ("SettingError('planted')", 2, 'error: planted')])
def test_a_planted_error_in_a_tool_that_was_typed(error, status, last, root, tmp_path):
    """A package on the path replaces a function of ours: its error arises inside a command that a user has typed."""
    (tmp_path / 'sitecustomize.py').write_text(PLANTED.format(error=error))
    env = {**os.environ, 'PYTHONPATH': f'{tmp_path}{os.pathsep}{root}', 'OMP_NUM_THREADS': '1'}
    done = subprocess.run([sys.executable, 'tools/dataset_tools/foreground.py', 'masks', '--out', 'list.txt'],
                          cwd=root, env=env, capture_output=True, text=True)
    assert done.returncode == status and done.stderr.splitlines()[-1] == last, done.stderr
    assert ('Traceback' in done.stderr) == (status == 1)


def test_debugging_adds_the_traceback(monkeypatch, capsys):
    monkeypatch.setenv(cli.DEBUG, '1')
    assert report_errors(raising(SettingError('--jobs 0: expected 1 or more.'))) == 2
    said = capsys.readouterr().err
    assert said.startswith('Traceback (most recent call last):')
    assert said.endswith('\nerror: --jobs 0: expected 1 or more.\n')


def test_a_command_that_failed_gives_its_status(capsys):
    line = ends(raising(CommandError(['python', 'tools/train.py', 7], 3)), capsys, status=3)
    assert line == 'error: the command above failed: python tools/train.py 7'


@pytest.mark.parametrize('error', [SettingError('the first\nand second line'), DiskFullError(28, 'a.png: disk full.')])
def test_an_error_of_a_loading_process_prints_its_own_text(error, capsys):
    """torch raises it again with the worker's traceback as its text."""
    class Set:
        def __len__(self):
            return 2

        def __getitem__(self, index):
            try:
                raise KeyError('which came before')
            except KeyError as cause:
                raise error from cause

    assert report_errors(lambda: list(DataLoader(Set(), num_workers=1))) == 2
    said = capsys.readouterr().err
    own = error.args[-1]
    assert said == f'error: {own}\n'


def test_a_fault_of_a_loading_process_keeps_its_traceback():
    class Set:
        def __len__(self):
            return 2

        def __getitem__(self, index):
            raise ValueError('planted')

    with pytest.raises(ValueError, match='Original Traceback'):
        report_errors(lambda: list(DataLoader(Set(), num_workers=1)))


def test_the_status_is_what_the_command_returns():
    def command(status):
        return SimpleNamespace(parser=argparse.ArgumentParser, main=lambda args: status)

    assert [cli.run(command(status), []) for status in (None, 0, 1)] == [0, 0, 1]


def test_an_empty_name_is_said_to_be_one(capsys):
    assert ends(lambda: os.listdir(''), capsys) == 'error: the empty name: No such file or directory'


@pytest.mark.parametrize('what, said', [
    (lambda folder: (folder / 'text/x').mkdir(parents=True), 'text/x: Not a directory'),
    (lambda folder: (folder / ('x' * 300)).write_text(''), f'{"x" * 300}: File name too long'),
    (lambda folder: os.listdir(folder / 'nothing'), 'nothing: No such file or directory'),
    (lambda folder: (folder / 'text').rmdir(), 'text: Not a directory'),
    (lambda folder: open(folder, 'rb'), ': Is a directory'),
    (lambda folder: json.load(open(os.fsencode(folder / 'none'))), 'none: No such file or directory'),
])
def test_errors_of_the_system_name_the_file(what, said, tmp_path, capsys):
    (tmp_path / 'text').write_text('')
    line = ends(lambda: what(tmp_path), capsys)
    assert line.startswith(f'error: {tmp_path}') and line.endswith(said)


def test_an_error_of_the_system_without_a_file_may_be_a_fault_of_the_program():
    with pytest.raises(OSError, match='Bad file descriptor'):
        report_errors(lambda: os.write(10**6, b''))


def test_an_argument_in_another_encoding_is_one_line(capsys):
    assert cli.run(config_show, [os.fsdecode(b'caf\xe9.py')]) == 2
    assert capsys.readouterr().err == (
        r'error: caf\xe9.py: this argument is not UTF-8; rename the file or folder.' '\n')


@pytest.mark.parametrize('unbuffered', ['', '1'])
def test_a_reader_that_ends_early_is_no_fault(unbuffered):
    """As in ``schanger | head -1``; the pipe has no reader from the beginning."""
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run([sys.executable, '-m', 'schanger_mm'], stdout=write, stderr=subprocess.PIPE, text=True,
                          env=os.environ | {'PYTHONUNBUFFERED': unbuffered})
    os.close(write)
    assert (done.returncode, done.stderr) == (cli.NO_READER, '')


def test_a_pipe_to_another_process_that_breaks_is_a_fault():
    def broken():
        raise BrokenPipeError(32, 'Broken pipe')

    with pytest.raises(BrokenPipeError):
        report_errors(broken)
