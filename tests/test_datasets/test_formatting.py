import numpy as np
import pytest
import torch

from schanger_mm.datasets.transforms import PackBiTemporalInputs


def sample(**changes):
    a = np.zeros((4, 6, 3), np.uint8) + np.array([1, 2, 3], np.uint8)
    return dict(dict(
        img=[a, a + 10], img_path=['a.png', 'b.png'], seg_map_path='m.png',
        ori_shape=(4, 6), img_shape=(4, 6), gt_seg_map=np.eye(4, 6, dtype=np.uint8),
        seg_fields=['gt_seg_map']), **changes)


def test_date_a_comes_first_on_channels():
    packed = PackBiTemporalInputs()(sample())
    assert packed['inputs'].dtype == torch.uint8 and packed['inputs'].shape == (6, 4, 6)
    assert packed['inputs'][:, 0, 0].tolist() == [1, 2, 3, 11, 12, 13]


def test_label_and_metainfo():
    packed = PackBiTemporalInputs()(sample(flip=True, flip_direction='diagonal'))['data_samples']
    assert packed.gt_sem_seg.data.dtype == torch.int64
    assert torch.equal(packed.gt_sem_seg.data, torch.eye(4, 6, dtype=torch.int64)[None])
    expected = dict(
        img_path=['a.png', 'b.png'], seg_map_path='m.png', ori_shape=(4, 6), img_shape=(4, 6),
        pad_shape=(4, 6), scale_factor=(1.0, 1.0), flip=True, flip_direction='diagonal')
    assert {key: packed.metainfo[key] for key in expected} == expected



def test_input_is_left_alone():
    results = sample()
    PackBiTemporalInputs()(results)
    assert isinstance(results['img'], list) and 'pad_shape' not in results


@pytest.mark.parametrize('changes', [
    dict(img=[np.zeros((4, 6, 3), np.uint8), np.zeros((4, 5, 3), np.uint8)]),
    dict(gt_seg_map=np.zeros((4, 5), np.uint8)),
])
def test_different_sizes_are_refused(changes):
    with pytest.raises(ValueError, match=r'expected one size.*\(4, 5'):
        PackBiTemporalInputs()(sample(**changes))


def test_single_image_is_refused():
    with pytest.raises(ValueError, match=r'mmseg\.PackSegInputs'):
        PackBiTemporalInputs()(sample(img=np.zeros((4, 6, 3), np.uint8)))


def test_pair_without_label():
    results = sample(seg_fields=[])
    del results['gt_seg_map']
    assert 'gt_sem_seg' not in PackBiTemporalInputs()(results)['data_samples']
