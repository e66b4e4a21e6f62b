import pytest
import torch

from schanger_mm.checkpoints import CheckpointError
from schanger_mm.checkpoints.claims import check_claims


@pytest.mark.parametrize('legacy', [False, True])
def test_what_torch_saves_claims_no_more_than_it_has(legacy, tmp_path):
    base = torch.arange(12, dtype=torch.float64)
    torch.save({'a': base[3:], 'b': base.view(3, 4), 'c': torch.zeros(0), 'd': torch.ones(2, dtype=torch.bfloat16),
                'e': torch.nn.Parameter(torch.ones(3))}, tmp_path / 'a.pth', _use_new_zipfile_serialization=not legacy)
    check_claims(tmp_path / 'a.pth')


@pytest.mark.parametrize('name, message', [
    ('claims_storage.pth', "a tensor claims 10,000,000,000 bytes of memory '0' and the file has 8"),
    ('claims_legacy.pth', "a tensor claims 10,000,000,000 bytes of memory '0'"),
])
def test_more_is_refused_before_torch_sees_it(attacks, name, message):
    with pytest.raises(CheckpointError, match=message):
        check_claims(attacks[name])
