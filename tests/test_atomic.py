import pytest

from schanger_mm.atomic import whole_file


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
