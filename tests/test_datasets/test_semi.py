"""Labelled and unlabelled pairs in one data set, and the mistakes in their lists."""

import shutil

import cv2
import numpy as np
import pytest

from schanger_mm.datasets import SemiDataset, base
from schanger_mm.utils.errors import DatasetError, MissingFileError, SettingError

LOAD = [dict(type='LoadBiTemporalImages'), dict(type='LoadChangeLabel'), dict(type='PackBiTemporalInputs')]
VIEWS = [dict(type='LoadBiTemporalImages'), dict(type='LoadTruth'), dict(type='AddIgnoreMask'),
         dict(type='StrongViews', transforms=[dict(type='GaussianNoise')]), dict(type='PackViews')]


@pytest.fixture
def pairs(tmp_path):
    """Write five pairs with labels, of which a list names two, and return the configs of both parts."""
    rng = np.random.default_rng(0)
    for folder in ('A', 'B', 'label'):
        (tmp_path / folder).mkdir()
    for index in range(5):
        for folder in ('A', 'B'):
            cv2.imwrite(str(tmp_path / folder / f'{index}.png'), rng.integers(0, 255, (16, 16, 3)).astype(np.uint8))
        cv2.imwrite(str(tmp_path / f'label/{index}.png'), 255 * rng.integers(0, 2, (16, 16)).astype(np.uint8))
    lists = dict(labelled_40='0 3', unlabelled='1 2 4', train='0 1 2 3 4', one='0')
    for name, stems in lists.items():
        (tmp_path / f'{name}.txt').write_text(stems.replace(' ', '\n'))

    def build(labelled=(), unlabelled=(), **kwargs):
        both = dict(type='FolderCDDataset', data_root=str(tmp_path))
        return SemiDataset(dict(both, ann_file='labelled_40.txt', pipeline=LOAD, **dict(labelled)),
                           dict(dict(both, ann_file='unlabelled.txt', pipeline=VIEWS), **dict(unlabelled)), **kwargs)

    return build, tmp_path


def names(dataset, part):
    return [dataset.datasets[part].get_data_info(i)['name'] for i in range(len(dataset.datasets[part]))]


def test_the_labelled_pairs_come_first(pairs):
    dataset = pairs[0]()
    assert dataset.sizes == (2, 3) and len(dataset) == 5
    assert dataset[1]['inputs'].shape == (6, 16, 16) and dataset[1]['data_samples'].gt_sem_seg.data.max() == 1
    views = dataset[2]
    assert views['inputs'].shape == (3, 6, 16, 16) and views['data_samples'].name == '1'
    assert 'seg_map_path' not in dataset.datasets[1].get_data_info(0)


def test_labels_of_the_unlabelled_part_are_never_opened(pairs, monkeypatch):
    build, folder = pairs
    opened = []
    monkeypatch.setattr(base, 'read_label', lambda path, *args: opened.append(path) or np.ones((1, 1), np.uint8))
    for index in (1, 2, 4):
        (folder / f'label/{index}.png').write_bytes(b'nothing that could be read')
    dataset = build()
    samples = [dataset[index] for index in range(2, 5)]
    assert all('truth' not in sample['data_samples'] for sample in samples)
    assert sorted(opened) == [str(folder / f'label/{index}.png') for index in (0, 3)]


