"""tools/predict.py, typed as a user types it; what its options do is tested in tests/test_scene."""

import json
import shutil
import signal

import numpy as np
import pytest
import rasterio
from rasterio.transform import from_origin

from schanger_mm.commands import predict


@pytest.fixture(scope='module')
def inputs(tmp_path_factory):
    """Two rasters of noise."""
    folder = tmp_path_factory.mktemp('inputs')
    for seed, name in enumerate(('before.tif', 'after.tif')):
        pixels = np.random.default_rng(seed).integers(0, 256, (3, 200, 180), np.uint8)
        with rasterio.open(folder / name, 'w', driver='GTiff', width=180, height=200, count=3, dtype='uint8',
                           crs='EPSG:32633', transform=from_origin(5e5, 5e6, 0.5, 0.5)) as raster:
            raster.write(pixels)
    return folder


def test_predicting_writes_everything_and_says_where(run, inputs, demo_checkpoint, tmp_path):
    words = ['tools/predict.py', 'configs/schanger/demo.py', inputs / 'before.tif', inputs / 'after.tif', '--weights',
             demo_checkpoint, '--out', tmp_path / 'out', '--window', 64, '--overlap', 32, '--block', 128,
             '--format', 'geojson', '--min-area', 1, '--simplify', 0.5, '--fill-holes', 2, '--threshold', 0.45,
             '--device', 'cpu', '--bands', '3,2,1', '--scale', '0:250', '--nodata', 7, '--align', '--resample-gsd', 0.6,
             '--batch-size', 3]
    text = run(*words)
    names = ['change.geojson', 'change.tif', 'probability.tif', 'report.html', 'summary.json']
    assert sorted(path.name for path in (tmp_path / 'out').iterdir()) == names
    assert all(str(tmp_path / 'out' / name) in text for name in names) and '0.025 megapixels with data' in text
    settings = json.loads((tmp_path / 'out/summary.json').read_text())['settings']
    assert settings == dict(bands=[3, 2, 1], scaling='0:250', align=True, gsd=0.6, nodata=7, window=64, overlap=32,
                            block=128, batch_size=3, threshold=0.45, min_area=1, simplify=0.5, fill_holes=2,
                            format='geojson')
    error = run(*words, fails=2)
    assert error.count('\n') == 1 and 'already holds change.tif' in error


@pytest.fixture(scope='module')
def single(root, tmp_path_factory):
    """Random weights of the demo's network for single images."""
    import torch
    from mmengine.registry import DefaultScope

    from schanger_mm.apis import load_config
    from schanger_mm.registry import MODELS, SCOPE
    cfg = load_config(root / 'configs/schanger/pretrain_demo.py')
    with DefaultScope.overwrite_default_scope(SCOPE):
        network = MODELS.build(dict(cfg.model, data_preprocessor=cfg.data_preprocessor))
    path = tmp_path_factory.mktemp('single') / 'single.pth'
    torch.save(dict(state_dict=network.state_dict()), path)
    return path


@pytest.mark.long
def test_pairs_of_a_table_get_kinds(run, inputs, demo_checkpoint, single, tmp_path):
    table = inputs / 'pairs.csv'
    table.write_text('before,after,name\nbefore.tif,after.tif,one\nafter.tif,before.tif,two\n')
    words = ['predict', 'demo', table, '--weights', demo_checkpoint, '--out', tmp_path / 'out', '--window', 64,
             '--overlap', 0, '--block', 128, '--device', 'cpu', '--no-page', '--semantic', 'pretrain_demo']
    run(*words, '--semantic-weights', single, '--kinds-of', 'other')
    for name in ('one', 'two'):
        summary = json.loads((tmp_path / 'out' / name / 'summary.json').read_text())
        assert summary['classes']['kinds_of'] == 'other' and (tmp_path / 'out' / name / 'class_after.tif').is_file()
        assert summary['model']['semantic']['weights'] == str(single)
    words[words.index(tmp_path / 'out')] = tmp_path / 'bad'
    for more, message in (((), 'pretrain_demo is a config: give its weights with --semantic-weights'),
                          (('--semantic-weights', demo_checkpoint), 'does not fit --semantic pretrain_demo'),
                          (('--semantic-weights', single, '--kinds-of', 'road'),
                           '--kinds-of road: expected one of the classes other, building')):
        error = run(*words, *more, fails=2)
        assert error.count('\n') == 1 and message in error
    assert not (tmp_path / 'bad').exists()


