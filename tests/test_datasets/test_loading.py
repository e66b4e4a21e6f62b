from pathlib import Path

import numpy as np
import pytest

from schanger_mm.datasets import DatasetError
from schanger_mm.datasets.transforms import LoadBiTemporalImages, LoadChangeLabel, LoadImage


@pytest.fixture
def sample(pairs):
    root = pairs()
    return dict(img_path=[str(root / 'A' / '1.png'), str(root / 'B' / '1.png')],
                seg_map_path=str(root / 'label' / '1.png'), seg_fields=[], format_seg_map='to_binary')


def test_both_dates_are_loaded_in_order(sample, picture):
    results = LoadBiTemporalImages()(dict(sample))
    np.testing.assert_array_equal(results['img'][0], picture(seed=0))
    np.testing.assert_array_equal(results['img'][1], picture(seed=100))
    assert results['img_shape'] == results['ori_shape'] == (12, 16)


def test_dates_of_different_size_are_named_with_their_sizes(sample, write, picture):
    write(Path(sample['img_path'][1]), picture(12, 20))
    with pytest.raises(DatasetError, match=r'A/1\.png is 16x12, .*B/1\.png is 20x12'):
        LoadBiTemporalImages()(sample)


@pytest.mark.parametrize('paths', ['one.png', ['one.png'], ['a.png', 'b.png', 'c.png']])
def test_anything_but_two_files_is_refused(paths):
    with pytest.raises(DatasetError, match='expected a list of two files'):
        LoadBiTemporalImages()(dict(img_path=paths))


def test_one_date_for_pre_training(sample, picture):
    results = LoadImage()(dict(img_path=sample['img_path'][0]))
    np.testing.assert_array_equal(results['img'], picture(seed=0))
    assert results['ori_shape'] == (12, 16)


def test_label_is_0_and_1_and_listed_as_a_segmentation_field(sample):
    results = LoadChangeLabel()(LoadBiTemporalImages()(sample))
    assert results['seg_fields'] == ['gt_seg_map']
    assert results['gt_seg_map'].dtype == np.uint8
    assert results['gt_seg_map'].sum() == 3 * 7 and results['gt_seg_map'][0:3, 2:9].all()


def test_label_of_another_size_than_the_image(sample):
    with pytest.raises(DatasetError, match=r'label/1\.png: expected .* 8x9 \(width x height\), found 16x12'):
        LoadChangeLabel()(dict(sample, ori_shape=(9, 8)))


def test_threshold_of_the_transform_goes_before_that_of_the_data_set(sample):
    assert LoadChangeLabel(label_threshold=255)(dict(sample, label_threshold=1))['gt_seg_map'].sum() == 21


def test_label_map_of_chosen_classes_is_applied(sample):
    label = LoadChangeLabel()(dict(sample, label_map={0: 255, 1: 0}))['gt_seg_map']
    assert set(np.unique(label)) == {0, 255} and (label == 0).sum() == 21


def test_sample_without_label_is_an_error(sample):
    del sample['seg_map_path']
    with pytest.raises(DatasetError, match='pipeline without LoadChangeLabel'):
        LoadChangeLabel()(sample)


def test_other_label_forms_are_refused(sample):
    with pytest.raises(DatasetError, match="expected 'to_binary', found 'to_onehot'"):
        LoadChangeLabel()(dict(sample, format_seg_map='to_onehot'))
