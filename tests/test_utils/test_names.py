"""Names of files: leftovers, endings, lists and tables."""

import os

import pytest
from mmengine.fileio import list_dir_or_file

from schanger_mm.utils.errors import DatasetError
from schanger_mm.utils.names import is_leftover, join_suffixes, list_stems, read_names

KNOWN = {'p0', 'p1', 'a,b', 'x.tif'}


@pytest.fixture
def listed(tmp_path):
    def write(*lines):
        path = tmp_path / 'list.txt'
        path.write_text('\n'.join(lines), encoding='utf-8')
        return str(path)
    return write


@pytest.mark.parametrize('path', [
    '.ipynb_checkpoints/0-checkpoint.png', 'city/.ipynb_checkpoints/0.png', '@eaDir/0.png', '__MACOSX/A/0.png',
    '._0.png', 'city/._0.png', '#recycle/0.png', '$RECYCLE.BIN/0.png', 'lost+found/0.png'])
def test_leftovers(path, tmp_path):
    assert is_leftover(path)
    for name in (path, 'city/1.png', '#1.png', '@2.png'):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert sorted(list_stems(str(tmp_path))) == ['#1', '@2', 'city/1']


def test_a_data_folder_may_lie_in_a_hidden_one(tmp_path):
    (tmp_path / '.cache/A').mkdir(parents=True)
    (tmp_path / '.cache/A/0.png').touch()
    assert list(list_stems(str(tmp_path / '.cache/A'))) == ['0']


def test_a_folder_of_leftovers_alone_is_empty(tmp_path):
    (tmp_path / '.ipynb_checkpoints').mkdir()
    (tmp_path / '.ipynb_checkpoints/0.png').touch()
    with pytest.raises(DatasetError, match='found 0 other files'):
        list_stems(str(tmp_path))


def test_joined_suffixes():
    assert join_suffixes('_pre.png', ['_post.png', '_post.tif']) == ('_pre.png', '_post.png', '_post.tif')
    assert join_suffixes('_pre.png', None) is None


@pytest.mark.parametrize('split', ['train', 'Train', 'TRAIN'])
def test_a_split_is_found_in_upper_and_lower_case(listed, split):
    assert read_names(listed('p0,Train', 'p1,val', 'x.tif,train'), KNOWN, split=split) == ['p0', 'x.tif']


@pytest.mark.parametrize('line', ['"a,b",train', '"a,b.png", train', '"a,b"\ttrain', 'a,b\ttrain'])
def test_a_quoted_name_may_have_a_comma(listed, line):
    assert read_names(listed(line, 'p0,val'), KNOWN, split='train') == ['a,b']


def test_a_plain_list_takes_quotes(listed):
    assert read_names(listed('"a,b.png"', 'p0', '"x.tif"'), KNOWN) == ['a,b', 'p0', 'x.tif']
    assert read_names(listed('"p1"'), {'"p1"'}) == ['"p1"']


def test_a_comma_without_quotes_is_refused(listed):
    with pytest.raises(DatasetError, match='found 1 others: a,b,train. Put a name with a comma in double quotes'):
        read_names(listed('a,b,train'), KNOWN, split='train')


@pytest.mark.parametrize('second', ['p0.png,val', 'p0,val', '"p0",Val', 'p0.png\tval'])
def test_one_image_in_two_splits_is_refused(listed, second):
    with pytest.raises(DatasetError, match=r'1 names occur in more than one split: p0 \(train, val\)'):
        read_names(listed('p0,train', 'p1,train', second), KNOWN, split='train')


def test_names_end_in_the_given_suffixes(listed):
    path = listed('p0_pre.png', 'p1_post.png')
    assert read_names(path, KNOWN, ('_pre.png', '_post.png')) == ['p0', 'p1']


@pytest.mark.parametrize('backend_args', [None, dict(backend='local')])
def test_local_folders_are_listed_as_mmengine_does_leftovers_aside(tmp_path, backend_args):
    for name in ('a.png', 'b.PNG', 'city/c.tif', 'city/deep/d.jpg', '.hidden.png', '.folder/e.png', 'notes.txt'):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    os.symlink(tmp_path / 'city', tmp_path / 'link')
    found = list_stems(str(tmp_path), backend_args=backend_args)
    listed = set(list_dir_or_file(str(tmp_path), list_dir=False, recursive=True))
    assert set(found.values()) == {f'{tmp_path}/{name}' for name in listed - {'notes.txt', '.folder/e.png'}}
    assert {'a', 'b', 'city/c', 'city/deep/d', 'link/c'} <= found.keys() and '.hidden' not in found


@pytest.mark.parametrize('backend_args', [None, dict(backend='local')])
def test_lists_are_read_with_any_line_ends(tmp_path, backend_args):
    (tmp_path / 'list.txt').write_bytes(b'\xef\xbb\xbfa.png\r\n\nb\rc\x0cd\n')
    assert read_names(str(tmp_path / 'list.txt'), {'a', 'b'}, backend_args=backend_args) == ['a', 'b', 'c\x0cd']


def test_names_in_another_encoding_are_refused_at_the_start(tmp_path):
    for name in (b'caf\xe9.png', b'ok.png'):
        with open(bytes(tmp_path) + b'/' + name, 'wb'):
            pass
    with pytest.raises(DatasetError, match=r'names of 1 files are not UTF-8: caf\\xe9\.png\. Rename them, '):
        list_stems(str(tmp_path))
