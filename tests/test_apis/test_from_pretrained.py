"""Models of the hub wherever a model is named: Python, predict, export, flops."""

import json

import numpy as np
import pytest
import torch

from schanger_mm.apis import ChangeDetector, ChangeInferencer, load_config
from schanger_mm.benchmark.network import build
from schanger_mm.checkpoints.hub import HubError
from schanger_mm.checkpoints.hub_publish import write_model
from schanger_mm.config.loading import ConfigError
from schanger_mm.deploy.load import load_model
from schanger_mm.geo.errors import SceneError
from schanger_mm.registry import MODELS
from schanger_mm.utils.errors import SettingError
from schanger_mm.utils.files import sha256_of

TINY = (8, 8, 12, 16, 20, 24)
NAME = 'hf://org/net'


@pytest.fixture(scope='module')
def checkpoint(root, tmp_path_factory):
    cfg = load_config(root / 'configs/schanger/demo.py')
    cfg.model.backbone.arch = cfg.model.decode_head.arch = TINY
    torch.manual_seed(0)
    network = MODELS.build({'_scope_': 'schanger_mm', **cfg.model, 'data_preprocessor': cfg.data_preprocessor})
    path = tmp_path_factory.mktemp('model') / 'tiny.pth'
    torch.save(dict(meta=dict(cfg=cfg.pretty_text), state_dict=network.state_dict()), path)
    return str(path)


@pytest.fixture(scope='module')
def folder(checkpoint, tmp_path_factory):
    pytest.importorskip('huggingface_hub')
    path = tmp_path_factory.mktemp('published') / 'net'
    write_model(checkpoint, path, 'org/net')
    return path


@pytest.fixture
def commit(hub, folder):
    return hub.add('org/net', {path.name: path.read_bytes() for path in folder.iterdir()})[1]


@pytest.fixture
def pair():
    return np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), np.uint8)


def test_a_detector_by_name_predicts_like_its_checkpoint_and_names_its_commit(checkpoint, folder, commit, pair):
    pytest.importorskip('rasterio')
    detector = ChangeDetector.from_pretrained('org/net', device='cpu')
    expected = ChangeDetector(checkpoint, device='cpu').predict_array(*pair)
    assert np.array_equal(detector.predict_array(*pair).probability, expected.probability)
    facts = detector.model.describe()
    assert facts['weights'] == f'{NAME}@{commit}' and facts['config'] == f'{NAME}@{commit} (its own config)'
    assert facts['weights_sha256'] == sha256_of(folder / 'model.safetensors')
    assert detector.model.names == (f'{NAME}@{commit}', None)  # what other processes load
    with pytest.raises(HubError, match="it has no revision 'v2'"):
        ChangeDetector.from_pretrained('org/net', revision='v2')


def test_a_folder_is_loaded_as_well_as_a_commit(folder, commit):
    pytest.importorskip('rasterio')
    local = ChangeDetector.from_pretrained(folder, device='cpu')
    pinned = ChangeDetector.from_pretrained('org/net', revision=commit, device='cpu')
    assert local.model.weights == str(folder) and pinned.model.weights == f'{NAME}@{commit}'
    assert local.model.sha256 == pinned.model.sha256


def test_an_inferencer_by_name_is_the_same(checkpoint, commit, pair):
    ways = ChangeInferencer.from_pretrained('org/net', device='cpu'), ChangeInferencer(checkpoint, device='cpu')
    found, expected = (way(pair[0], pair[1], names=['a'])['probabilities'][0] for way in ways)
    assert np.array_equal(found, expected) and ways[0].weights == f'{NAME}@{commit}'


def test_values_beside_weights_without_a_config_are_enough(hub, folder, pair):
    """JSON has no tuples; the parts must take lists."""
    from safetensors.torch import load_file, save
    files = {'model.safetensors': save(load_file(folder / 'model.safetensors')),
             'config.json': (folder / 'config.json').read_bytes()}
    hub.add('org/net', files)
    found = load_model(NAME, device='cpu').predict(pair.transpose(0, 3, 1, 2)[None].astype(np.float32))
    expected = load_model(str(folder), device='cpu').predict(pair.transpose(0, 3, 1, 2)[None].astype(np.float32))
    assert np.array_equal(found, expected)


def test_a_model_with_its_config_in_python_needs_ours(hub, folder, commit, root, tmp_path):
    from safetensors.torch import load_file, save
    _, second = hub.add('org/bare', {'model.safetensors': save(load_file(folder / 'model.safetensors')),
                                     'schanger.py': b'import os'})
    with pytest.raises(SceneError, match=rf'hf://org/bare@{second} holds weights but no config; its config is Python '
                       r'\(schanger.py\), which runs code and was not downloaded; name a config as MODEL and this '
                       r'model with --weights.'):
        load_model('hf://org/bare', device='cpu')
    config = tmp_path / 'own.py'
    config.write_text(f'_base_ = {str(root / "configs/schanger/demo.py")!r}\n'
                      f'model = dict(backbone=dict(arch={TINY}), decode_head=dict(arch={TINY}))\n')
    loaded = load_model(str(config), 'hf://org/bare', 'cpu')
    assert loaded.names == (str(config), f'hf://org/bare@{second}') and loaded.weights == f'hf://org/bare@{second}'
    with pytest.raises(SceneError, match='with --weights it must be a config'):
        load_model(NAME, str(folder), 'cpu')


@pytest.mark.parametrize('part', ['subprocess.Popen', 'mmseg.VPD', 'ExportedDetector'])
def test_values_build_registered_parts_only(hub, folder, part, tmp_path, monkeypatch):
    from safetensors.torch import load_file, save
    monkeypatch.chdir(tmp_path)
    config = json.loads((folder / 'config.json').read_text())
    config['model']['decode_head'] = dict(type=part, args=['touch', 'canary'])
    hub.add('org/net', {'model.safetensors': save(load_file(folder / 'model.safetensors')),
                        'config.json': json.dumps(config).encode()})
    with pytest.raises(SceneError, match=f'asks for {part}'):
        load_model(NAME, device='cpu')
    assert not (tmp_path / 'canary').exists()


def test_python_is_never_a_config_of_the_hub(commit, hub):
    with pytest.raises(ConfigError, match='hf://org/net: expected a config file. A config is Python and runs code'):
        load_config(NAME)
    assert hub.asked == []


def test_flops_are_counted_of_a_model_by_name(checkpoint, commit):
    state = torch.load(checkpoint, weights_only=True)['state_dict']
    for name in (NAME, checkpoint):
        found = build(name)
        assert found.state_dict().keys() == state.keys() and not found.training
    with pytest.raises(SettingError, match='--cfg-options: hf://org/net holds its config, which cannot be changed'):
        build(NAME, dict(a=1))
