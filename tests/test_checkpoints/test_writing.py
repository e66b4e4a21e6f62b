"""Files of tensors that others may read, and a full disk in the system's words."""

import pytest
import torch
from safetensors.torch import load_file

from schanger_mm.checkpoints import write_safetensors


def test_tensors_come_back_and_the_file_has_the_rights_of_any_new_file(tmp_path):
    shared = torch.arange(6.0).reshape(2, 3)
    write_safetensors(tmp_path / 'w.safetensors', dict(a=shared, b=shared.T, c=torch.ones(1, requires_grad=True)))
    back = load_file(tmp_path / 'w.safetensors')
    assert torch.equal(back['a'], shared) and torch.equal(back['b'], shared.T) and back['c'] == 1
    (tmp_path / 'any').touch()
    assert (tmp_path / 'w.safetensors').stat().st_mode == (tmp_path / 'any').stat().st_mode


def test_a_full_disk_is_what_the_system_says(tmp_path, longest_file):
    with longest_file(1000), pytest.raises(OSError, match='File too large'):
        write_safetensors(tmp_path / 'w.safetensors', dict(a=torch.zeros(1000)))
