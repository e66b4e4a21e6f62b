import numpy as np
import pytest
from mmengine.registry import DATASETS

from schanger_mm.datasets import BuildingDataset, DatasetError, InriaDataset


@pytest.fixture
def root(tmp_path, write, picture):
    for i in range(3):
        write(tmp_path / 'images' / f'{i}.jpg', picture(seed=i))
        write(tmp_path / 'gt' / f'{i}.png', np.full((12, 16), 255 * (i % 2), np.uint8))
    return tmp_path


def test_raw_sample_is_mmsegs(root):
    dataset = DATASETS.build(dict(type='BuildingDataset', data_root=str(root)))
    assert isinstance(dataset, BuildingDataset)
    assert dataset.get_data_info(2) == dict(
        img_path=f'{root}/images/2.jpg', seg_map_path=f'{root}/gt/2.png', label_map=None,
        reduce_zero_label=False, seg_fields=[], sample_idx=2, name='2')
    assert dataset.metainfo['classes'] == ('background', 'building')


def test_masks_are_loaded_as_0_and_1(root):
    pipeline = [dict(type='LoadImage'), dict(type='LoadChangeLabel'), dict(type='mmseg.PackSegInputs')]
    packed = BuildingDataset(data_root=str(root), pipeline=pipeline)[1]
    assert packed['inputs'].shape == (3, 12, 16)
    assert (packed['data_samples'].gt_sem_seg.data == 1).all()


def test_mask_without_image_is_reported(root):
    (root / 'images' / '1.jpg').unlink()
    with pytest.raises(DatasetError, match=r'1 missing in .*images \(img_path\): 1'):
        BuildingDataset(data_root=str(root))


def test_inria_says_where_it_is_from(tmp_path):
    with pytest.raises(FileNotFoundError, match=r'project\.inria\.fr/aerialimagelabeling'):
        InriaDataset(data_root=str(tmp_path / 'none'))
