"""The command line of tools/study.py."""

import runpy
import sys
from pathlib import Path

import pytest

from schanger_mm.experiments.study import Study
from schanger_mm.utils.errors import CommandError

ROOT = Path(__file__).parents[2]


@pytest.fixture
def typed(monkeypatch):
    """Return a function that types the command in this process, with ``instead`` in place of the study's run."""
    def type_command(*words, instead=lambda study: {}):
        made = []
        monkeypatch.setattr(Study, 'run', lambda study: made.append(study) or instead(study))
        monkeypatch.setattr(sys, 'argv', ['tools/study.py', *words])
        with pytest.raises(SystemExit) as end:
            runpy.run_path(str(ROOT / 'tools/study.py'), run_name='__main__')
        return end.value.code, made
    return type_command


def test_without_options_it_is_the_study_of_the_protocol(typed):
    assert typed() == (0, [Study(ROOT, Path('study_out'), (1, 2, 3), 2, None)])


def test_every_option_arrives(typed):
    words = '--out elsewhere --seeds 4 7 --jobs 3 --max-iters 2'.split()
    assert typed(*words) == (0, [Study(ROOT, Path('elsewhere'), (4, 7), 3, 2)])


def test_a_failing_training_gives_its_status(typed, capsys):
    def fail(study):
        raise CommandError(['python', 'tools/train.py', 'schanger-tiny.py'], 3)

    assert typed(instead=fail)[0] == 3
    assert capsys.readouterr().err == 'error: the command above failed: python tools/train.py schanger-tiny.py\n'


@pytest.mark.parametrize('words, message', [
    (['--seeds', '1', '01'], 'error: --seeds 1 01: expected different whole numbers from 0 up.\n'),
    (['--jobs', '0'], 'error: --jobs 0: expected a whole number from 1 up.\n'),
    (['--max-iters', '0'], 'error: --max-iters 0: expected a whole number from 1 up.\n')])
def test_mistakes_are_one_line(words, message, typed, capsys):
    assert typed(*words) == (2, [])
    assert capsys.readouterr().err == message


@pytest.mark.parametrize('words', [['--seeds'], ['--jobs', 'two'], ['--percent', '5']])
def test_what_the_command_line_does_not_know(words, typed, capsys):
    assert typed(*words) == (2, [])
    assert 'usage: study.py' in capsys.readouterr().err


def test_a_file_as_folder_in_a_process_of_its_own(run, tmp_path):
    (tmp_path / 'notes').write_text('mine')
    error = run('tools/study.py', '--out', tmp_path / 'notes', fails=2)
    assert error == f'error: {tmp_path}/notes: this is a file; expected a folder or a new name.\n'
    assert (tmp_path / 'notes').read_text() == 'mine'
