"""What a variant costs on labelled pairs."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmengine.registry import DefaultScope

from schanger_mm.apis import load_config
from schanger_mm.benchmark import run
from schanger_mm.benchmark.launches import Calls, count_launches
from schanger_mm.benchmark.measure import Job, measure
from schanger_mm.benchmark.network import load
from schanger_mm.benchmark.quality import judge
from schanger_mm.benchmark.run import benchmark
from schanger_mm.benchmark.variants import VARIANTS, make_forward
from schanger_mm.deploy import DeployError
from schanger_mm.deploy.labelled_tiles import read_halves
from schanger_mm.models.data_preprocessor import BiTemporalPreProcessor
from schanger_mm.registry import MODELS, SCOPE
from schanger_mm.utils.errors import SettingError


@pytest.fixture
def pairs(tmp_path):
    """Two pairs of 40 x 50 px whose later date is brighter in red where the mask is 255."""
    for number in range(2):
        mask = np.zeros((40, 50), np.uint8)
        mask[5:20, 4 + number:30] = 255
        before = np.full((40, 50, 3), 50, np.uint8)
        after = before.copy()
        after[..., 2] += mask // 2  # B, G, R
        after[25:30, :10, 2] += 100  # a false alarm of 50 px
        for folder, image in (('A', before), ('B', after), ('label', mask)):
            (tmp_path / folder).mkdir(exist_ok=True)
            cv2.imwrite(str(tmp_path / folder / f'{number}.png'), image)
    return str(tmp_path)


def test_f1_and_probabilities_are_those_of_the_tiles(pairs):
    preprocessor = BiTemporalPreProcessor([50.] * 6, [100.] * 6)
    tiles = [tile for half in read_halves(pairs, 64) for tile in half]
    f1, found = judge(lambda images: (images[:, 3] - images[:, 0]).clamp(0, 1), preprocessor, 0.5, tiles, 8)
    tp, fp = 15 * 26 + 15 * 25, 2 * 50  # of 40 x 48 px, as sides are cut to multiples of 8
    assert f1 == pytest.approx(100 * 2 * tp / (2 * tp + fp))
    assert found.shape == (2 * 40 * 48, ) and sorted(set(found.tolist())) == pytest.approx([0, 1])


def test_a_trained_network_is_scored_and_compared_on_the_pairs(pairs, demo_checkpoint):
    threads = torch.get_num_threads()
    answers = {}
    for variant in ('plain', 'fast-bf16'):
        answers[variant] = measure(Job(str(demo_checkpoint), size=32, variant=variant, rounds=1, threads=1, data=pairs))
    torch.set_num_threads(threads)
    (plain, exact), (fast, rough) = answers.values()
    assert exact.shape == rough.shape == (2 * 4 * 32 * 32, )  # two tiles by two of each pair
    assert 0 < float((exact - rough).abs().max()) < 0.2
    assert 0 <= plain['f1'] <= 100 and abs(plain['f1'] - fast['f1']) < 10
    assert plain['launches'] > fast['launches'] > 50


def test_random_weights_have_no_f1(pairs):
    with pytest.raises(SettingError, match='--data .*: small has no trained weights and statistics'):
        benchmark([Job('small', rounds=1, data=pairs)], ['plain'])


@pytest.mark.parametrize(('folder', 'message'), [
    ('.', '--data .*: expected at least two pairs.*found 1'), ('none', '--data .*none: no such folder')])
def test_a_bad_folder_is_found_before_anything_is_measured(pairs, demo_checkpoint, monkeypatch, folder, message):
    monkeypatch.setattr(run, 'measure_ceilings', lambda *_: pytest.fail('measured'))
    for file in Path(pairs).glob('*/1.png'):
        file.unlink()
    with pytest.raises(DeployError, match=message):
        benchmark([Job(str(demo_checkpoint), size=32, rounds=1, data=str(Path(pairs) / folder))], ['plain'])


@pytest.mark.parametrize('mode', [torch.no_grad, torch.inference_mode])
def test_kernels_inside_an_operator_are_counted(mode):
    image = torch.ones(4, 6)
    with mode(), Calls() as calls:
        torch.nn.functional.dropout(image, training=False)  # none
        image.t().contiguous()
        image.contiguous()  # none
        torch.nn.functional.linear(image, image)
        torch.nn.functional.conv2d(image[None, None], image[None, None])
        torch.nn.functional.interpolate(image[None, None], scale_factor=2.0, mode='bilinear')
        float(image.sum())
    assert dict(calls.kernels) == dict(clone=1, mm=1, convolution=1, upsample_bilinear2d=1, sum=1)
    assert dict(calls.waits) == dict(_local_scalar_dense=1)


def test_launches_are_operators_that_compute():
    image = torch.ones(4, 4)
    assert count_launches(lambda: (image + 1).relu().view(16).sum(), torch.device('cpu')) == 3
    with Calls() as calls:
        float(image.sum())
    assert dict(calls.kernels) == {'sum': 1} and dict(calls.waits) == {'_local_scalar_dense': 1}


def four_bands(root, folder):
    """Write a checkpoint of the demo's network for four bands of 16 bits, and two labelled pairs of them."""
    cfg = load_config(root / 'configs/schanger/demo.py')
    cfg.model.backbone.in_channels = 4
    cfg.data_preprocessor.update(mean=[100.] * 8, std=[50.] * 8, bgr_to_rgb=False)
    cfg.test_dataloader.dataset.pipeline[0].update(bands=(4, 3, 2, 1), scale='0:3000')
    with DefaultScope.overwrite_default_scope(SCOPE):
        torch.manual_seed(0)
        network = MODELS.build(dict(cfg.model, data_preprocessor=cfg.data_preprocessor)).eval()
    torch.save(dict(meta=dict(cfg=cfg.pretty_text), state_dict=network.state_dict()), folder / 'four.pth')
    return folder / 'four.pth', network


