"""Publishing on the hub: a folder that a person can look at, and one commit."""

import json

import pytest
import torch
import yaml

from schanger_mm.checkpoints import CheckpointError, read_checkpoint
from schanger_mm.checkpoints.hub import HubError
from schanger_mm.checkpoints.hub_publish import FILES, publish_model, upload_model, write_model
from schanger_mm.utils.errors import ExistsError, SettingError
from schanger_mm.utils.files import sha256_of

CONFIG = '''default_scope = 'schanger_mm'
model = dict(type='SiameseEncoderDecoder', backbone=dict(type='SCN', arch=(8, 8), pretrained='/home/me/x.pth'),
             decode_head=dict(type='SpatialConsistencyHead'))
data_preprocessor = dict(type='BiTemporalPreProcessor', mean=[1.0], std=[2.0])
train_dataloader = dict(dataset=dict(type='LEVIRCDDataset', data_root='/home/me/data'))
work_dir = '/home/me/run'
'''


@pytest.fixture
def checkpoint(tmp_path):
    path = tmp_path / 'iter_8.pth'
    torch.save(dict(state_dict={'a': torch.full((4, ), 0.5)}, optimizer=dict(state={}), meta=dict(
        cfg=CONFIG, iter=8, dataset_meta=dict(classes=('unchanged', 'changed'), palette=[[0, 0, 0], [255, 0, 0]]))),
               path)
    return path


@pytest.fixture
def report(checkpoint, tmp_path):
    path = tmp_path / 'report.json'
    path.write_text(json.dumps(dict(
        checkpoint_sha256=sha256_of(checkpoint), data_set='LEVIR-CD', split='test', partial=True,
        protocol='256 px tiles', scores=dict(F1=91.2345, precision=92.0, recall=90.5, IoU=83.9, OA=99.1, kappa=None))))
    return path


@pytest.fixture
def login(hub, monkeypatch):
    monkeypatch.setenv('HF_TOKEN', hub.token)
    return hub


def front_matter(folder):
    _, metadata, text = (folder / 'README.md').read_text(encoding='utf-8').split('---\n', 2)
    return yaml.safe_load(metadata), text


def test_a_folder_holds_weights_values_and_a_card(hub, checkpoint, report, tmp_path):
    said = write_model(checkpoint, tmp_path / 'out/net', 'org/net', report, 'cc-by-nc-4.0')
    assert sorted(path.name for path in (tmp_path / 'out/net').iterdir()) == sorted(FILES)
    assert [path.name for path in (tmp_path / 'out').iterdir()] == ['net']
    weights = tmp_path / 'out/net/model.safetensors'
    assert f'1 tensors, sha256 {sha256_of(weights)}, licence cc-by-nc-4.0' in said
    config = json.loads((tmp_path / 'out/net/config.json').read_text())
    assert config['model'] == dict(type='SiameseEncoderDecoder', backbone=dict(type='SCN', arch=[8, 8]),
                                   decode_head=dict(type='SpatialConsistencyHead'))
    assert config['train_dataloader'] == dict(dataset=dict(type='LEVIRCDDataset')) and 'work_dir' not in config
    read = read_checkpoint(tmp_path / 'out/net')
    assert read.config()['model']['backbone']['arch'] == (8, 8) and read.weights['a'].eq(0.5).all()
    assert read.meta['dataset_meta']['palette'] == [[0, 0, 0], [255, 0, 0]]
    assert b'/home/me' not in b''.join(path.read_bytes() for path in (tmp_path / 'out/net').iterdir())


def test_the_card_has_metadata_results_and_how_to_use_it(hub, checkpoint, report, tmp_path):
    write_model(checkpoint, tmp_path / 'net', 'org/net', report, 'cc-by-nc-4.0')
    data, text = front_matter(tmp_path / 'net')
    assert (data['library_name'], data['license'], data['pipeline_tag']) == (
        'schanger-mm', 'cc-by-nc-4.0', 'image-segmentation')
    assert 'change-detection' in data['tags'] and data['datasets'] == ['LEVIR-CD']
    assert data['metrics'] == ['f1', 'precision', 'recall', 'iou', 'accuracy']
    index, = data['model-index']
    results = index['results'][0]
    assert index['name'] == 'net' and results['dataset'] == dict(name='LEVIR-CD', type='levir-cd', split='test')
    assert {metric['type']: metric['value'] for metric in results['metrics']} == dict(
        f1=91.23, precision=92.0, recall=90.5, iou=83.9, accuracy=99.1)
    assert '| LEVIR-CD | test | 91.23 | 92.00 | 90.50 | 83.90 | 99.10 |' in text
    assert 'Protocol: 256 px tiles. Not the whole official split was scored.' in text
    assert 'schanger predict hf://org/net before.tif' in text and "from_pretrained('org/net')" in text
    assert "load_from = 'hf://org/net'" in text and 'Licence of these weights: cc-by-nc-4.0.' in text
    assert sha256_of(tmp_path / 'net/model.safetensors') in text


