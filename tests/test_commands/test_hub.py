"""Models of the Hugging Face hub on the command line: publish, predict, test, export, flops."""

import json

import numpy as np
import pytest
import rasterio
import torch
from rasterio.transform import from_origin

from schanger_mm.apis import load_config
from schanger_mm.demo.scenes import DemoSizes, write_demo_set
from schanger_mm.registry import MODELS
from schanger_mm.utils.files import sha256_of

CONFIG = 'configs/schanger/demo.py'
NAME = 'hf://org/net'
PUBLISH = 'tools/misc/publish_model.py'


@pytest.fixture(scope='module')
def inputs(root, tmp_path_factory):
    """A checkpoint that holds its config, and two rasters of noise."""
    folder = tmp_path_factory.mktemp('inputs')
    torch.manual_seed(0)
    cfg = load_config(root / CONFIG)
    network = MODELS.build({'_scope_': 'schanger_mm', **cfg.model, 'data_preprocessor': cfg.data_preprocessor})
    torch.save(dict(meta=dict(cfg=cfg.pretty_text), state_dict=network.state_dict()), folder / 'tiny.pth')
    for seed, name in enumerate(('before.tif', 'after.tif')):
        pixels = np.random.default_rng(seed).integers(0, 256, (3, 64, 64), np.uint8)
        with rasterio.open(folder / name, 'w', driver='GTiff', width=64, height=64, count=3, dtype='uint8',
                           crs='EPSG:32633', transform=from_origin(5e5, 5e6, 0.5, 0.5)) as raster:
            raster.write(pixels)
    return folder


@pytest.fixture
def published(run, hub, inputs, monkeypatch):
    """Publish the checkpoint and return its commit."""
    monkeypatch.setenv('HF_TOKEN', hub.token)
    said = run(PUBLISH, inputs / 'tiny.pth', '--hub', 'org/net', '--private', '--license', 'mit')
    commit = hub.repos['org/net'].refs['main']
    assert f'{NAME}@{commit}: uploaded' in said
    return commit


def test_a_model_is_published_looked_at_first_and_predicts(run, hub, inputs, tmp_path, monkeypatch):
    monkeypatch.setenv('HF_TOKEN', hub.token)
    said = run(PUBLISH, inputs / 'tiny.pth', tmp_path / 'net', '--hub', 'org/net', '--dry-run')
    assert f'publish {tmp_path / "net"} --hub org/net' in said and hub.asked == []
    images = inputs / 'before.tif', inputs / 'after.tif'
    words = '--no-page', '--device', 'cpu', '--window', 64, '--overlap', 0
    run(PUBLISH, tmp_path / 'net', '--hub', 'org/net')
    commit, sha256 = hub.repos['org/net'].refs['main'], sha256_of(tmp_path / 'net/model.safetensors')
    said = run('tools/predict.py', NAME, *images, *words, '--out', tmp_path / 'hub')
    assert f'{NAME}@{commit}, sha256 {sha256}' in said
    model = json.loads((tmp_path / 'hub/summary.json').read_text())['model']
    assert (model['weights'], model['weights_sha256']) == (f'{NAME}@{commit}', sha256)


def test_a_report_names_the_commit(run, published, inputs, tmp_path):
    write_demo_set(tmp_path / 'data', DemoSizes(pretrain_train=1, pretrain_val=1, train=1, val=1, test=1), 64)
    run('tools/test.py', CONFIG, NAME, '--work-dir', tmp_path / 'w', '--out', tmp_path / 'out', '--worst', 0,
        '--cfg-options', f'test_dataloader.dataset.data_root={tmp_path / "data"}')
    report = json.loads((tmp_path / 'out/report.json').read_text())
    assert report['checkpoint'] == f'{NAME}@{published}' and len(report['checkpoint_sha256']) == 64


def test_flops_of_a_model_by_name(run, published):
    assert 'one pair of 64 x 64 px' in run('tools/analysis_tools/get_flops.py', NAME, '--shape', 64)


def test_an_export_by_one_name_builds_no_data_set_of_it(run, published, monkeypatch, tmp_path):
    """A config of the hub may name anything as a data set, and a registry imports and calls what it does not know."""
    seen = []
    monkeypatch.setattr('schanger_mm.deploy.export.export', lambda *words, **options: seen.append((*words, options)))
    run('tools/export.py', NAME, '--format', 'onnx', '--out', tmp_path / 'net.onnx')
    cfg, config, options = seen[0]
    assert 'test_dataloader' not in cfg and 'model' in cfg and config == f'{NAME}@{published} (its own config)'
    assert options['checkpoint'].name == f'{NAME}@{published}'


