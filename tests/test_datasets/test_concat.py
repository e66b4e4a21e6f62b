"""Data sets one after the other."""

import numpy as np
import pytest
import torch
from mmengine.registry import DATASETS

from schanger_mm.datasets import ConcatDataset
from schanger_mm.datasets.samplers import Draw

PIPELINE = [
    dict(type='LoadBiTemporalImages'), dict(type='LoadChangeLabel'),
    dict(type='ForBothDates', transforms=[
        dict(type='mmseg.RandomCrop', crop_size=(24, 24)), dict(type='GaussianNoise')]),
    dict(type='PackBiTemporalInputs')]


@pytest.fixture
def part(fakes):
    def config(split, kind='LEVIRCDDataset'):
        return dict(type=kind, data_root=fakes(kind), split=split, pipeline=PIPELINE)
    return config


def test_two_splits_of_one_set(part):
    data = DATASETS.build(dict(type='ConcatDataset', datasets=[part('train'), part('val')]))
    assert isinstance(data, ConcatDataset) and len(data) == 4
    assert {key: data.metainfo[key] for key in ('data_set', 'split', 'official_tiles', 'classes')} == dict(
        data_set='LEVIR-CD', split='train + val', official_tiles=(445 + 64) * 16, classes=('unchanged', 'changed'))
    assert 'val/A' in data.get_data_info(3)['img_path'][0] and 'train/A' in data.get_data_info(1)['img_path'][0]


@pytest.mark.parametrize(('parts', 'data_set', 'tiles'), [
    ([('test', 'LEVIRCDDataset'), ('test', 'WHUCDDataset')], 'LEVIR-CD + WHU-CD', 2048 + 2760),
    ([('train', 'LEVIRCDDataset'), ('train', 'LEVIRCDDataset')], 'LEVIR-CD', None),
    ([('test', 'LEVIRCDDataset'), ('test', 'GZCDDataset')], 'LEVIR-CD + GZ-CD', None),
])
def test_two_sets(part, parts, data_set, tiles):
    data = ConcatDataset([part(*each) for each in parts])
    assert data.metainfo['data_set'] == data_set and data.metainfo['split'] == parts[0][0]
    assert data.metainfo['official_tiles'] == tiles


def test_other_metainfo_must_be_equal(part):
    other = dict(part('val'), metainfo=dict(palette=[[0, 0, 0], [9, 9, 9]]))
    with pytest.raises(ValueError, match='does not match meta information of the first dataset'):
        ConcatDataset([part('train'), other])
    assert ConcatDataset([part('train'), other], ignore_keys='palette').metainfo['palette'][1] == [255] * 3


def test_sets_that_claim_no_split(fakes):
    root = fakes('FolderCDDataset')
    folders = [dict(type='FolderCDDataset', data_root=root, before=f'{split}/A', after=f'{split}/B',
                    label=f'{split}/label') for split in ('train', 'val')]
    data = ConcatDataset(folders)
    assert len(data) == 4 and 'split' not in data.metainfo


def test_draws_keep_their_numbers_in_every_part(part):
    data = ConcatDataset([part('train'), part('val')])
    for index in (0, 3):
        first = data[Draw(index, 36, 8)]['inputs']
        np.random.seed(5)
        assert torch.equal(first, data[Draw(index, 36, 8)]['inputs'])
        assert not torch.equal(first, data[Draw(index, 36, 9)]['inputs'])
    lazy = ConcatDataset([part('train'), part('val')], lazy_init=True)
    assert len(lazy) == 4 and torch.equal(lazy[Draw(3, 36, 8)]['inputs'], data[Draw(3, 36, 8)]['inputs'])