def test_a_pre_training_is_not_said_to_find_changes(hub, checkpoint, tmp_path):
    content = torch.load(checkpoint, weights_only=True)
    for number, model in enumerate(("dict(type='SaDL', neck=dict(type='TopDownFPN'))",
                                    "dict(type='SiameseEncoderDecoder', num_dates=1, decode_head=dict(type='X'))",
                                    "dict(type='SiameseEncoderDecoder', decode_head=dict(type='X'))")):
        content['meta']['cfg'] = f'model = {model}\n'
        torch.save(content, checkpoint)
        write_model(checkpoint, tmp_path / str(number), 'org/net')
        _, text = front_matter(tmp_path / str(number))
        said = 'from_pretrained' in text, 'Finds what has changed' in text, 'at 50 places' in text
        assert said == (number == 2, ) * 3 and "set `load_from = 'hf://org/net'`" in text


def test_what_is_not_known_is_not_claimed(hub, checkpoint, tmp_path):
    content = torch.load(checkpoint, weights_only=True)
    content['meta']['cfg'] = "model = dict(type='X')\n"
    torch.save(content, checkpoint)
    assert 'no licence stated (--license)' in write_model(checkpoint, tmp_path / 'net', 'org/net')
    data, text = front_matter(tmp_path / 'net')
    assert data['license'] == 'unknown' and not {'datasets', 'metrics', 'model-index'} & data.keys()
    assert 'No scores are known.' in text and 'has not stated a licence: ask before you use' in text
    assert '| training data | own data |' in text


def test_what_cannot_be_loaded_by_name_is_not_published(hub, checkpoint, report, tmp_path):
    torch.save(dict(state_dict={'a': torch.zeros(1)}), tmp_path / 'bare.pth')
    with pytest.raises(CheckpointError, match='bare.pth: it holds no config, so nobody could load it by name'):
        write_model(tmp_path / 'bare.pth', tmp_path / 'net', 'org/net')
    content = torch.load(checkpoint, weights_only=True)
    content['meta']['cfg'] += 'x = open("f")\n'
    torch.save(content, tmp_path / 'code.pth')
    with pytest.raises(CheckpointError, match='its config is not made of plain values'):
        write_model(tmp_path / 'code.pth', tmp_path / 'net', 'org/net')
    with pytest.raises(CheckpointError, match='belongs to another file'):
        write_model(_copy(checkpoint, tmp_path), tmp_path / 'net', 'org/net', report)
    assert not (tmp_path / 'net').exists()


def _copy(checkpoint, tmp_path):
    content = torch.load(checkpoint, weights_only=True)
    content['state_dict']['a'] += 1
    torch.save(content, tmp_path / 'other.pth')
    return tmp_path / 'other.pth'


def test_nothing_is_replaced(hub, checkpoint, tmp_path):
    (tmp_path / 'net').mkdir()
    write_model(checkpoint, tmp_path / 'net', 'org/net')  # empty
    with pytest.raises(ExistsError, match='net exists already; nothing was written'):
        write_model(checkpoint, tmp_path / 'net', 'org/net')


def test_an_upload_is_one_commit_that_loads(login, checkpoint, tmp_path):
    said = publish_model(checkpoint, 'org/net', private=True)
    repo = login.repos['org/net']
    assert repo.private and len(repo.commits) == 2  # its creation and ours
    commit = repo.refs['main']
    assert f'hf://org/net@{commit}: uploaded' in said and f'{login.url}/org/net' in said
    assert set(repo.commits[commit]) == {'.gitattributes', *FILES}
    found = read_checkpoint('hf://org/net')
    assert found.name == f'hf://org/net@{commit}' and found.weights['a'].eq(0.5).all()
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == ['hub_cache']