def test_labels_of_the_unlabelled_part_may_be_read_for_the_log(pairs):
    build, folder = pairs
    dataset = build(unlabelled=dict(labelled=True))
    sample = dataset[2]['data_samples']
    truth = cv2.imread(str(folder / 'label/1.png'), cv2.IMREAD_GRAYSCALE)
    assert np.array_equal(sample.truth.data[0].numpy(), truth // 255)
    assert not sample.gt_sem_seg.data.any()


def test_percent_chooses_the_list(pairs):
    build, _ = pairs
    dataset = build(labelled=(), percent=None)
    assert names(dataset, 0) == ['0', '3']
    parts = dict(type='FolderCDDataset', data_root=str(pairs[1]))
    by_percent = dict(parts, ann_file='labelled_{percent}.txt', pipeline=LOAD)
    unlabelled = dict(parts, ann_file='train.txt', pipeline=VIEWS)
    dataset = SemiDataset(by_percent, unlabelled, percent=40, without_labelled=True)
    assert names(dataset, 0) == ['0', '3'] and names(dataset, 1) == ['1', '2', '4'] and len(dataset) == 5
    with pytest.raises(MissingFileError, match=r'no list file .*labelled_30\.txt'):
        SemiDataset(by_percent, unlabelled, percent=30)
    with pytest.raises(SettingError, match=r'percent=None: expected a number together with \{percent\}'):
        SemiDataset(by_percent, unlabelled)
    with pytest.raises(SettingError, match=r"percent=5: .*found 'train\.txt'"):
        SemiDataset(unlabelled, unlabelled, percent=5)


def test_a_pair_in_both_lists_is_found_by_path_and_by_content(pairs):
    build, folder = pairs
    with pytest.raises(DatasetError, match=r'2 pairs are both labelled and unlabelled: .*/A/0\.png \+ .*/B/0\.png; '
                                           r'.*without_labelled=True'):
        build(unlabelled=dict(ann_file='train.txt'))
    other = folder / 'copies'
    for date in ('A', 'B'):
        (other / date).mkdir(parents=True)
        shutil.copy(folder / date / '3.png', other / date / 'renamed.png')
        shutil.copy(folder / date / '1.png', other / date / 'new.png')
    copies = dict(data_root=str(other), ann_file='')
    with pytest.raises(DatasetError, match=r'1 pairs are both labelled and unlabelled: .*renamed\.png'):
        build(unlabelled=copies)
    assert names(build(unlabelled=copies, without_labelled=True), 1) == ['new']
    shutil.copy(folder / 'B/1.png', other / 'B/renamed.png')  # one date alone is no labelled pair
    assert build(unlabelled=copies).sizes == (2, 2)


def test_a_pair_in_both_lists_is_found_with_its_dates_exchanged(pairs):
    build, folder = pairs
    exchanged = dict(ann_file='train.txt', before='B', after='A')
    with pytest.raises(DatasetError, match=r'2 pairs are both labelled and unlabelled: .*/B/0\.png \+ .*/A/0\.png; '):
        build(unlabelled=exchanged)
    assert names(build(unlabelled=exchanged, without_labelled=True), 1) == ['1', '2', '4']
    for name, of in (('A', 'B'), ('B', 'A')):
        (folder / 'copies' / name).mkdir(parents=True)
        shutil.copy(folder / of / '3.png', folder / 'copies' / name / 'renamed.png')
    with pytest.raises(DatasetError, match=r'1 pairs are both labelled and unlabelled: .*renamed\.png'):
        build(unlabelled=dict(data_root=str(folder / 'copies'), ann_file=''))


def test_no_unlabelled_pair_and_labels_missing(pairs):
    build, folder = pairs
    with pytest.raises(DatasetError, match='expected one unlabelled pair or more, found none besides the 1 labelled'):
        build(unlabelled=dict(ann_file='one.txt'), without_labelled=True)
    with pytest.raises(SettingError, match='seg_map_path: expected the folder of the labels'):
        build(labelled=dict(label=None))
    for no_labels in (dict(labelled=False), dict(label=None, test_mode=True)):
        with pytest.raises(DatasetError, match=r'SemiDataset\.labelled: expected pairs with labels, found 2 pairs wit'):
            build(labelled=no_labels)
    (folder / 'label/3.png').unlink()
    with pytest.raises(DatasetError, match=r'1 names of .*labelled_40\.txt have no file'):
        build()


def test_dates_of_different_size_are_an_error_in_the_unlabelled_part_too(pairs):
    build, folder = pairs
    cv2.imwrite(str(folder / 'B/4.png'), np.zeros((16, 18, 3), np.uint8))
    with pytest.raises(DatasetError, match=r'(?s)1 samples have images or labels of different size .*4\.png is 18x16'):
        build()
