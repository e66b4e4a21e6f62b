import argparse
import json

import numpy as np
import pytest
import torch

from schanger_mm.checkpoints import CheckpointError, read_checkpoint
from schanger_mm.checkpoints.convert import convert_file, network, write_weights
from schanger_mm.checkpoints.lineage import (
    LINEAGE,
    TrainedOn,
    pack,
    read_lineage,
    without_folders,
    write_lineage,
)
from schanger_mm.checkpoints.publish import publish
from schanger_mm.checkpoints.quarantine import to_safetensors

SEEN = TrainedOn(training='levir', model='SiameseEncoderDecoder', labels=True, data_set='LEVIRCDDataset',
                 data_root='/data/LEVIR-CD', split='train', list_sha256='', images=3, digests=pack([5, 2 ** 64 - 1, 5]))


def test_digests_come_back():
    numbers = np.random.default_rng(0).integers(0, 2 ** 64, 500, dtype=np.uint64).tolist()
    entry = TrainedOn(**{**vars(SEEN), 'digests': pack(numbers)})
    assert entry.known() == set(numbers) and SEEN.known() == {5, 2 ** 64 - 1}
    assert TrainedOn(**{**vars(SEEN), 'digests': ''}).known() == set()


@pytest.mark.parametrize('suffix', ['.pth', '.safetensors'])
def test_it_is_written_beside_weights(tmp_path, suffix):
    path = tmp_path / f'weights{suffix}'
    write_weights(path, {'a': torch.ones(2)}, meta={LINEAGE: write_lineage([SEEN, SEEN])})
    read = read_checkpoint(path)
    assert read_lineage(read.content) == [SEEN] and torch.equal(read.weights['a'], torch.ones(2))
    write_weights(path, {'a': torch.ones(2)}, overwrite=True)
    assert read_lineage(read_checkpoint(path).content) == []


@pytest.mark.parametrize('suffix', ['.pth', '.safetensors'])
def test_conversion_there_and_back_keeps_it(tmp_path, suffix):
    ours, theirs, again = tmp_path / f'ours{suffix}', tmp_path / f'theirs{suffix}', tmp_path / f'again{suffix}'
    write_weights(ours, network((8, 8, 12, 16, 20, 24), 2).state_dict(), meta={LINEAGE: write_lineage([SEEN])})
    convert_file(str(ours), str(theirs), back=True)
    convert_file(str(theirs), str(again))
    assert read_lineage(read_checkpoint(theirs).content) == read_lineage(read_checkpoint(again).content) == [SEEN]
    assert read_checkpoint(again).weights.keys() == read_checkpoint(ours).weights.keys()


@pytest.mark.parametrize('beside', [{}, dict(args=argparse.Namespace(lr=0.1))])
def test_plain_weights_keep_it_also_of_a_file_that_had_to_be_unpickled(tmp_path, beside):
    meta = {LINEAGE: write_lineage([SEEN]), 'iter': 3}
    torch.save(dict(state_dict={'a': torch.ones(2)}, meta=meta, **beside), tmp_path / 'a.pth')
    said = to_safetensors(tmp_path / 'a.pth', tmp_path / 'a.safetensors', trust=bool(beside))
    assert '1 tensors and the lineage of' in said
    assert read_checkpoint(tmp_path / 'a.safetensors').meta == {LINEAGE: write_lineage([SEEN])}


def test_an_unpickled_file_whose_lineage_is_damaged_is_refused(tmp_path):
    torch.save(dict(state_dict={'a': torch.ones(2)}, meta={LINEAGE: argparse.Namespace()}), tmp_path / 'a.pth')
    with pytest.raises(CheckpointError, match=r'a\.pth: its lineage .* is damaged'):
        to_safetensors(tmp_path / 'a.pth', tmp_path / 'a.safetensors', trust=True)
    assert not (tmp_path / 'a.safetensors').exists()


@pytest.mark.parametrize('content', [
    {}, dict(state_dict={}), dict(meta=None), dict(meta=[]), dict(meta=dict(cfg='', iter=3))])
def test_a_checkpoint_of_an_earlier_version_has_none(content):
    assert read_lineage(content) == []


@pytest.mark.parametrize('found', [
    3, 'text', [3], [{}], [vars(SEEN) | dict(more=1)], [vars(SEEN) | dict(digests='???')],
    [vars(SEEN) | dict(labels=1)], [vars(SEEN) | dict(images='3')], [vars(SEEN) | dict(digests=None)]])
def test_a_damaged_one_is_refused(found):
    with pytest.raises(CheckpointError, match=r"a\.pth: its lineage .* is damaged: .*Remove meta\['lineage'\]"):
        read_lineage(dict(meta={LINEAGE: found}), 'a.pth')


def test_a_published_file_keeps_it_without_folders(tmp_path):
    torch.save(dict(state_dict={'a': torch.ones(2)}, meta={LINEAGE: write_lineage([SEEN])}), tmp_path / 'a.pth')
    publish(tmp_path / 'a.pth', tmp_path / 'out/a')
    published = next((tmp_path / 'out').glob('*.safetensors'))
    assert read_lineage(read_checkpoint(published).content) == without_folders([SEEN])
    assert b'/data/LEVIR-CD' not in published.read_bytes()
    assert 'data_root' not in json.loads(next((tmp_path / 'out').glob('*.json')).read_text())
