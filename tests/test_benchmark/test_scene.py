"""Timing of a whole scene, on one that takes a second."""

from pathlib import Path

import numpy as np
import pytest
import torch

rasterio = pytest.importorskip('rasterio')

from schanger_mm.benchmark.scene import PARTS, benchmark_scene, format_scene, summarise  # noqa: E402
from schanger_mm.config.loading import load_config  # noqa: E402
from schanger_mm.deploy.card import Card  # noqa: E402
from schanger_mm.deploy.exported import ExportedModel  # noqa: E402
from schanger_mm.deploy.model import SceneModel  # noqa: E402
from schanger_mm.deploy.runtime import Runtime  # noqa: E402
from schanger_mm.geo.pair import PairSpec  # noqa: E402
from schanger_mm.geo.reading import Reading  # noqa: E402
from schanger_mm.registry import MODELS  # noqa: E402
from schanger_mm.scene.plan import Settings  # noqa: E402

CONFIG = Path(__file__).parents[2] / 'configs/schanger/demo.py'


@pytest.fixture
def pair(tmp_path):
    rng = np.random.default_rng(0)
    for name in ('a.tif', 'b.tif'):
        with rasterio.open(tmp_path / name, 'w', driver='GTiff', width=160, height=96, count=3, dtype='uint8',
                           crs='EPSG:32633', transform=(0.5, 0, 5e5, 0, -0.5, 5e6)) as file:
            file.write(rng.integers(0, 256, (3, 96, 160), np.uint8))
    return PairSpec(str(tmp_path / 'a.tif'), str(tmp_path / 'b.tif'))


@pytest.fixture
def model(tmp_path):
    network = MODELS.build({**load_config(CONFIG).model, '_scope_': 'schanger_mm'})
    torch.save(dict(state_dict=network.state_dict()), tmp_path / 'weights.pth')
    return SceneModel.load(str(CONFIG), str(tmp_path / 'weights.pth'))


def test_windows_speeds_and_parts_add_up(pair, model):
    threads = torch.get_num_threads()
    facts = benchmark_scene(pair, model, Settings(window=64, overlap=32, block=64, page=False), rounds=2)
    assert torch.get_num_threads() == threads
    assert facts['megapixels'] == 160 * 96 / 1e6 and len(facts['bare']) == len(facts['scene']) == 2
    # 4 x 2 windows; 2 + 3 + 1 of them touch the columns of blocks, 2 + 1 the rows
    assert facts['windows'] == 18
    assert facts['seen'] == pytest.approx(18 * 64 * 64 / (160 * 96))
    assert facts['share_of_bare']['rasters'] >= facts['share_of_bare']['all'] > 0
    assert facts['parts']['network'] > 0 and facts['parts']['page'] == 0
    assert all(name in format_scene(facts) for name in PARTS.values())


def test_the_bare_network_gets_inputs_that_are_normalised_once(pair, model, monkeypatch):
    calls, kind = [], type(model.network)
    encode_decode = kind.encode_decode
    monkeypatch.setattr(kind, 'encode_decode', lambda *args: calls.append('network') or encode_decode(*args))
    model.network.data_preprocessor.register_forward_hook(lambda *args: calls.append('preprocessor'))
    benchmark_scene(pair, model, Settings(window=64, overlap=32, block=64, page=False), rounds=2)
    batches = 1 + 2 + 1 + 1 + 1 + 1  # of up to 4 windows; 4, 6, 2, 2, 3 and 1 windows touch the blocks
    assert calls.count('preprocessor') == (1 + 2) * batches and calls.count('network') == (1 + 2 + 2) * batches
    assert 'encode_decode' not in vars(model.network)


def test_of_an_export_the_call_of_its_runtime_is_bare(pair):
    class Network(Runtime):
        """Stand in for a file; count its calls."""

        def __init__(self):
            self.card = Card(
                inputs=('before', 'after'), classes=('unchanged', 'changed'), mean=((0.0, ) * 3, ) * 2,
                std=((1.0, ) * 3, ) * 2, normalisation='inside', threshold=0.5, tile=64, fixed_size=False, gsd=None,
                align_corners=True, config='', checkpoint='', checkpoint_sha256='', versions={})
            self.path, self.bands, self.calls = Path('net.onnx'), 3, 0

        def _run(self, images):
            self.calls += 1
            return images[0][:, :1] / 255

    model = object.__new__(ExportedModel)
    model.runtime, model.reading, model.sha256, model.config = Network(), Reading(), '', 'net'
    model.weights, model.names, model.device, model.device_type = 'net.onnx', ('net.onnx', None), 'cpu', 'cpu'
    model.threshold, model.gsd, model.precision, model.threads, model.packages = 0.5, None, 'fp32', 1, ()
    model.warnings = []
    facts = benchmark_scene(pair, model, Settings(window=64, overlap=32, block=64, page=False), rounds=2)
    assert facts['windows'] == 18 and model.runtime.calls == (1 + 2 + 2) * 7


def test_shares_are_of_medians():
    runs = [dict(total=total, checks=0.5, blocks=8.0, waiting=1.0, network=6.0, polygons=1.0, page=1.0)
            for total in (12.0, 11.0, 50.0)]
    facts = summarise(10.0, [8.0, 9.0, 80.0], runs)
    assert facts['share_of_bare'] == dict(bare=1.0, rasters=0.9, all=0.75)
    assert facts['megapixels_per_second'] == dict(bare=10 / 9, rasters=1.0, all=10 / 12)
    assert (facts['parts']['blending'], facts['parts']['other']) == (1.0, 1.5)


@pytest.mark.parametrize('name', ['rounds', 'threads'])
def test_numbers_below_one_are_refused(pair, name):
    with pytest.raises(ValueError, match=f'--{name} 0: expected 1 or more'):
        benchmark_scene(pair, None, Settings(), **{name: 0})
