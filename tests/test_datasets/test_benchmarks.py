"""The published data sets, from folders laid out as their archives are."""

import logging

import numpy as np
import pytest
from mmengine.registry import DATASETS

from schanger_mm.datasets import DatasetError, GZCDDataset, LEVIRCDDataset, LEVIRCDPlusDataset, benchmarks
from schanger_mm.datasets.benchmarks import Split

#: class, folders of A, B and masks inside a split, suffixes of images and masks, tiles of the official test split
LAYOUTS = [
    ('LEVIRCDDataset', ('A', 'B', 'label'), '.png', '.png', 2048),
    ('LEVIRCDPlusDataset', ('A', 'B', 'label'), '.png', '.png', 5568),
    ('S2LookingDataset', ('Image1', 'Image2', 'label'), '.png', '.png', 16000),
    ('CDDDataset', ('A', 'B', 'OUT'), '.jpg', '.jpg', 3000),
    ('SYSUCDDataset', ('time1', 'time2', 'label'), '.png', '.png', 4000),
    ('WHUCDDataset', ('A', 'B', 'label'), '.tif', '.png', 2760),
]


@pytest.fixture
def unpacked(tmp_path, write, picture):
    """Write two pairs into each of the folders (A, B, masks) of some splits; return the root."""
    def make(folders, image, mask, splits=('train', 'val', 'test')):
        label = np.zeros((16, 16), np.uint8)
        label[4:12, 4:12] = 255
        for split in splits:
            for index in (0, 1):
                for folder, suffix, array in zip(folders, (image, image, mask), (picture(16), picture(16), label)):
                    write(tmp_path / split / folder / f'pair_{index}{suffix}', array)
        return str(tmp_path)
    return make


@pytest.fixture
def logged(monkeypatch):
    """What the data sets log, with its level."""
    lines = []
    monkeypatch.setattr(benchmarks, 'print_log', lambda text, logger, level: lines.append((text, logger, level)))

    def messages():
        assert {entry[1:] for entry in lines} <= {('current', logging.WARNING)}
        return [entry[0] for entry in lines]
    return messages


@pytest.mark.parametrize('name, folders, image, mask, tiles', LAYOUTS)
def test_archive_is_read_as_it_unpacks(unpacked, name, folders, image, mask, tiles):
    root = unpacked(folders, image, mask)
    dataset = DATASETS.build(dict(type=name, data_root=root, split='test', pipeline=[dict(type='LoadChangeLabel')]))
    sample = dataset.get_data_info(1)
    assert sample['img_path'] == [f'{root}/test/{folder}/pair_1{image}' for folder in folders[:2]]
    assert sample['seg_map_path'] == f'{root}/test/{folders[2]}/pair_1{mask}'
    assert dataset[0]['gt_seg_map'].sum() == 64
    assert dataset.metainfo['official_tiles'] == tiles
    assert dataset.metainfo['split'] == 'test' and dataset.metainfo['data_set'].startswith(name[:3])


def test_validation_of_levir_plus_is_held_out_of_train_by_lists(unpacked, tmp_path):
    root = unpacked(('A', 'B', 'label'), '.png', '.png', splits=('train', 'test'))
    with pytest.raises(FileNotFoundError, match=r'no list file .*splits/val\.txt\n(.*\n)*.*DIR/train/A --val 64'):
        LEVIRCDPlusDataset(data_root=root, split='val')
    (tmp_path / 'splits').mkdir()
    for split, line in (('train', 'pair_1'), ('val', 'pair_0')):
        (tmp_path / f'splits/{split}.txt').write_text(line)
        dataset = LEVIRCDPlusDataset(data_root=root, split=split)
        assert [dataset.get_data_info(i)['name'] for i in range(len(dataset))] == [line]
        assert dataset.metainfo['official_tiles'] is None
    assert len(LEVIRCDPlusDataset(data_root=root, split='train', ann_file='')) == 2


def test_gz_is_one_folder_and_three_lists(unpacked, tmp_path):
    root = unpacked(('A', 'B', 'label'), '.png', '.png', splits=('.', ))
    (tmp_path / 'splits').mkdir()
    (tmp_path / 'splits/test.txt').write_text('pair_1')
    dataset = GZCDDataset(data_root=root, split='test')
    assert len(dataset) == 1 and dataset.metainfo['official_tiles'] is None
    with pytest.raises(FileNotFoundError, match='--group-by'):
        GZCDDataset(data_root=root, split='train')


