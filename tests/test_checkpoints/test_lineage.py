import json

import numpy as np
import pytest
import torch

from schanger_mm.checkpoints import CheckpointError, read_checkpoint
from schanger_mm.checkpoints.convert import write_weights
from schanger_mm.checkpoints.lineage import (
    LINEAGE,
    TrainedOn,
    pack,
    read_lineage,
    without_folders,
    write_lineage,
)
from schanger_mm.checkpoints.publish import publish

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
