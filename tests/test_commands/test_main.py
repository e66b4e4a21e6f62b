"""``schanger``: every command by name."""

import os
import subprocess
import sys

import pytest

from schanger_mm.commands.main import main
from schanger_mm.commands.table import COMMANDS, GROUPS
from schanger_mm.version import __version__


@pytest.fixture
def typed(monkeypatch, capsys):
    """Return a function that runs words of a user: its status, what it printed, and its errors."""
    def run(*words):
        monkeypatch.setattr(sys, 'argv', ['/somewhere/bin/schanger', *words])
        try:
            status = main()
        except SystemExit as end:
            status = end.code
        return status, *capsys.readouterr()
    return run


@pytest.mark.parametrize('words', [(), ('--help', ), ('-h', ), ('help', )])
def test_alone_it_lists_every_command_with_an_example(typed, words):
    status, out, err = typed(*words)
    assert (status, err) == (0, '') and out.startswith('usage: schanger COMMAND ...\n')
    lines = out.splitlines()
    places = [lines.index(group) for group in GROUPS]
    assert places == sorted(places)
    for name, entry in COMMANDS.items():
        (place, ) = [number for number, line in enumerate(lines) if line.split('  ')[1:2] == [name]]
        assert lines[place].endswith(entry.help) and lines[place + 1].strip() == f'schanger {name} {entry.example}'
    assert max(map(len, lines)) <= 120


def test_the_version(typed):
    assert typed('--version') == typed('-V') == (0, f'schanger-mm {__version__}\n', '')


@pytest.mark.parametrize('words', [('help', 'flops'), ('flops', '--help'), ('help', 'config', 'show')])
def test_help_of_one_command(typed, words):
    status, out, err = typed(*words)
    name = ' '.join(word for word in words if word not in ('help', '--help'))
    assert (status, err) == (0, '') and out.startswith(f'usage: schanger {name} [-h]')


def test_the_first_word_of_two_lists_those_that_follow(typed):
    for words in (('config', ), ('config', '--help'), ('help', 'config')):
        status, out, _ = typed(*words)
        assert status == 0 and 'schanger config show levir' in out and 'schanger train' not in out


@pytest.mark.parametrize('words, said', [
    (['trian'], "schanger has no command 'trian'; did you mean `schanger train`?"),
    (['help', 'from_rasters'], "schanger has no command 'from_rasters'; did you mean `schanger from-rasters`?"),
    (['get_flops', 'levir'], "schanger has no command 'get_flops'; did you mean `schanger flops`?"),
    (['tools/dataset_tools/tile.py'],
     "schanger has no command 'tools/dataset_tools/tile.py'; did you mean `schanger tile`?"),
    (['xxx'], "schanger has no command 'xxx'; `schanger` alone lists them all."),
    ([''], "schanger has no command ''; `schanger` alone lists them all."),
    (['config', 'levir'], 'schanger config levir: expected `schanger config new` or `schanger config show`.'),
    ([os.fsdecode(b'caf\xe9')], r"schanger has no command 'caf\\xe9'; `schanger` alone lists them all."),
])
def test_an_unknown_name_is_one_line_with_the_nearest(typed, words, said):
    assert typed(*words) == (2, '', f'error: {said}\n')


def test_a_wrong_option_shows_the_usage_of_what_was_typed(typed):
    status, out, err = typed('completion', '--none', 'bash')
    assert (status, out) == (2, '') and err.startswith('usage: schanger completion [-h]')
    assert err.splitlines()[-1] == 'schanger completion: error: unrecognized arguments: --none'


def test_it_runs_as_a_module(root, tmp_path):
    done = subprocess.run([sys.executable, '-m', 'schanger_mm', 'completion', '--help'], cwd=tmp_path,
                          env={**os.environ, 'PYTHONPATH': str(root)}, capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout.startswith('usage: python -m schanger_mm completion [-h]')
