"""Models of the Hugging Face hub, asked from a server on this machine."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from mmengine.runner import CheckpointLoader
from safetensors.torch import save

from schanger_mm.checkpoints import CheckpointError, read_checkpoint, read_weights
from schanger_mm.checkpoints.hub import HubError, address_of, find_model, parse_address, pinned
from schanger_mm.checkpoints.reading import PUBLISHED
from schanger_mm.utils.errors import MissingPackageError

NAME = 'hf://org/net'
VALUES = dict(model=dict(type='X', arch=[8, 8]), gsd=0.5)


def weights(value, cfg=None):
    """Return the bytes of a file with one tensor, and a config in its metadata."""
    meta = None if cfg is None else {PUBLISHED: json.dumps(dict(cfg=cfg))}
    return save({'a': torch.full((300, ), float(value))}, meta)


def files(value=1, **more):
    return {'model.safetensors': weights(value), 'config.json': json.dumps(VALUES).encode(), **more}


def value_of(address):
    return read_weights(address)['a'][0].item()


@pytest.fixture
def offline(monkeypatch):
    """Return a function that takes the network away, as HF_HUB_OFFLINE does or as a broken one is."""
    def cut(how):
        from huggingface_hub import constants
        if how == 'offline':
            monkeypatch.setattr(constants, 'HF_HUB_OFFLINE', True)
        else:
            monkeypatch.setattr(constants, 'ENDPOINT', 'http://127.0.0.1:9')
    return cut


def test_a_model_is_read_with_its_values_and_named_by_its_commit(hub):
    _, commit = hub.add('org/net', files(README=b'x', **{'model.bin': b'x', 'train.py': b'x'}))
    found = read_checkpoint(NAME)
    assert found.name == found.label == f'{NAME}@{commit}' and found.config() == VALUES
    assert found.weights['a'].tolist() == [1.0] * 300
    assert found.sha256 == hub.sha256(hub.repos['org/net'].commits[commit]['model.safetensors'])
    fetched = {path.rpartition('/')[2] for path in hub.paths() if '/resolve/' in path}
    assert fetched == {'config.json', 'model.safetensors'} and '/api/agent-harnesses' not in hub.paths()


def test_only_the_cache_of_the_hub_is_written(hub, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    hub.add('org/net', files())
    before = os.environ.copy()
    read_checkpoint(NAME)
    assert os.environ.copy() == before and [path.name for path in tmp_path.iterdir()] == ['hub_cache']
    kept = [path for path in (tmp_path / 'hub_cache/models--org--net/snapshots').rglob('*') if path.is_file()]
    assert sorted(path.name for path in kept) == ['config.json', 'model.safetensors']


def test_a_branch_moves_and_a_commit_stays(hub):
    repo, first = hub.add('org/net', files(1))
    assert value_of(NAME) == 1
    second = repo.commit(files(2))
    assert value_of(NAME) == 2 and pinned(NAME) == f'{NAME}@{second}'
    assert value_of(f'{NAME}@{first}') == 1
    repo.refs['v1.0'] = first
    assert value_of(f'{NAME}@v1.0') == 1 and pinned(f'{NAME}@v1.0') == f'{NAME}@{first}'


def test_a_commit_in_the_cache_asks_nothing(hub):
    hub.add('org/net', files())
    address = pinned(NAME)
    hub.asked.clear()
    assert value_of(address) == 1 and hub.asked == []


def test_a_move_while_it_is_read_is_noticed(hub, monkeypatch):
    import huggingface_hub
    repo, _ = hub.add('org/net', files(1))
    download = huggingface_hub.hf_hub_download

    def late(*words, **options):
        repo.commit(files(2))
        return download(*words, **options)

    monkeypatch.setattr(huggingface_hub, 'hf_hub_download', late)
    with pytest.raises(HubError, match='hf://org/net@main moved to another commit while it was read; run the command'):
        read_checkpoint(NAME)


@pytest.mark.parametrize('name', ['model.safetensors', 'config.json'])
def test_another_content_than_the_hub_states_is_refused_every_time(hub, name):
    _, commit = hub.add('org/net', files(1))
    stated = files(1)[name]
    hub.lies[stated] = weights(6) if name == 'model.safetensors' else stated.replace(b'0.5', b'9.5')
    assert len(hub.lies[stated]) == len(stated)
    hashed = hub.sha256 if name == 'model.safetensors' else hub.git_id
    for address in (NAME, NAME, f'{NAME}@{commit}'):
        with pytest.raises(CheckpointError) as caught:
            read_checkpoint(address)
        said = str(caught.value)
        assert hashed(hub.lies[stated]) in said and hashed(stated) in said and 'Delete ' in said
    blob = Path(said.partition('Delete ')[2].partition(' to download')[0])
    hub.lies.clear()
    blob.unlink()  # the way out that the message names
    assert value_of(NAME) == 1 and read_checkpoint(NAME).config() == VALUES


@pytest.mark.parametrize('how', ['offline', 'no network'])
def test_without_a_network_the_cache_is_used_and_else_the_message_says_so(hub, offline, how, caplog):
    _, commit = hub.add('org/net', files())
    hub.add('org/other', files())
    read_checkpoint(NAME)
    offline(how)
    caplog.clear()
    assert read_checkpoint(NAME).name == f'{NAME}@{commit}'
    warning = f'{NAME}: the hub cannot be reached', f'using the cached commit, {NAME}@{commit}'
    assert [text in caplog.text for text in warning] == [how == 'no network'] * 2
    with pytest.raises(HubError, match='it is not in the cache, and HF_HUB_OFFLINE is set' if how == 'offline' else
                       r'http://127.0.0.1:9 cannot be reached \(.*\), and it is not in the cache. Check the network'):
        read_checkpoint('hf://org/other')


def test_a_server_in_trouble_is_like_no_network(hub, caplog):
    hub.add('org/net', files())
    read_checkpoint(NAME)
    hub.broken = 503
    assert value_of(NAME) == 1 and 'the hub cannot be reached' in caplog.text
    with pytest.raises(HubError, match='hf://org/other: http.* answered 503 .*try again later'):
        read_checkpoint('hf://org/other')


def test_a_download_that_breaks_off_is_continued(hub, monkeypatch):
    monkeypatch.setattr(time, 'sleep', lambda seconds: None)
    hub.add('org/net', files())
    hub.drops = [1000]
    assert value_of(NAME) == 1
    sent = [path for path in hub.paths() if path.endswith('.safetensors')]
    assert len(sent) == 2


def test_a_file_that_is_too_short_is_no_model(hub, tmp_path):
    hub.add('org/net', files())
    whole = files()['model.safetensors']
    hub.lies[whole] = whole[:1000]
    with pytest.raises(HubError, match=r'hf://org/net: could not be downloaded \(Consistency check failed: file should '
                                       rf'be of size {len(whole)} but has size 1000'):
        read_checkpoint(NAME)
    assert not list(tmp_path.rglob('model.safetensors'))
    hub.lies.clear()
    for left in tmp_path.rglob('*.incomplete'):
        left.unlink()
    assert value_of(NAME) == 1


@pytest.mark.parametrize('kept', [['pytorch_model.bin'], ['best.pth', 'README.md'], ['a.ckpt', 'b.pt']])
def test_a_repository_of_pickles_is_refused_with_the_way_out(hub, kept):
    hub.add('org/net', {name: b'cos\nsystem\n' for name in kept})
    with pytest.raises(HubError, match=rf'hf://org/net@\w+ holds weights only as {kept[0]}.*pickles, which can run '
                       r'code and are not downloaded. Its owner can .*schanger to-safetensors, .*convert.*--hub'):
        read_checkpoint(NAME)
    assert not [path for path in hub.paths() if '/resolve/' in path]


@pytest.mark.parametrize('kept, message', [
    ({}, 'no model.safetensors in it; found nothing'),
    ({'a.txt': b''}, 'no model.safetensors in it; found a.txt'),
    ({'a.safetensors': b'', 'b.safetensors': b''}, 'expected model.safetensors, found 2 files of weights: a.safe'),
    ({'deep/model.safetensors': b''}, 'no model.safetensors in it; found deep/model.safetensors'),
])
def test_a_repository_without_one_file_of_weights_is_refused(hub, kept, message):
    hub.add('org/net', kept)
    with pytest.raises(HubError, match=message):
        read_checkpoint(NAME)


def test_one_file_of_weights_may_have_any_name(hub):
    hub.add('org/net', {'schanger.safetensors': weights(4)})
    found = read_checkpoint(NAME)
    assert found.weights['a'][0] == 4 and not found.has_config


def test_access_is_refused_in_one_line_that_says_what_to_do(hub, monkeypatch, tmp_path):
    hub.add('org/private', files(), private=True)
    hub.add('org/gated', files(), gated=True)
    for name, message in (
            ('missing', f'{hub.url} has no such model, or it is private. Check the name, or log in with `hf auth'),
            ('private', f'{hub.url} has no such model, or it is private'),
            ('gated', f'its owner grants access on request: ask for it on {hub.url}/org/gated, then log in'),
            ('gated@v2', "it has no revision 'v2'")):
        with pytest.raises(HubError) as caught:
            read_checkpoint(f'hf://org/{name}')
        assert str(caught.value).startswith(f'hf://org/{name}: {message}') and '\n' not in str(caught.value)
    monkeypatch.setenv('HF_TOKEN', hub.token)
    assert value_of('hf://org/private') == value_of('hf://org/gated') == 1
    monkeypatch.delenv('HF_TOKEN')
    (tmp_path / 'token').write_text(hub.token)  # what `hf auth login` writes
    assert value_of('hf://org/private') == 1


def test_a_config_is_values_and_python_is_not_downloaded(hub):
    hub.add('org/net', {'model.safetensors': weights(1), 'config.py': b'import os', 'train.py': b''})
    found = read_checkpoint(NAME)
    assert not found.has_config
    assert found.note == 'its config is Python (config.py, train.py), which runs code and was not downloaded'
    assert not [path for path in hub.paths() if path.endswith('.py')]


@pytest.mark.parametrize('config, message', [
    (b'import os', 'damaged, or not JSON'), (b'[1]', 'expected a JSON table'), (b'{"a b": 1}', 'not the name of a set'),
    (b'{"x": 1; import os": 2}', 'damaged, or not JSON'), (b'{"a=open;b": 1}', 'not the name of a setting'),
    (b'[' * 100_000, 'damaged, or not JSON'), (b'\xff', 'damaged, or not JSON'),
])
def test_a_config_that_is_no_table_of_settings_is_refused(hub, config, message):
    hub.add('org/net', {'model.safetensors': weights(1), 'config.json': config})
    with pytest.raises(CheckpointError, match=f'config.json: not a config of plain values .*{message}'):
        read_checkpoint(NAME)


def test_numbers_that_are_none_are_no_values(hub):
    hub.add('org/net', {'model.safetensors': weights(1), 'config.json': b'{"gsd": NaN}'})
    with pytest.raises(CheckpointError, match='its config is not made of plain values'):
        read_checkpoint(NAME).config()


def test_the_config_beside_the_weights_must_be_the_one_in_them(hub):
    text = "model = dict(type='X', arch=(8, 8))\ngsd = 0.5\n"
    repo, _ = hub.add('org/net', {**files(), 'model.safetensors': weights(1, text)})
    assert read_checkpoint(NAME).config() == dict(model=dict(type='X', arch=(8, 8)), gsd=0.5)  # tuples stay
    repo.commit({'config.json': json.dumps(dict(VALUES, gsd=1)).encode()})
    with pytest.raises(CheckpointError, match=r'config.json and the config in model.safetensors differ; expected'):
        read_checkpoint(NAME)


def test_a_folder_with_the_same_files_is_read_alike(tmp_path):
    for name, content in files(3).items():
        (tmp_path / name).write_bytes(content)
    found = read_checkpoint(tmp_path)
    assert (found.label, found.config(), found.weights['a'][0]) == (str(tmp_path), VALUES, 3)
    (tmp_path / 'model.safetensors').rename(tmp_path / 'iter_1.pth')
    with pytest.raises(HubError, match=r'no model.safetensors in this folder; name one of its files \(iter_1.pth\)'):
        read_checkpoint(tmp_path)


def test_addresses(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert parse_address('hf://org/a.b-c_d') == ('org/a.b-c_d', 'main')
    assert parse_address('hf://org/net@refs/pr/1') == ('org/net', 'refs/pr/1')
    assert address_of('org/net', 'v1') == address_of('hf://org/net@v1') == 'hf://org/net@v1'
    for wrong in ('hf://net', 'hf://a/b/c', 'hf://a/b@', 'hf://a/b@../c', 'hf://../b', 'hf://a/b?x', 'hf://ä/b', 'hf://'):
        with pytest.raises(HubError, match='expected hf://ORG/NAME'):
            find_model(wrong)
    with pytest.raises(HubError, match="names a revision, and revision='v2' another one"):
        address_of('hf://org/net@v1', 'v2')
    (tmp_path / 'org/net').mkdir(parents=True)
    assert address_of('org/net') == 'org/net' and address_of('hf://org/net') == NAME
    with pytest.raises(HubError, match="org/net is a folder, which has no revision 'v1'; omit it, or write hf://"):
        address_of('org/net', 'v1')


def test_mmengine_loads_by_address_and_logs_the_commit(hub, capfd):
    _, commit = hub.add('org/net', files(5))
    content = CheckpointLoader.load_checkpoint(NAME, map_location='cpu', logger=None)
    assert content['state_dict']['a'][0] == 5
    said = capfd.readouterr()
    assert f'{NAME} is {NAME}@{commit}' in said.out + said.err


def test_without_the_package_one_line_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, 'huggingface_hub', None)
    with pytest.raises(MissingPackageError, match=r'hf://org/net needs huggingface_hub, which is not installed: pip '
                                                  r'install "schanger-mm\[hub\]"$'):
        read_checkpoint(NAME)


@pytest.mark.long
def test_endpoint_and_offline_mode_are_those_of_the_environment(hub, tmp_path):
    """In a process of its own, as the variables are read when the package is imported."""
    _, commit = hub.add('org/net', files(7))
    code = 'from schanger_mm.checkpoints.hub import pinned; print(pinned("hf://org/net"))'
    env = {**os.environ, 'HF_ENDPOINT': hub.url, 'HF_HUB_CACHE': str(tmp_path / 'own'), 'no_proxy': '127.0.0.1'}

    def run(**more):
        return subprocess.run([sys.executable, '-c', code], env={**env, **more}, capture_output=True, text=True,
                              cwd=Path(__file__).parents[2])

    assert run().stdout == f'{NAME}@{commit}\n'
    hub.asked.clear()
    assert run(HF_HUB_OFFLINE='1').stdout == f'{NAME}@{commit}\n' and hub.asked == []
