import errno
import os

import numpy as np
import pytest
from PIL import Image

from schanger_mm.apis import run
from schanger_mm.atomic import remove_partial, whole_file, write_durably, write_png


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
    assert run(lambda: write_png(path, np.ones((2, 2), np.uint8))) == 2
    (line, ) = capsys.readouterr().err.strip().splitlines()
    assert line.startswith(f'error: {path} could not be written: no space left (') and 'MiB are free' in line
    assert path.read_bytes() == before and [file.name for file in tmp_path.iterdir()] == ['prediction.png']
