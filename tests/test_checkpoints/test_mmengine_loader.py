import hashlib
import shutil

import pytest
import torch
from mmengine.runner import CheckpointLoader
from mmengine.runner import checkpoint as mmengine_checkpoint

from schanger_mm.checkpoints import CheckpointError, guard_mmengine, read_checkpoint
from schanger_mm.checkpoints import mmengine_loader as ours

ADDRESSES = ['https://example.com/x.pth', 'torchvision://x', 'modelzoo://x', 'open-mmlab://x', 'openmmlab://x',
             'mmcls://x']


@pytest.fixture
def everywhere(monkeypatch, tmp_path):
    """Return a function that puts a file where all addresses lead to."""
    monkeypatch.setenv('TORCH_HOME', str(tmp_path / 'home'))
    for name in ('get_torchvision_models', 'get_external_models', 'get_mmcls_models'):
        monkeypatch.setattr(mmengine_checkpoint, name, lambda: {'x': 'https://example.com/x.pth'})
    monkeypatch.setattr(mmengine_checkpoint, 'get_deprecated_model_names', dict)
    asked = []

    def serve(file):
        monkeypatch.setattr('torch.hub.download_url_to_file', lambda url, path, progress: (
            asked.append(url), shutil.copy(file, path)))
        return asked
    return serve


@pytest.mark.parametrize('address', ADDRESSES)
def test_addresses_lead_to_our_loader(everywhere, attacks, address):
    everywhere(attacks['system.pth'])
    with pytest.raises(CheckpointError, match=r'posix.system|nt.system'):
        CheckpointLoader.load_checkpoint(address, logger=None)
    assert attacks.nothing_ran()


@pytest.mark.parametrize('address', ADDRESSES)
def test_weights_are_fetched_once(everywhere, tmp_path, address):
    torch.save({'state_dict': {'backbone.a': torch.arange(3.0), 'head.b': torch.zeros(1)}}, tmp_path / 'x.pth')
    asked = everywhere(tmp_path / 'x.pth')
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
            with pytest.raises(CheckpointError, match='give the path of the local file'):
                CheckpointLoader.load_checkpoint(address, logger=None)
    finally:
        del CheckpointLoader._schemes['new://']


def test_text_that_the_runner_would_execute_is_dropped(tmp_path):
    torch.save(dict(meta=dict(config='import this', cfg='a = 1'), state_dict={}), tmp_path / 'a.pth')
    content = CheckpointLoader.load_checkpoint(str(tmp_path / 'a.pth'), logger=None)
    assert content['meta'] == dict(cfg='a = 1')


@pytest.mark.parametrize('address, said', [
    ('http://127.0.0.1:9/x.pth', r':9/x\.pth: could not be downloaded \(.*refused.*name a local file'),
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


@pytest.fixture
def served(web, monkeypatch, tmp_path):
    """Serve a checkpoint of one tensor from any address of a small web server; the value is the argument."""
    monkeypatch.setenv('TORCH_HOME', str(tmp_path / 'home'))

    def serve(value):
        torch.save({'a': torch.tensor(value)}, tmp_path / 'served.pth')
        web.body = (tmp_path / 'served.pth').read_bytes()
        return hashlib.sha256(web.body).hexdigest()
    return serve


def load(address):
    return CheckpointLoader.load_checkpoint(address, map_location='cpu', logger=None)['a'].item()


def test_weights_of_one_name_at_two_addresses_are_two_files(web, served):
    served(1.0)
    assert load(f'{web.url}/a/model.pth') == 1
    served(2.0)
    assert load(f'{web.url}/b/model.pth') == 2 and load(f'{web.url}/a/model.pth') == 1
    assert [request['path'] for request in web.asked] == ['/a/model.pth', '/b/model.pth']


def test_a_pinned_hash_is_checked_and_kept_beside_others(web, served, tmp_path):
    first = served(1.0)
    with pytest.raises(CheckpointError, match=f'its SHA-256 is {first}, expected {"0" * 64}. The download was'):
        load(f'{web.url}/model.pth#sha256={"0" * 64}')
    assert not list((tmp_path / 'home').rglob('*.pth'))
    assert load(f'{web.url}/model.pth') == 1
    second = served(2.0)
    assert load(f'{web.url}/model.pth#sha256={second}') == 2
    assert load(f'{web.url}/model.pth#sha256={first.upper()}') == 1
    with pytest.raises(CheckpointError, match='expected #sha256= and 64 hexadecimal digits after the address'):
        load(f'{web.url}/model.pth#sha256=12')


def test_a_download_that_was_changed_afterwards_is_refused(web, served, tmp_path):
    served(1.0)
    load(f'{web.url}/model.pth')
    kept, = (tmp_path / 'home').rglob('*.pth')
    torch.save({'a': torch.tensor(3.0)}, kept)
    with pytest.raises(CheckpointError, match='it is not the file that was downloaded from .* Delete it to fetch it'):
        load(f'{web.url}/model.pth')


def test_what_was_read_ahead_is_taken_once_and_only_for_its_file(tmp_path):
    for name, value in (('a', 1.0), ('b', 2.0)):
        torch.save({'a': torch.tensor(value)}, tmp_path / f'{name}.pth')
    ahead = read_checkpoint(tmp_path / 'a.pth')
    with ours.one_load(ahead) as other:
        assert load(str(tmp_path / 'b.pth')) == 2
    assert other.sha256 != ahead.sha256
    ahead.content['a'] += 10
    with ours.one_load(ahead) as loaded:
        assert load(str(tmp_path / 'a.pth')) == 11 and load(str(tmp_path / 'a.pth')) == 1
    assert loaded.sha256 == ahead.sha256 and ahead.content == {}  # whoever holds it keeps no memory


def test_a_file_that_changed_since_it_was_read_is_read_again(tmp_path):
    torch.save({'a': torch.tensor(1.0)}, tmp_path / 'a.pth')
    ahead = read_checkpoint(tmp_path / 'a.pth')
    torch.save({'a': torch.tensor(2.0)}, tmp_path / 'new.pth')
    (tmp_path / 'new.pth').replace(tmp_path / 'a.pth')
    with ours.one_load(ahead) as loaded:
        assert load(str(tmp_path / 'a.pth')) == 2
    assert loaded.sha256 == hashlib.sha256((tmp_path / 'a.pth').read_bytes()).hexdigest()
