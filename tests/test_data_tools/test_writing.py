import os

import pytest

from schanger_mm.data_tools.writing import refuse_existing, write_atomic


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
    refuse_existing([tmp_path / 'a'])
    with pytest.raises(FileExistsError, match='/b exists already; nothing was written'):
        refuse_existing([tmp_path / 'a', tmp_path / 'b'])
