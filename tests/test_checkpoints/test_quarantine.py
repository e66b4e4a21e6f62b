import argparse

import pytest
import torch
from safetensors.torch import load_file

from schanger_mm.checkpoints import CheckpointError
from schanger_mm.checkpoints.quarantine import to_safetensors
from schanger_mm.utils.errors import ExistsError


class Calls:

    def __init__(self, *call):
        self.call = call

    def __reduce__(self):
        return self.call


def test_a_harmless_file_needs_no_trust(tmp_path):
    torch.save({'model': {'a': torch.arange(3.0), 'n': 1}, 'epoch': 2}, tmp_path / 'a.pth')
    said = to_safetensors(tmp_path / 'a.pth', tmp_path / 'a.safetensors')
    assert '1 tensors' in said and 'nothing of it executed' in said and said.endswith('Left behind: epoch, n.')
    assert torch.equal(load_file(tmp_path / 'a.safetensors')['a'], torch.arange(3.0))
    with pytest.raises(ExistsError, match=r'exists already.*--overwrite'):
        to_safetensors(tmp_path / 'a.pth', tmp_path / 'a.safetensors')
    with pytest.raises(CheckpointError, match=r'must end in .safetensors'):
        to_safetensors(tmp_path / 'a.pth', tmp_path / 'b.pth')


def test_objects_beside_the_weights_need_trust_and_stay_behind(tmp_path):
    """The usual case: the options of somebody's training script."""
    weight = torch.rand(3, 2)
    torch.save({'state_dict': {'a': weight, 'tied': weight}, 'args': argparse.Namespace(lr=0.1)}, tmp_path / 'a.pth')
    with pytest.raises(CheckpointError, match=r'imports argparse.Namespace.*the file then runs with your permissions'):
        to_safetensors(tmp_path / 'a.pth', tmp_path / 'a.safetensors')
    assert not (tmp_path / 'a.safetensors').exists()
    said = to_safetensors(tmp_path / 'a.pth', tmp_path / 'a.safetensors', trust=True)
    assert '2 tensors' in said and 'unpickled with your permissions' in said and said.endswith('Left behind: args.')
    state = load_file(tmp_path / 'a.safetensors')
    assert torch.equal(state['a'], weight) and torch.equal(state['tied'], weight)


def test_a_file_that_cannot_be_unpickled_is_one_error(tmp_path):
    torch.save({'a': torch.zeros(1), 'b': Calls(int, ('no number', ))}, tmp_path / 'a.pth')
    with pytest.raises(CheckpointError, match=r"could not be unpickled: .* status 1 \(ValueError: invalid literal"):
        to_safetensors(tmp_path / 'a.pth', tmp_path / 'a.safetensors', trust=True)
    assert [path.name for path in tmp_path.iterdir()] == ['a.pth']


def test_names_of_what_is_left_behind_cannot_write_to_the_terminal(tmp_path):
    torch.save({'state_dict': {'a': torch.zeros(1)}, 'x\x1b[31m': argparse.Namespace()}, tmp_path / 'a.pth')
    said = to_safetensors(tmp_path / 'a.pth', tmp_path / 'a.safetensors', trust=True)
    assert said.isprintable() and said.endswith(r'Left behind: x\x1b[31m.')
