import errno
import os
import sys
import time

import numpy as np
import pytest
from PIL import Image

from schanger_mm.commands.cli import report_errors
from schanger_mm.utils.errors import UnwritableError
from schanger_mm.utils.files import (
    move_into_place,
    refuse_existing,
    remove_partial,
    whole_file,
    write_atomic,
    write_durably,
    write_png,
    write_text,
)


def test_a_file_appears_whole_and_its_folder_is_made(tmp_path):
    target = tmp_path / 'a/b/c.txt'
    with whole_file(target) as partial:
        partial.write_text('new')
        assert not target.exists() and partial.parent == target.parent
    assert target.read_text() == 'new' and list(target.parent.iterdir()) == [target]


def test_an_interrupted_write_leaves_the_old_file(tmp_path):
    target = tmp_path / 'c.txt'
    target.write_text('old')
    with pytest.raises(KeyboardInterrupt), whole_file(target) as partial:
        partial.write_text('half')
        raise KeyboardInterrupt
    assert target.read_text() == 'old' and list(tmp_path.iterdir()) == [target]


def test_a_durable_write_is_on_the_disk_before_it_has_its_name(tmp_path, monkeypatch):
    steps = []
    monkeypatch.setattr(os, 'fsync', lambda file: steps.append(sorted(path.name for path in tmp_path.iterdir())))
    write_durably(tmp_path / 'c.pth', b'content')
    assert steps == [[f'.c.pth.{os.getpid()}.partial'], ['c.pth']]  # the file, then the folder that names it
    assert (tmp_path / 'c.pth').read_bytes() == b'content'


def test_where_folders_cannot_be_opened_the_file_alone_is_flushed(tmp_path, monkeypatch):
    """On Windows."""
    flushed = []
    monkeypatch.delattr(os, 'O_DIRECTORY')
    monkeypatch.setattr(os, 'fsync', flushed.append)
    write_durably(tmp_path / 'c.pth', b'content')
    assert len(flushed) == 1 and (tmp_path / 'c.pth').read_bytes() == b'content'


@pytest.fixture
def open_file(tmp_path, monkeypatch):
    """Return a function that lets a rename fail so many times, as Windows does while a program has the target open."""
    (tmp_path / 'new').write_text('new')
    (tmp_path / 'old').write_text('old')
    replace = os.replace

    def opened(times):
        left = [None] * times

        def refusing(source, target):
            if left:
                left.pop()
                raise PermissionError(errno.EACCES, 'Access is denied', str(source), None, str(target))
            replace(source, target)
        monkeypatch.setattr(os, 'replace', refusing)
        return tmp_path / 'new', tmp_path / 'old'
    return opened


def test_windows_waits_until_a_file_is_closed(open_file, monkeypatch):
    monkeypatch.setattr(sys, 'platform', 'win32')
    source, target = open_file(times=3)
    move_into_place(source, target)
    assert target.read_text() == 'new' and not source.exists()


def test_windows_names_a_file_that_stays_open(open_file, monkeypatch):
    monkeypatch.setattr(sys, 'platform', 'win32')
    source, target = open_file(times=10**6)
    start = time.monotonic()
    with pytest.raises(UnwritableError, match=r'old: cannot be replaced, because another program has it open'):
        move_into_place(source, target, patience=0.2)
    assert 0.2 <= time.monotonic() - start < 5
    assert target.read_text() == 'old' and source.read_text() == 'new'


def test_other_systems_do_not_wait(open_file, monkeypatch):
    monkeypatch.setattr(sys, 'platform', 'darwin')
    source, target = open_file(times=1)
    with pytest.raises(PermissionError, match='Access is denied'):
        move_into_place(source, target)
    move_into_place(source, target)
    assert target.read_text() == 'new'


def test_what_killed_writers_left_is_removed_by_name(tmp_path):
    for name in ('.iter_3.pth.77.partial', '.iter_3.png.77.partial', 'iter_3.pth', '.iter_3.pth'):
        (tmp_path / name).write_text('')
    assert remove_partial(tmp_path, 'iter_*.pth') == ['.iter_3.pth.77.partial']
    assert len(list(tmp_path.iterdir())) == 3 and remove_partial(tmp_path / 'nowhere', '*') == []


@pytest.mark.parametrize('number', [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_one_line_and_keeps_what_was_there(number, tmp_path, monkeypatch, capsys):
    path = tmp_path / 'prediction.png'
    write_png(path, np.zeros((2, 2), np.uint8))
    before = path.read_bytes()

    def full(*args, **kwargs):
        raise OSError(number, os.strerror(number))  # from outside the package, as Pillow's and pathlib's do

    monkeypatch.setattr(Image.Image, 'save', full)
    assert report_errors(lambda: write_png(path, np.ones((2, 2), np.uint8))) == 2
    (line, ) = capsys.readouterr().err.strip().splitlines()
    assert line.startswith(f'error: {path} could not be written: no space left (') and 'MiB are free' in line
    assert path.read_bytes() == before and [file.name for file in tmp_path.iterdir()] == ['prediction.png']


def test_a_write_that_fails_leaves_the_old_file_and_no_other(tmp_path, monkeypatch):
    path = tmp_path / 'new/x.txt'
    write_atomic(path, b'old')

    def fail(*_):
        raise OSError('disk full')
    monkeypatch.setattr(os, 'replace', fail)
    with pytest.raises(OSError, match='disk full'):
        write_atomic(path, b'new')
    assert path.read_bytes() == b'old' and os.listdir(path.parent) == ['x.txt']


def test_existing_files_are_named(tmp_path):
    (tmp_path / 'b').touch()
    refuse_existing(tmp_path / 'a')
    with pytest.raises(FileExistsError, match='/b exists already; nothing was written'):
        refuse_existing(tmp_path / 'a', tmp_path / 'b')


def test_text_is_written_as_it_is_into_a_new_folder(tmp_path):
    write_text(tmp_path / 'new/a.txt', 'café\n')
    assert (tmp_path / 'new/a.txt').read_bytes() == b'caf\xc3\xa9\n'
    assert [path.name for path in (tmp_path / 'new').iterdir()] == ['a.txt']


def test_nothing_is_replaced_unasked(tmp_path):
    write_text(tmp_path / 'a.txt', 'first')
    with pytest.raises(FileExistsError, match=r'a\.txt exists already; nothing was written'):
        write_text(tmp_path / 'a.txt', 'second')
    assert (tmp_path / 'a.txt').read_text() == 'first'
    write_text(tmp_path / 'a.txt', 'second', overwrite=True)
    assert (tmp_path / 'a.txt').read_text() == 'second'


def test_files_that_nobody_asked_for_do_not_matter(tmp_path):
    refuse_existing(None, tmp_path / 'none')
    with pytest.raises(FileExistsError):
        refuse_existing(None, tmp_path)
