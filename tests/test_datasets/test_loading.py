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


@pytest.mark.parametrize('loader', [LoadImage, LoadBiTemporalImages, LoadChangeLabel])
def test_cache_changes_no_sample(sample, tmp_path, loader):
    if loader is LoadImage:
        sample['img_path'] = sample['img_path'][0]
    expected = loader()(dict(sample))
    step = loader(cache_dir=str(tmp_path / 'cache'), max_gib=1)
    for _ in range(2):
        results = step(dict(sample))
        assert results.keys() == expected.keys()
        for key in results.keys() & {'img', 'gt_seg_map'}:
            np.testing.assert_array_equal(results[key], expected[key])
            assert all(array.flags.writeable for array in results[key])
    assert len(list((tmp_path / 'cache').iterdir())) == (2 if loader is LoadBiTemporalImages else 1)


def test_without_cache_dir_nothing_is_written(sample, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.rglob('*'))
    LoadChangeLabel()(LoadBiTemporalImages()(sample))
    assert sorted(tmp_path.rglob('*')) == before


def test_cached_labels_of_two_thresholds_are_kept_apart(sample, tmp_path, write):
    write(Path(sample['seg_map_path']), np.array([[100, 150, 200]], np.uint8))
    for threshold, expected in [(128, [0, 1, 1]), (180, [0, 0, 1]), (128, [0, 1, 1])]:
        label = LoadChangeLabel(threshold, cache_dir=str(tmp_path / 'c'))(dict(sample))['gt_seg_map']
        np.testing.assert_array_equal(label, [expected])
    with pytest.raises(DatasetError, match='found 3 values'):
        LoadChangeLabel(cache_dir=str(tmp_path / 'c'))(dict(sample))


def test_grey_image_cached_for_one_loader_is_still_refused_by_another(tmp_path, write):
    path = str(write(tmp_path / 'g.png', np.zeros((4, 5), np.uint8)))
    LoadImage(allow_grey=True, cache_dir=str(tmp_path / 'c'))(dict(img_path=path))
    with pytest.raises(DatasetError, match='found 8-bit grey'):
        LoadImage(cache_dir=str(tmp_path / 'c'))(dict(img_path=path))


def test_corrupt_and_missing_files_are_named_with_a_cache_too(sample, tmp_path):
    step = LoadBiTemporalImages(cache_dir=str(tmp_path / 'c'))
    path = Path(sample['img_path'][1])
    data = path.read_bytes()
    path.write_bytes(data[:len(data) // 2])
    for _ in range(2):
        with pytest.raises(DatasetError, match=r'B/1\.png: truncated, corrupt'):
            step(dict(sample))
    path.unlink()
    with pytest.raises(DatasetError, match=r'B/1\.png: no such file'):
        step(dict(sample))


def test_cached_dates_of_different_size_are_still_refused(sample, tmp_path, write, picture):
    write(Path(sample['img_path'][1]), picture(12, 20))
    for _ in range(2):
        with pytest.raises(DatasetError, match='16x12, .* is 20x12'):
            LoadBiTemporalImages(cache_dir=str(tmp_path / 'c'))(dict(sample))


def test_cache_is_for_files_of_this_machine():
    with pytest.raises(ValueError, match=r"LoadImage\.cache_dir: expected none together with backend_args=.*'c'"):
        LoadImage(cache_dir='c', backend_args=dict(backend='local'))


def test_description_names_the_cache():
    assert repr(LoadImage()) == 'LoadImage(allow_grey=False, backend_args=None)'
    assert repr(LoadChangeLabel(cache_dir='c', max_gib=2)) == \
        "LoadChangeLabel(label_threshold=None, backend_args=None, cache_dir='c', max_gib=2)"


def test_ignored_pixels_are_255_with_and_without_a_cache(sample, tmp_path, write):
    mask = np.array(LoadChangeLabel()({**sample})['gt_seg_map'] * 255)
    mask[:2] = 128
    write(Path(sample['seg_map_path']), mask)
    for loader in (LoadChangeLabel(), LoadChangeLabel(cache_dir=str(tmp_path / 'cache'))):
        label = loader({**sample, 'label_ignore': 128})['gt_seg_map']
        assert (label[:2] == 255).all() and set(np.unique(label[2:])) <= {0, 1}
        with pytest.raises(DatasetError, match='label_ignore'):
            loader({**sample})