@pytest.fixture
def addresses(served, inputs):
    """Serve both rasters, the later one as an asset of a STAC item; return their addresses."""
    for name in ('before.tif', 'after.tif'):
        shutil.copy(inputs / name, served.folder / name)
    asset = dict(type='image/tiff; application=geotiff', roles=['data'])
    item = dict(type='Feature', assets=dict(nir=dict(href='x.tif', **asset), rgb=dict(href='after.tif', **asset)))
    (served.folder / 'after.json').write_text(json.dumps(item))
    return f'{served.url.replace("://", "://me:password@")}/before.tif?sig=secret', f'{served.url}/after.json'


WORDS = ['tools/predict.py', 'configs/schanger/demo.py', '--window', 64, '--overlap', 0, '--block', 128, '--device',
         'cpu', '--no-page', '--weights']


def test_addresses_are_read_with_an_option(run, addresses, demo_checkpoint, served, tmp_path):
    words = [*WORDS, demo_checkpoint, *addresses, '--out', tmp_path / 'out']
    error = run(*words, fails=2)
    assert error.count('\n') == 1 and '--remote' in error and 'secret' not in error and served.asked == []
    assert '0.036 megapixels with data' in run(*words, '--remote', '--asset', 'rgb')
    found = json.loads((tmp_path / 'out/summary.json').read_text())['inputs']
    assert [found[date]['path'] for date in found] == [f'{served.url}/before.tif?...', f'{served.url}/after.tif']


@pytest.mark.long
def test_two_workers_write_the_rasters_of_one_process(run, inputs, addresses, demo_checkpoint, single, tmp_path):
    pytest.importorskip('distributed')
    words = ['tools/predict.py', 'configs/schanger/demo.py', inputs / 'before.tif', inputs / 'after.tif', '--weights',
             demo_checkpoint, '--window', 64, '--overlap', 32, '--block', 64, '--device', 'cpu', '--no-page']
    run(*words, '--out', tmp_path / 'one')
    run(*words, '--out', tmp_path / 'two', '--workers', 2)
    classes = ['--semantic', 'pretrain_demo', '--semantic-weights', single]
    run(*words, *classes, '--out', tmp_path / 'four')
    run(*words, *classes, '--out', tmp_path / 'five', '--workers', 2)
    words[2:4] = addresses
    run(*words, '--out', tmp_path / 'three', '--workers', 2, '--remote', '--asset', 'rgb')
    for name in ('change.tif', 'probability.tif'):
        assert (tmp_path / 'one' / name).read_bytes() == (tmp_path / 'two' / name).read_bytes()
        assert (tmp_path / 'one' / name).read_bytes() == (tmp_path / 'three' / name).read_bytes()
    for name in ('change.tif', 'class_before.tif', 'class_after.tif'):
        assert (tmp_path / 'four' / name).read_bytes() == (tmp_path / 'five' / name).read_bytes()
    one, two = (json.loads((tmp_path / name / 'summary.json').read_text())['timings'] for name in ('one', 'two'))
    assert 'network' in one and 'network' not in two, 'the network of workers runs elsewhere'


@pytest.mark.parametrize(('words', 'message'), [
    (['none.tif', 'none.tif', '--weights', 'tiny.pth'], 'error: none.tif: no such raster'),
    (['a.tif', 'b.tif'], 'error: configs/schanger/demo.py is a config: give its weights'),
    (['a.tif', 'b.tif', '--weights', 'tiny.pth', '--bands', '1,x'], '--bands: invalid'),
])
def test_mistakes_end_in_one_clear_error(run, demo_checkpoint, tmp_path, words, message):
    words = [demo_checkpoint if word == 'tiny.pth' else word for word in words]
    assert message in run('tools/predict.py', 'configs/schanger/demo.py', *words, '--out', tmp_path, fails=2)


def test_a_background_job_with_progress_for_a_program_can_be_interrupted(monkeypatch):
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        monkeypatch.setattr(predict, 'predict', lambda **options: 0)
        words = ['a.pth', 'a.tif', 'b.tif', '--out', 'o']
        assert predict.main(predict.parser().parse_args(words)) == 0
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
        assert predict.main(predict.parser().parse_args([*words, '--progress', 'json'])) == 0
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)
