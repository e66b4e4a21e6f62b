"""What every config of the repository keeps: it builds, keeps the contracts, trains, tests, resumes and exports.

Those for Open-CD run in a checkout of it: tests/test_neighbours/test_opencd.py.
"""

import copy
import functools
import zipfile
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.registry import DefaultScope

from schanger_mm.apis import build_runner, load_config, resume_from
from schanger_mm.deploy import DeployError, open_runtime
from schanger_mm.deploy.export import export
from schanger_mm.deploy.model import SceneModel
from schanger_mm.geo.errors import SceneError
from schanger_mm.models.layers import resolve_arch
from schanger_mm.registry import DATASETS, MODELS, SCOPE, TRANSFORMS

FOLDER = Path(__file__).parents[1] / 'configs'
CONFIGS = sorted(path.relative_to(FOLDER).as_posix() for path in FOLDER.rglob('*.py')
                 if not {'_base_', 'opencd'} & set(path.relative_to(FOLDER).parts))
TINY = (8, 8, 12, 16, 20, 24)
TINY_VIT = dict(hidden_size=16, num_hidden_layers=12, num_attention_heads=2, mlp_ratio=2, image_size=56)
ONNX, NO_ONNX = 'sadl/fpn-cd_r18_gz.py', 'neighbours/r18_tfm_upernet_levir.py'
LOADERS = ('train_dataloader', 'val_dataloader', 'test_dataloader')
pytestmark = pytest.mark.usefixtures('mmpretrain')


@functools.cache
def read(name):
    """Read a config without weights that it would download."""
    cfg = load_config(FOLDER / name)
    cfg.model.backbone.pop('init_cfg', None)
    return cfg


def narrow(model):
    """Give SChanger's parts few channels; everything else stays as it is."""
    backbone, head, neck = (model.get(key) or {} for key in ('backbone', 'decode_head', 'neck'))
    if backbone.type == 'DINOv2':
        backbone.update(arch=TINY_VIT)
        for part in (neck, head):
            part.update(in_channels=[16] * 4) if 'in_channels' in part else None
        head.update(widths=[8] * 4, channels=8) if head.type == 'MapDPTHead' else None
    if backbone.type != 'SCN' or not isinstance(backbone.get('arch', 'base'), str):
        return
    widths = list(resolve_arch(backbone.get('arch', 'base')))
    for part in (backbone, head, neck):
        if 'arch' in part or part.get('type') in ('SCN', 'SpatialConsistencyHead', 'DecoderFeatures'):
            part.arch = TINY
    if neck.get('in_channels') == widths[1:]:
        neck.in_channels = list(TINY[1:])
    if 'in_channels' in head:
        head.in_channels = [TINY[1 + index] for index in head.in_index]
    if 'projector' in model:
        model.projector.in_channels = TINY[0]


def params(names):
    """Return names as parameters; those that need transformers are skipped without it."""
    without = find_spec('transformers') is None
    skip = pytest.mark.skipif(without, reason='needs the extra [dino]')
    return [pytest.param(name, marks=skip) if 'dinov2' in name else name for name in names]


def one_of_each_network():
    """Names of one config for each network, counted after narrowing."""
    seen = {}
    for name in CONFIGS:
        if 'mmpretrain' in (FOLDER / name).read_text():
            seen[name] = name  # not read here: the stand-in is not on the path yet
            continue
        model = copy.deepcopy(read(name).model)
        narrow(model)
        seen.setdefault(str(model), name)
    return sorted(seen.values())


NETWORKS = one_of_each_network()


def bands(cfg):
    return cfg.model.backbone.get('in_channels', 3)


