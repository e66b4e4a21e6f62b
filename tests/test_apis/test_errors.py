"""What the system says about a user's file is one line, wherever in the program it was met."""

import json
import os

import pytest

from schanger_mm.apis import run


def ends(main, capsys):
    """Run it as a tool, and return the one line that it leaves."""
    assert run(main) == 2
    (line, ) = capsys.readouterr().err.strip().splitlines()
    return line


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
    def write_to_a_closed_file():
        os.write(10**6, b'')
    with pytest.raises(OSError, match='Bad file descriptor'):
        run(write_to_a_closed_file)