def test_a_dry_run_writes_a_folder_that_is_uploaded_as_it_is_then(login, checkpoint, tmp_path):
    said = publish_model(checkpoint, 'org/net', tmp_path / 'net', dry_run=True)
    assert f'nothing was uploaded. To upload this folder: publish {tmp_path / "net"} --hub org/net' in said
    assert login.repos == {} and login.asked == []
    card = tmp_path / 'net/README.md'
    card.write_text(card.read_text() + '\nMine.\n')
    assert 'nothing was uploaded' in publish_model(tmp_path / 'net', 'org/net', dry_run=True) and login.repos == {}
    publish_model(tmp_path / 'net', 'org/net')
    repo = login.repos['org/net']
    assert repo.commits[repo.refs['main']]['README.md'].endswith(b'\nMine.\n') and not repo.private


def test_a_model_on_the_hub_is_replaced_only_if_asked_to(login, checkpoint, tmp_path):
    publish_model(checkpoint, 'org/net')
    first = login.repos['org/net'].refs['main']
    with pytest.raises(ExistsError, match=r'hf://org/net holds model.safetensors, config.json, README.md already; '
                                          r'nothing was uploaded. Pass --overwrite'):
        publish_model(checkpoint, 'org/net')
    publish_model(_copy(checkpoint, tmp_path), 'org/net', overwrite=True)
    assert read_checkpoint('hf://org/net').weights['a'][0] == 1.5
    assert read_checkpoint(f'hf://org/net@{first}').weights['a'][0] == 0.5


def test_private_is_not_promised_of_a_public_repository(login, checkpoint):
    login.add('org/net', {'README.md': b'x'})
    with pytest.raises(HubError, match='hf://org/net exists and is public; make it private on .*/org/net/settings'):
        publish_model(checkpoint, 'org/net', private=True, overwrite=True)
    assert len(login.repos['org/net'].commits) == 1


def test_no_token_and_a_wrong_one_are_said(hub, checkpoint, monkeypatch):
    with pytest.raises(HubError, match='hf://org/net: uploading needs a token: log in with `hf auth login`, or set'):
        publish_model(checkpoint, 'org/net')
    assert hub.asked == []
    monkeypatch.setenv('HF_TOKEN', 'hf_other')
    with pytest.raises(HubError, match=r'^hf://org/net: .* refuses access \(401\): log in .*the permission') as error:
        publish_model(checkpoint, 'org/net')
    assert 'hf_other' not in str(error.value) and hub.repos == {}
    hub.add('org/net', {})
    with pytest.raises(HubError, match=r'refuses access \(403\)'):
        publish_model(checkpoint, 'org/net')
    assert len(hub.repos['org/net'].commits) == 1


def test_a_folder_with_more_or_less_is_not_uploaded(login, checkpoint, tmp_path):
    write_model(checkpoint, tmp_path / 'net', 'org/net')
    (tmp_path / 'net/notes.txt').write_text('x')
    with pytest.raises(HubError, match=r'expected model.safetensors, config.json, README.md only, found notes.txt too'):
        upload_model(tmp_path / 'net', 'org/net')
    (tmp_path / 'net/notes.txt').unlink()
    (tmp_path / 'net/config.json').write_text('{"model": {}}')
    with pytest.raises(CheckpointError, match='config.json and the config in model.safetensors differ'):
        upload_model(tmp_path / 'net', 'org/net')
    (tmp_path / 'net/config.json').unlink()
    with pytest.raises(HubError, match=r'config.json is missing; publish CHECKPOINT .* --dry-run writes them'):
        upload_model(tmp_path / 'net', 'org/net')
    assert login.asked == []


@pytest.mark.parametrize('options, message', [
    (dict(dry_run=True), '--dry-run: name the folder to write'),
    (dict(repo='net'), 'expected hf://ORG/NAME'),
])
def test_options_that_do_not_fit_are_refused(login, checkpoint, options, message):
    with pytest.raises((SettingError, HubError), match=message):
        publish_model(checkpoint, **{'repo': 'org/net', **options})
    assert login.asked == []


def test_a_folder_takes_no_options_of_a_checkpoint(login, checkpoint, tmp_path):
    write_model(checkpoint, tmp_path / 'net', 'org/net')
    with pytest.raises(SettingError, match=r'is a folder that is uploaded as it is: omit DIR/NAME, --report and --lic'):
        publish_model(tmp_path / 'net', 'org/net', license='mit')
