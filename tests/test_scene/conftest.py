"""Shared by the tests of scenes."""

from importlib.util import find_spec

import numpy as np
import pytest
import torch

UTM = 'EPSG:32633'
if find_spec('rasterio') is None:  # the extra [geo] is not installed
    collect_ignore_glob = ['test_*.py']


@pytest.fixture(scope='module')
def task_inputs(root, tmp_path_factory):
    """Write a pair of noise and random weights; return their folder."""
    import rasterio

    from schanger_mm.config.loading import load_config
    from schanger_mm.registry import MODELS
    folder, rng = tmp_path_factory.mktemp('scene'), np.random.default_rng(0)
    transform = rasterio.transform.from_origin(500000, 5000000, 0.5, 0.5)
    for name in ('a.tif', 'b.tif'):
        with rasterio.open(folder / name, 'w', driver='GTiff', width=320, height=256, count=3, dtype='uint8',
                           crs=UTM, transform=transform) as file:
            file.write(rng.integers(0, 256, (3, 256, 320), np.uint8))
    torch.manual_seed(0)
    network = MODELS.build({**load_config(root / 'configs/schanger/demo.py').model, '_scope_': 'schanger_mm'})
    torch.save(dict(state_dict=network.state_dict()), folder / 'weights.pth')
    return folder


@pytest.fixture(scope='module')
def make_task(root, task_inputs):
    """Return a function that makes the task of a scene of 20 blocks, with changes."""
    from schanger_mm.deploy.model import SceneModel
    from schanger_mm.geo.pair import PairSpec, open_pair
    from schanger_mm.scene.plan import Plan
    from schanger_mm.scene.workers import BlockTask, pixel_versions
    config = str(root / 'configs/schanger/demo.py')

    def make(folder=task_inputs, **changes):
        with open_pair(PairSpec(str(folder / 'a.tif'), str(folder / 'b.tif'))) as source:
            plan, spec, fingerprint = Plan(source.grid, 64, 64, 32), source.spec, source.fingerprint()
        weights = str(folder / 'weights.pth')
        settings = dict(spec=spec, plan=plan, model=config, weights=weights, device='cpu', precision='fp32',
                        batch_size=4, threshold=0.5, threads=1, fingerprint=fingerprint,
                        weights_sha256=SceneModel.load(config, weights).sha256, versions=pixel_versions(('torch', )))
        return BlockTask(**{**settings, **changes})

    return make


@pytest.fixture(scope='module')
def task(make_task):
    return make_task()


@pytest.fixture(scope='module')
def serial(task):
    """Return every block as this process predicts it, by index."""
    from schanger_mm.deploy.model import SceneModel
    from schanger_mm.geo.pair import open_pair
    from schanger_mm.scene.class_maps import predict_levels
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    model = SceneModel.load(task.model, task.weights, 'cpu')
    with open_pair(task.spec) as source:
        blocks = {block.index: predict_levels(source, task.plan, block, model, 4, 0.5) for block in task.plan.blocks()}
    torch.set_num_threads(threads)
    assert len(blocks) == 20 and len({block.tobytes() for block in blocks.values()}) == 20
    return blocks
