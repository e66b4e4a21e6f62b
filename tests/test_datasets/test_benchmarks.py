"""The published data sets, from folders laid out as their archives are."""

import numpy as np
import pytest
from mmengine.registry import DATASETS

from schanger_mm.datasets import DatasetError, GZCDDataset, LEVIRCDDataset, LEVIRCDPlusDataset

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
