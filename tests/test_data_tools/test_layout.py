import pytest

from schanger_mm.data_tools.layout import find_splits
from schanger_mm.datasets import DatasetError


def folders(root, *names):
    for name in names:
        (root / name).mkdir(parents=True)
    return root


def names(split):
    return {role: folder.name for role, folder in split.folders.items()}


@pytest.mark.parametrize('archive', [('A', 'B', 'label'), ('Image1', 'Image2', 'label'), ('A', 'B', 'OUT'),
                                     ('time1', 'time2', 'label'), ('t1', 't2', 'mask'), ('a', 'b', 'GT')])
def test_folders_of_the_published_archives_are_found(tmp_path, archive):
    for split in ('val', 'test', 'train', 'extra'):
        folders(tmp_path / split, *archive)
    found = find_splits(folders(tmp_path, 'lists'))
    assert [split.name for split in found] == ['train', 'val', 'test', 'extra']
    assert all(names(split) == dict(zip(('before', 'after', 'label'), archive)) for split in found)


def test_a_root_without_splits_is_one_split(tmp_path):
    root = folders(tmp_path / 'whu', 'A', 'B', 'label')
    assert [split.name for split in find_splits(root)] == ['whu']
    assert find_splits(root, ['none']) == find_splits(root)


def test_single_images_are_found_where_there_are_no_pairs(tmp_path):
    one = dict(image='images', label='gt')
    for options in ({}, dict(single=True), dict(names=['none']), dict(given=dict(image='images'), single=True)):
        split, = find_splits(folders(tmp_path / str(len(options)) / next(iter(options), ''), 'images', 'gt'), **options)
        assert names(split) == one
    for split in ('train', 'val'):
        folders(tmp_path / 'set' / split, 'images', 'gt')
    assert [names(split) for split in find_splits(tmp_path / 'set')] == [one, one]
    folders(tmp_path / 'set/train', 'A', 'B')
    assert names(*find_splits(tmp_path / 'set')) == dict(before='A', after='B', label='gt')
    assert [names(split) for split in find_splits(tmp_path / 'set', single=True)] == [one, one]


def test_folders_by_name(tmp_path):
    folders(tmp_path / 'train', '2019/rgb', '2023/rgb', 'change')
    split, = find_splits(tmp_path, given=dict(before='2019/rgb', after='2023/rgb', label='change', image=None))
    assert split.folders['after'] == tmp_path / 'train/2023/rgb' and split.folders['label'].name == 'change'


def test_labels_can_be_left_out(tmp_path):
    split, = find_splits(folders(tmp_path, 'A', 'B'), given=dict(label='none'))
    assert names(split) == dict(before='A', after='B')


@pytest.mark.parametrize('there, arguments, message', [
    (['x', 'y'], {}, 'expected the folders A and B, or Image1 and Image2.*sub-folders x, y.*--before and --after'),
    (['A', 'B'], {}, r'expected one folder of labels \(label, OUT.*sub-folders A, B.*--label'),
    (['A', 'B', 'label', 'OUT'], {}, 'expected one folder of labels.*found label and OUT'),
    (['A', 'B', 'label', 'train/A', 'train/B', 'train/label'], {}, 'both it and train in it contain images'),
    (['A', 'B', 'label'], dict(given=dict(before='A')), '--after is missing'),
    (['A', 'B', 'label'], dict(given=dict(label='masks')), r'one folder of labels \(masks\)'),
    (['A', 'B', 'label'], dict(given=dict(before='2019', after='2023')), 'expected the folders 2019 and 2023'),
    (['train/A'], dict(names=['train']), 'expected the folders A and B'),
])
def test_what_cannot_be_found_is_said(tmp_path, there, arguments, message):
    with pytest.raises(DatasetError, match=message):
        find_splits(folders(tmp_path, *there), **arguments)


def test_a_split_that_is_not_there_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match='no folder .*dev; it has the sub-folders train'):
        find_splits(folders(tmp_path, 'train/A', 'train/B', 'train/label'), ['train', 'dev'])
    with pytest.raises(FileNotFoundError, match='no folder .*nowhere'):
        find_splits(tmp_path / 'nowhere')