@pytest.mark.long
def test_an_export_by_one_name(run, published, inputs, tmp_path):
    pytest.importorskip('onnxruntime')
    said = run('tools/export.py', NAME, '--format', 'onnx', '--out', tmp_path / 'net.onnx')
    assert 'only random pairs were compared' in said
    from schanger_mm.deploy.card import read_card
    card = read_card(tmp_path / 'net.onnx')
    assert card.checkpoint == f'{NAME}@{published}' and card.config == f'{NAME}@{published} (its own config)'


@pytest.mark.parametrize(('words', 'message'), [
    (['tools/predict.py', 'hf://org/none', 'a.tif', 'b.tif', '--out', 'o'], 'error: hf://org/none: http://'),
    (['tools/predict.py', 'hf://none', 'a.tif', 'b.tif', '--out', 'o'], 'error: hf://none: expected hf://ORG/NAME'),
    (['tools/test.py', CONFIG, 'hf://org/none'], 'error: hf://org/none: http://'),
    (['tools/test.py', 'hf://org/none', 'a.pth'], 'error: hf://org/none: expected a config file'),
    (['tools/export.py', CONFIG, '--format', 'onnx', '--out', 'o.onnx'], 'is a config: name its checkpoint after it'),
    (['tools/export.py', 'hf://org/none', '--format', 'onnx', '--out', 'o.onnx', '--cfg-options', 'gsd=1'],
     'error: --cfg-options: hf://org/none holds its config'),
    (['tools/analysis_tools/get_flops.py', 'hf://org/none'], 'error: hf://org/none: http://'),
    (['tools/model_converters/sadl2det.py', 'hf://org/none', CONFIG], 'error: hf://org/none: name the file to write'),
    ([PUBLISH, 'tiny.pth'], 'error: DIR/NAME: name where to write, or a repository of the Hugging Face hub'),
    ([PUBLISH, 'tiny.pth', 'out/net', '--private'], 'error: --private is for --hub ORG/NAME'),
    ([PUBLISH, 'tiny.pth', 'out/net', '--license', 'mit'], 'error: --license is for --hub ORG/NAME'),
    ([PUBLISH, 'tiny.pth', '--hub', 'net'], 'error: hf://net: expected hf://ORG/NAME'),
    ([PUBLISH, 'tiny.pth', '--hub', 'org/net'], 'error: hf://org/net: uploading needs a token'),
    (['tools/model_converters/fetch_published.py', 'levir'], 'error: levir: expected SET SIZE or SET-SIZE, such as'),
    (['tools/model_converters/fetch_published.py', 'paris-small'], "error: no published weights 'paris', 'small'"),
    (['tools/model_converters/fetch_published.py', 'pretrain-small', '--export', 'onnx'],
     'error: --export: pretrain is a network for single images; expected a change detector: levir, levir_plus'),
])
def test_mistakes_end_in_one_line(run, hub, inputs, words, message):
    words = [inputs / word if word == 'tiny.pth' else word for word in words]
    error = run(*words, fails=2)
    assert message in error and error.count('\n') == 1


def test_set_and_size_may_be_one_word(run, web, tmp_path):
    web.status = 404
    fetch = 'tools/model_converters/fetch_published.py', '--base-url', web.url, '--cache', tmp_path
    for words in (['levir_plus-small'], ['levir_plus', 'small']):
        assert f'{web.url}/schanger_small_levir_plus.pth: the server answered 404' in run(*fetch, *words, fails=2)


@pytest.mark.long
def test_fetched_weights_are_exported_beside_them(run, tmp_path):
    from schanger_mm.checkpoints.convert import mm_to_published, network
    from schanger_mm.deploy import open_runtime
    state = mm_to_published(network('small', 2).state_dict())[0]
    torch.save(state, tmp_path / 'schanger_small_levir.pth')  # as if it had been downloaded
    fetch = ('tools/model_converters/fetch_published.py', 'levir-small', '--cache', tmp_path, '--export', 'onnx',
             '--out', tmp_path / 'net.pth')
    assert f'{tmp_path}/net.onnx' in run(*fetch)
    assert open_runtime(tmp_path / 'net.onnx')(*np.zeros((2, 1, 3, 64, 64), np.float32)).shape[-2:] == (64, 64)
    (tmp_path / 'net.pth').unlink()
    error = run(*fetch, fails=2)
    assert f'{tmp_path}/net.onnx' in error and not (tmp_path / 'net.pth').exists()  # nothing was fetched either