@functools.cache
def output(name):
    """Build the network of a config and run it without computing; return it and what comes out."""
    cfg = read(name)
    with DefaultScope.overwrite_default_scope(SCOPE):
        net = MODELS.build({**cfg.model, 'data_preprocessor': None}).eval()
    for part in ('backbone', 'neck', 'decode_head'):  # SaDL's views cannot live there
        (getattr(net, part, None) or torch.nn.Identity()).to('meta')
    side = 56 if getattr(net, 'size_divisor', 1) == 14 else 64
    images = torch.empty(2, bands(cfg) * getattr(net, 'num_dates', 1), side, side * 3 // 2, device='meta')
    detector = cfg.model.type == 'SiameseEncoderDecoder'
    return net, net(images, mode='tensor') if detector else net.extract_feat(images)


def same_network(name):
    """Return the first config with exactly this network."""
    return next(other for other in CONFIGS if read(other).model == read(name).model)


@pytest.fixture
def cheap(small):
    """Return a function that reads a config and makes it cheap: few channels, two steps of two small samples."""
    def make(name, work_dir):
        cfg = small(FOLDER / name, work_dir)
        cfg.model.backbone.pop('init_cfg', None)
        narrow(cfg.model)
        cfg.default_hooks.checkpoint.update(interval=1, max_keep_ckpts=3)
        return cfg
    return make


@pytest.mark.parametrize('name', params(CONFIGS))
def test_the_network_keeps_the_contract(name):
    cfg, (net, result) = read(name), output(same_network(name))
    if cfg.model.type == 'SiameseEncoderDecoder':
        channels = bands(cfg) * net.num_dates
        if net.semantic_classes:
            classes = [result[f'seg_logits_{date}'] for date in ('from', 'to')]
            result = result['seg_logits']
            assert all(one.shape == (2, net.semantic_classes, *result.shape[2:]) for one in classes)
        assert result.shape[:2] == (2, net.out_channels) and net.out_channels in (1, 2) and net.num_classes == 2
        assert result.shape[2] * 3 == result.shape[3] * 2
        assert net.out_channels == 2 or net.decode_head.threshold == 0.5
        assert cfg.model.test_cfg.mode in ('whole', 'slide')
    else:
        channels = 3
        assert result.shape[:2] == (2, cfg.model.projector.in_channels)
    preprocessor = MODELS.build(cfg.data_preprocessor)
    assert preprocessor.mean.numel() == preprocessor.std.numel() == channels


@pytest.mark.parametrize('name', params(CONFIGS))
def test_data_and_scores_keep_the_contract(name):
    cfg = read(name)
    dates = 2 if cfg.model.get('num_dates', 2) == 2 and cfg.model.type == 'SiameseEncoderDecoder' else 1
    for key in LOADERS:
        if loader := cfg.get(key):
            semi = loader.dataset.type == 'SemiDataset'
            for part, last in ((loader.dataset.labelled, ''), (loader.dataset.unlabelled, 'PackViews')) if semi else (
                    (loader.dataset, ''), ):
                steps = [step.type for step in part.pipeline]
                assert steps[0] == ('LoadBiTemporalImages' if dates == 2 else 'LoadImage')
                assert steps[-1] == (last or ('PackBiTemporalInputs' if dates == 2 else 'mmseg.PackSegInputs'))
                assert all(TRANSFORMS.build(step) for step in part.pipeline)
                assert DATASETS.get(part.type) is not None
            numbered = loader.sampler.type.startswith('SemiSampler' if semi else 'Seeded')
            assert numbered == (key == 'train_dataloader')
    assert cfg.default_hooks.checkpoint.type == 'AtomicCheckpointHook'
    assert cfg.default_hooks.exact_resume.type == 'ExactResumeHook'
    assert cfg.default_scope == SCOPE and cfg.randomness.seed is not None
    for key in ('val_evaluator', 'test_evaluator'):
        if cfg.get(key):
            classes = 'semantic' in cfg.model.get('decode_head', {})
            assert cfg[key].type == ('SemanticChangeMetric' if classes else 'ChangeMetric')


@pytest.mark.long
@pytest.mark.parametrize('name', params(CONFIGS))
def test_trains_tests_and_resumes(name, cheap, tmp_path):
    """Two steps; for each network the second of them again from the checkpoint after the first, bit for bit."""
    cfg = cheap(name, tmp_path / 'run')
    unit = 'epoch' if 'max_epochs' in cfg.train_cfg else 'iter'
    if unit == 'epoch':
        cfg.train_dataloader.batch_size = 2  # one step
    runner = build_runner(cfg)
    before = {key: value.clone() for key, value in runner.model.named_parameters()}
    runner.train()
    moved = sum(not torch.equal(value, before[key]) for key, value in runner.model.named_parameters())
    assert runner.iter == 2 and moved > 0.9 * len(before)
    assert (tmp_path / 'run/last_checkpoint').read_text().endswith(f'{unit}_2.pth')
    end = {key: value.clone() for key, value in runner.model.state_dict().items()}
    if runner._test_dataloader is not None:
        metrics = runner.test()
        what = 'changed' if cfg.model.get('num_dates', 2) == 2 else 'building'
        classes = {'Sek', 'SCD_Score', 'mIoU', 'Fscd'} if 'semantic' in cfg.model.get('decode_head', {}) else set()
        assert set(metrics) == classes | {f'{what}/{s}' for s in ('F1', 'precision', 'recall', 'IoU', 'OA', 'kappa')}
        assert all(0 <= metrics[f'{what}/{s}'] <= 100 for s in ('recall', 'OA'))
    if name in NETWORKS:
        cfg = cheap(name, tmp_path / 'again')
        if unit == 'epoch':
            cfg.train_dataloader.batch_size = 2
        resume_from(cfg, str(tmp_path / f'run/{unit}_1.pth'))
        runner = build_runner(cfg)
        runner.train()
        assert all(torch.equal(end[key], value) for key, value in runner.model.state_dict().items())


@pytest.mark.long
@pytest.mark.parametrize('name', params(
    name for name in NETWORKS if 'sadl_' not in name and 'simsiam' not in name))
def test_predicts_fast_and_exports(name, cheap, tmp_path):
    cfg = cheap(name, tmp_path)
    torch.manual_seed(0)
    with DefaultScope.overwrite_default_scope(SCOPE):
        plain = MODELS.build(dict(cfg.model, data_preprocessor=cfg.data_preprocessor)).eval()
    checkpoint, out = str(tmp_path / 'random.pth'), tmp_path / 'net.pt2'
    torch.save(dict(state_dict=plain.state_dict()), checkpoint)
    if cfg.model.get('num_dates', 2) != 2:
        with pytest.raises(SceneError, match='single-temporal .*; expected a change detector for two dates'):
            export(cfg, name, checkpoint, out, 'program')
        assert not out.exists()
        return
    pair = 255 * np.random.default_rng(0).random((1, 2, bands(cfg), 45, 70), np.float32)
    expected = SceneModel(cfg, checkpoint, name, plain=True).predict(pair)
    np.testing.assert_allclose(SceneModel(cfg, checkpoint, name).predict(pair), expected, atol=1e-5)
    words = export(cfg, name, checkpoint, out, 'program')  # compares with the plain network before it writes
    assert 'largest difference' in words
    assert zipfile.is_zipfile(out)
    if name == ONNX:
        out = out.with_suffix('.onnx')
        assert 'largest difference' in export(cfg, name, checkpoint, out, 'onnx')
        np.testing.assert_allclose(open_runtime(out)(pair[:, 0], pair[:, 1]), expected, atol=1e-4)
    elif name == NO_ONNX:
        with pytest.raises(DeployError, match=r'stops at adaptive_avg_pool2d; .* UPerHead .* Use --format program'):
            export(cfg, name, checkpoint, out.with_suffix('.onnx'), 'onnx')
        assert not out.with_suffix('.onnx').exists()
