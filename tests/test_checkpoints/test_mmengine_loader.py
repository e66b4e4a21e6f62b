import shutil

import pytest
import torch
from mmengine.runner import CheckpointLoader
from mmengine.runner import checkpoint as mmengine_checkpoint

from schanger_mm.checkpoints import CheckpointError, guard_mmengine
from schanger_mm.checkpoints import mmengine_loader as ours

ADDRESSES = ['https://example.com/x.pth', 'torchvision://x', 'modelzoo://x', 'open-mmlab://x', 'openmmlab://x',
             'mmcls://x']


@pytest.fixture
def web(monkeypatch, tmp_path):
    """Return a function that puts a file where all addresses lead to."""
    monkeypatch.setenv('TORCH_HOME', str(tmp_path / 'home'))
    for name in ('get_torchvision_models', 'get_external_models', 'get_mmcls_models'):
        monkeypatch.setattr(mmengine_checkpoint, name, lambda: {'x': 'https://example.com/x.pth'})
    monkeypatch.setattr(mmengine_checkpoint, 'get_deprecated_model_names', dict)
    asked = []

    def serve(file):
        monkeypatch.setattr('torch.hub.download_url_to_file', lambda url, path: (asked.append(url),
                                                                                shutil.copy(file, path)))
        return asked
    return serve


@pytest.mark.parametrize('address', ADDRESSES)
def test_addresses_lead_to_our_loader(web, attacks, address):
    web(attacks['system.pth'])
    with pytest.raises(CheckpointError, match=r'posix.system|nt.system'):
        CheckpointLoader.load_checkpoint(address, logger=None)
    assert attacks.nothing_ran()


@pytest.mark.parametrize('address', ADDRESSES)
def test_weights_are_fetched_once(web, tmp_path, address):
    torch.save({'state_dict': {'backbone.a': torch.arange(3.0), 'head.b': torch.zeros(1)}}, tmp_path / 'x.pth')
    asked = web(tmp_path / 'x.pth')
    for _ in range(2):
        state = CheckpointLoader.load_checkpoint(address, map_location='cpu', logger=None)['state_dict']
    assert asked == ['https://example.com/x.pth']
    assert list(state) == (['a'] if address.startswith('mmcls') else ['backbone.a', 'head.b'])


def test_no_loader_of_mmengine_is_left():
    CheckpointLoader.register_scheme('new://', lambda filename, map_location: torch.load(filename))
    try:
        guard_mmengine()
        assert {loader.__module__ for loader in CheckpointLoader._schemes.values()} == {ours.__name__}
        for address in ('new://x', 's3://bucket/x.pth', 'cluster:petrel://x', 'pavi://x'):
            with pytest.raises(CheckpointError, match='fetch it and name the local file'):
                CheckpointLoader.load_checkpoint(address, logger=None)
    finally:
        del CheckpointLoader._schemes['new://']


def test_text_that_the_runner_would_execute_is_dropped(tmp_path):
    torch.save(dict(meta=dict(config='import this', cfg='a = 1'), state_dict={}), tmp_path / 'a.pth')
    content = CheckpointLoader.load_checkpoint(str(tmp_path / 'a.pth'), logger=None)
    assert content['meta'] == dict(cfg='a = 1')


@pytest.mark.parametrize('address, said', [
    ('http://127.0.0.1:9/x.pth', r':9/x\.pth: could not be fetched \(URLError.*refused.*name a local file'),
    ('open-mmlab://resnet50_v1', r"open-mmlab://resnet50_v1: no weights .* did you mean 'resnet50_v1c'"),
    ('mmcls://nothing-like-it', r'mmcls://nothing-like-it: no weights of this name are known\.'),
])
def test_what_cannot_be_fetched_is_named(address, said, monkeypatch, tmp_path):
    monkeypatch.setenv('TORCH_HOME', str(tmp_path))
    monkeypatch.setattr(mmengine_checkpoint, 'get_external_models', lambda: {'resnet50_v1c': 'https://example.com/x.pth'})
    with pytest.raises(CheckpointError, match=said):
        CheckpointLoader.load_checkpoint(address, logger=None)


def test_weights_of_a_torchvision_that_is_not_there(monkeypatch):
    def missing():
        raise ModuleNotFoundError("No module named 'torchvision'", name='torchvision')
    monkeypatch.setattr(mmengine_checkpoint, 'get_torchvision_models', missing)
    with pytest.raises(CheckpointError, match='torchvision://resnet18: needs torchvision, which is not'):
        CheckpointLoader.load_checkpoint('torchvision://resnet18', logger=None)
