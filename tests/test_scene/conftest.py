"""Shared by the tests of scenes."""

from importlib.util import find_spec

import cv2
import numpy as np
import pytest
import torch

UTM = 'EPSG:32633'
if find_spec('rasterio') is None:  # the extra [geo] is not installed
    collect_ignore_glob = ['test_*.py']


@pytest.fixture
def write_raster(tmp_path):
    """Return a function that writes an array (bands, h, w) as a raster and returns its path.

    The upper left corner lies at (500000, 5000000) with pixels of 0.5, moved by ``offset`` pixels.
    """
    import rasterio
    from rasterio.enums import ColorInterp
    from rasterio.transform import from_origin

    def write(name, array, crs=UTM, pixel=0.5, offset=(0, 0), transform=None, mask=None, alpha=False, **profile):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        suffix = path.suffix.lower()
        if suffix == '.tif':
            profile = dict(driver='GTiff', crs=crs, **profile)
            profile['transform'] = transform or from_origin(
                500_000 + offset[0] * pixel, 5_000_000 - offset[1] * pixel, pixel, pixel)
        else:
            profile['driver'] = {'.png': 'PNG', '.jpg': 'JPEG'}[suffix]
        count, height, width = array.shape
        with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True), rasterio.open(
                path, 'w', width=width, height=height, count=count, dtype=array.dtype, **profile) as file:
            file.write(array)
            if alpha:
                file.colorinterp = [ColorInterp.red, ColorInterp.green, ColorInterp.blue, ColorInterp.alpha]
            if mask is not None:
                file.write_mask(mask)
        return str(path)

    return write


@pytest.fixture
def noise():
    """Return a function that draws a smooth image (bands, h, w) of 1..254, uint8."""
    def draw(height=64, width=80, bands=3, seed=0):
        rng = np.random.default_rng(seed)
        image = cv2.GaussianBlur(rng.normal(size=(height, width, bands)), (0, 0), 1.5).reshape(height, width, bands)
        image = (image - image.min()) / (image.max() - image.min())
        return np.ascontiguousarray((1 + 253 * image).round().astype(np.uint8).transpose(2, 0, 1))

    return draw


@pytest.fixture(scope='module')
def task_inputs(root, tmp_path_factory):
    """Write a pair of noise and random weights; return their folder."""
    import rasterio

    from schanger_mm.apis.config import load_config
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
    from schanger_mm.scene.model import SceneModel
    from schanger_mm.scene.plan import Plan
    from schanger_mm.scene.source import PairSpec, open_pair
    from schanger_mm.scene.task import BlockTask
    config = str(root / 'configs/schanger/demo.py')

    def make(folder=task_inputs, **changes):
        with open_pair(PairSpec(str(folder / 'a.tif'), str(folder / 'b.tif'))) as source:
            plan, spec, fingerprint = Plan(source.grid, 64, 64, 32), source.spec, source.fingerprint()
        weights = str(folder / 'weights.pth')
        settings = dict(spec=spec, plan=plan, model=config, weights=weights, device='cpu', precision='fp32',
                        batch_size=4, threshold=0.5, threads=1, fingerprint=fingerprint,
                        weights_sha256=SceneModel.load(config, weights).sha256)
        return BlockTask(**{**settings, **changes})

    return make


@pytest.fixture(scope='module')
def task(make_task):
    return make_task()


@pytest.fixture(scope='module')
def serial(task):
    """Return every block as this process predicts it, by index."""
    from schanger_mm.scene.block import predict_block
    from schanger_mm.scene.model import SceneModel
    from schanger_mm.scene.source import open_pair
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    model = SceneModel.load(task.model, task.weights, 'cpu')
    with open_pair(task.spec) as source:
        blocks = {block.index: predict_block(source, task.plan, block, model, 4, 0.5) for block in task.plan.blocks()}
    torch.set_num_threads(threads)
    assert len(blocks) == 20 and len({block.tobytes() for block in blocks.values()}) == 20
    return blocks
