import pytest
import torch

from schanger_mm.devices import find_device, parse_device


@pytest.mark.parametrize('name', ['cpu', 'cuda', 'cuda:7'])
def test_devices_are_named_without_looking_for_them(name):
    assert parse_device(name) == torch.device(name)


@pytest.mark.parametrize('name', ['mps', 'xla', 'meta', 'hpu', 'cuda:x', 'gpu', ''])
def test_other_devices_are_refused(name):
    for read in parse_device, lambda name: find_device(name, 'predict on'):
        with pytest.raises(ValueError, match=f'^--device {name}: expected cpu, cuda or cuda:N.$'):
            read(name)


def test_a_gpu_that_is_not_there_is_refused(monkeypatch):
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)
    with pytest.raises(LookupError, match='--device cuda:0: no GPU was found; leave it away to predict on the CPU'):
        find_device('cuda:0', 'predict on', type('Own', (ValueError, LookupError), {}))
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: True)
    monkeypatch.setattr(torch.cuda, 'device_count', lambda: 2)
    with pytest.raises(ValueError, match='--device cuda:2: expected a number below 2, the number of GPUs'):
        find_device('cuda:2', 'predict on')
    assert find_device('cuda:1', 'predict on').index == 1