@pytest.mark.filterwarnings('ignore::rasterio.errors.NotGeoreferencedWarning')
def test_pairs_of_four_bands_are_read_as_in_the_training(root, tmp_path):
    rasterio = pytest.importorskip('rasterio')
    checkpoint, network = four_bands(root, tmp_path)
    values = np.random.default_rng(0).integers(1, 3000, (2, 2, 4, 32, 32)).astype(np.uint16)
    for number, pair in enumerate(values):
        for folder, image in zip('AB', pair, strict=True):
            (tmp_path / 'set' / folder).mkdir(parents=True, exist_ok=True)
            with rasterio.open(tmp_path / f'set/{folder}/{number}.tif', 'w', driver='GTiff', count=4, height=32,
                               width=32, dtype='uint16') as file:
                file.write(image)
        (tmp_path / 'set/label').mkdir(exist_ok=True)
        cv2.imwrite(str(tmp_path / f'set/label/{number}.png'), np.full((32, 32), 255, np.uint8))
    threads = torch.get_num_threads()
    _, found = measure(Job(str(checkpoint), size=32, variant='plain', rounds=1, threads=1, data=str(tmp_path / 'set')))
    torch.set_num_threads(threads)
    images = torch.from_numpy((values[:, :, ::-1] / 3000 * 255).astype(np.float32)).reshape(2, 8, 32, 32)
    with torch.inference_mode():
        logits = network((images - 100) / 50, mode='tensor')
    np.testing.assert_allclose(found, logits.sigmoid().flatten() if logits.shape[1] == 1 else
                               logits.softmax(1)[:, 1].flatten(), atol=1e-5)


@pytest.mark.long
def test_an_export_of_four_bands_predicts_alike(root, tmp_path):
    pytest.importorskip('onnxscript')
    pytest.importorskip('onnxruntime')
    checkpoint, network = four_bands(root, tmp_path)
    images = torch.randn(1, 8, 32, 32, generator=torch.Generator().manual_seed(0))
    exported = make_forward(VARIANTS['inference']['onnx'], load(str(checkpoint), None))(images)
    with torch.inference_mode():
        logits = network(images, mode='tensor')
    expected = logits.sigmoid()[:, -1] if logits.shape[1] == 1 else logits.softmax(1)[:, 1]
    assert (expected - exported).abs().max() < 1e-4
