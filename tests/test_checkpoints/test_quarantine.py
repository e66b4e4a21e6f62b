import argparse
import socket

import pytest
import torch
from safetensors.torch import load_file

from schanger_mm.checkpoints import CheckpointError
from schanger_mm.checkpoints.quarantine import to_safetensors


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
    with pytest.raises(CheckpointError, match=r'exists; name another file or pass --overwrite'):
        to_safetensors(tmp_path / 'a.pth', tmp_path / 'a.safetensors')
    with pytest.raises(CheckpointError, match=r'must end in .safetensors'):
        to_safetensors(tmp_path / 'a.pth', tmp_path / 'b.pth')


def test_objects_beside_the_weights_need_trust_and_stay_behind(tmp_path):
    """The usual case: the options of somebody's training script."""
    weight = torch.rand(3, 2)
    torch.save({'state_dict': {'a': weight, 'tied': weight}, 'args': argparse.Namespace(lr=0.1)}, tmp_path / 'a.pth')
    with pytest.raises(CheckpointError, match=r'imports argparse.Namespace.*its maker could run code with your rights'):
        to_safetensors(tmp_path / 'a.pth', tmp_path / 'a.safetensors')
    assert not (tmp_path / 'a.safetensors').exists()
    said = to_safetensors(tmp_path / 'a.pth', tmp_path / 'a.safetensors', trust=True)
    assert '2 tensors' in said and 'unpickled apart' in said and said.endswith('Left behind: args.')
    state = load_file(tmp_path / 'a.safetensors')
    assert torch.equal(state['a'], weight) and torch.equal(state['tied'], weight)


@pytest.mark.parametrize(('name', 'tried'), [('system.pth', 'os.system'), ('nested.pth', 'to write')])
def test_trust_does_not_let_a_file_start_programs_or_write_elsewhere(attacks, tmp_path, name, tried):
    with pytest.raises(CheckpointError, match=f'PermissionError: the file tried {tried}'):
        to_safetensors(attacks[name], tmp_path / 'a.safetensors', trust=True)
    assert attacks.nothing_ran() and list(tmp_path.iterdir()) == []


def test_trust_does_not_let_a_file_connect(tmp_path):
    with socket.create_server(('127.0.0.1', 0)) as server:
        torch.save({'a': torch.zeros(1), 'b': Calls(socket.create_connection, (server.getsockname(), ))},
                   tmp_path / 'a.pth')
        with pytest.raises(CheckpointError, match=r'PermissionError: the file tried socket'):
            to_safetensors(tmp_path / 'a.pth', tmp_path / 'a.safetensors', trust=True)
        server.settimeout(0.01)
        with pytest.raises(TimeoutError):
            server.accept()
