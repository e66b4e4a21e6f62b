import pytest

from schanger_mm.analysis.output import refuse_existing, write_text


def test_text_is_written_as_it_is_into_a_new_folder(tmp_path):
    write_text(tmp_path / 'new/a.txt', 'café\n')
    assert (tmp_path / 'new/a.txt').read_bytes() == b'caf\xc3\xa9\n'
    assert [path.name for path in (tmp_path / 'new').iterdir()] == ['a.txt']


def test_nothing_is_replaced_unasked(tmp_path):
    write_text(tmp_path / 'a.txt', 'first')
    with pytest.raises(FileExistsError, match=r'a\.txt exists; name another place or pass --overwrite'):
        write_text(tmp_path / 'a.txt', 'second')
    assert (tmp_path / 'a.txt').read_text() == 'first'
    write_text(tmp_path / 'a.txt', 'second', overwrite=True)
    assert (tmp_path / 'a.txt').read_text() == 'second'


def test_files_that_nobody_asked_for_do_not_matter(tmp_path):
    refuse_existing(None, tmp_path / 'none')
    with pytest.raises(FileExistsError):
        refuse_existing(None, tmp_path)
