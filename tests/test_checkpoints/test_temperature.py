import pytest
import torch

from schanger_mm.checkpoints import CheckpointError, read_checkpoint
from schanger_mm.checkpoints.temperature import check_temperature_can_be_kept, keep_temperature


def saved(path, **meta):
    torch.save(dict(meta=dict(iter=7, **meta), state_dict=dict(w=torch.ones(2)), optimizer=dict(lr=0.1)), path)
    return read_checkpoint(path)


def test_all_else_stays(tmp_path):
    source = saved(tmp_path / 'a.pth', cfg="model = dict(type='A', size=(1, 2))\ntemperature = 3.0\n")
    keep_temperature(source, tmp_path / 'b.pth', 1.2345678)
    found = read_checkpoint(tmp_path / 'b.pth')
    assert found.config() == dict(model=dict(type='A', size=(1, 2)), temperature=1.234568)
    assert found.meta['iter'] == 7 and found.content['optimizer'] == dict(lr=0.1)
    assert torch.equal(found.weights['w'], torch.ones(2)) and source.config()['temperature'] == 3.0


def test_what_has_no_config_or_place_is_refused(tmp_path):
    source = saved(tmp_path / 'a.pth')
    with pytest.raises(CheckpointError, match='a.pth holds no config, in which the temperature is kept'):
        check_temperature_can_be_kept(source, 'b.pth')
    with pytest.raises(CheckpointError, match='--keep b.safetensors: expected a file that ends in .pth'):
        check_temperature_can_be_kept(source, 'b.safetensors')