def test_lossy_masks_of_cdd_are_thresholded(unpacked, tmp_path, write):
    root = unpacked(('A', 'B', 'OUT'), '.jpg', '.jpg', splits=('train', ))
    grey = np.full((16, 16), 3, np.uint8)
    grey[:, 8:] = 250
    write(tmp_path / 'train/OUT/pair_1.jpg', grey)
    cdd = dict(type='CDDDataset', data_root=root, split='train', pipeline=[dict(type='LoadChangeLabel')])
    assert DATASETS.build(cdd)[1]['gt_seg_map'].sum() == 128
    with pytest.raises(DatasetError, match='label_threshold=128'):
        LEVIRCDDataset(data_root=root, data_prefix=dict(
            img_path_from='train/A', img_path_to='train/B', seg_map_path='train/OUT'))


def test_split_is_one_of_three_and_not_beside_data_prefix(unpacked):
    root = unpacked(('A', 'B', 'label'), '.png', '.png')
    with pytest.raises(ValueError, match="expected one of train, val, test, found 'tset'"):
        LEVIRCDDataset(data_root=root, split='tset')
    with pytest.raises(ValueError, match="`split='test'` names the folders"):
        LEVIRCDDataset(data_root=root, split='test', data_prefix=dict(img_path_from='A', img_path_to='B'))


def test_folders_named_by_hand_claim_no_official_split(unpacked):
    root = unpacked(('A', 'B', 'label'), '.png', '.png')
    dataset = LEVIRCDDataset(data_root=root, data_prefix=dict(
        img_path_from='test/A', img_path_to='test/B', seg_map_path='test/label'))
    assert len(dataset) == 2 and dataset.metainfo['official_tiles'] is None and dataset.metainfo['split'] is None


def test_the_threshold_of_cdd_can_be_switched_off(unpacked, tmp_path, write):
    root = unpacked(('A', 'B', 'OUT'), '.jpg', '.png', splits=('train', ))
    write(tmp_path / 'train/OUT/pair_1.png', np.eye(16, dtype=np.uint8))
    cdd = dict(type='CDDDataset', data_root=root, split='train', pipeline=[dict(type='LoadChangeLabel')])
    with pytest.raises(DatasetError, match='label_threshold=128 would leave nothing.*`label_threshold=None`'):
        DATASETS.build(cdd)
    exact = DATASETS.build(dict(cdd, label_threshold=None))
    assert exact[1]['gt_seg_map'].sum() == 16 and 'label_threshold' not in exact.get_data_info(1)
    with pytest.raises(ValueError, match="CDDDataset.label_threshold: expected 'default', None or .*found 'none'"):
        DATASETS.build(dict(cdd, label_threshold='none'))


def test_an_incomplete_archive_is_said_once(unpacked, logged):
    root = unpacked(('A', 'B', 'label'), '.png', '.png')
    dataset = LEVIRCDDataset(data_root=root, split='train')
    assert len(dataset) == 2 and logged() == [f'LEVIRCDDataset: 2 of the 445 official pairs of LEVIR-CD train, in '
                                              f'{root}/train']


def test_a_list_or_folders_of_ones_own_claim_no_complete_archive(unpacked, tmp_path, logged, monkeypatch):
    root = unpacked(('A', 'B', 'label'), '.png', '.png')
    (tmp_path / 'some.txt').write_text('pair_1')
    LEVIRCDDataset(data_root=root, split='train', ann_file='some.txt')
    LEVIRCDDataset(data_root=root, data_prefix=dict(img_path_from='train/A', img_path_to='train/B',
                                                    seg_map_path='train/label'))
    monkeypatch.setitem(LEVIRCDDataset.SPLITS, 'val', Split('val', 2))
    LEVIRCDDataset(data_root=root, split='val')
    assert logged() == []


def test_more_pairs_than_official_are_said_too(unpacked, logged, monkeypatch):
    root = unpacked(('A', 'B', 'label'), '.png', '.png')
    monkeypatch.setitem(LEVIRCDDataset.SPLITS, 'val', Split('val', 1))
    LEVIRCDDataset(data_root=root, split='val')
    assert logged() == [f'LEVIRCDDataset: 2 pairs where LEVIR-CD val officially has 1, in {root}/val']


def test_tiles_of_gz_do_not_overlap_by_the_hint(tmp_path):
    with pytest.raises(FileNotFoundError, match=r'schanger tile UNPACKED DIR --size 256 --drop-edge\n'):
        GZCDDataset(data_root=str(tmp_path / 'none'), split='train')
