"""Our parts in Open-CD: every interface that the two have to agree on, with Open-CD itself or its stand-in."""

import importlib
import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from mmengine.config import Config, ConfigDict
from mmengine.dataset import pseudo_collate
from mmengine.registry import DefaultScope
from mmengine.runner import Runner
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample

from schanger_mm.apis import build_runner, load_config, prepare
from schanger_mm.benchmark.network import build, count_cost
from schanger_mm.deploy.model import SceneModel
from schanger_mm.registry import DATASETS, MODELS

ARCH = (4, 4, 6, 8, 10, 12)
THEIRS = ('schanger-small_levir', 'tfm-upernet_r18_levir', 'tfm-segformer_mit-b0_levir')
MEANS = dict(mean=[10., 20., 30., 40., 50., 60.], std=[1., 2., 3., 4., 5., 6.])
PATHS = ('img_path', 'seg_map_path', 'label_map', 'format_seg_map', 'reduce_zero_label', 'seg_fields', 'sample_idx')


@pytest.fixture
def make(opencd):
    """Return a function that builds a part as a Runner of Open-CD does, in its default scope."""
    registry = importlib.import_module('opencd.registry')

    def build_part(kind='MODELS', **cfg):
        with DefaultScope.overwrite_default_scope('opencd'):
            return getattr(registry, kind).build(cfg)
    return build_part


@pytest.fixture
def pairs(fakes):
    """Arguments of a data set of two drawn pairs."""
    return dict(data_root=fakes('LEVIRCDDataset'),
                data_prefix=dict(seg_map_path='train/label', img_path_from='train/A', img_path_to='train/B'))


def their_load():
    return [dict(type='opencd.MultiImgLoadImageFromFile'), dict(type='opencd.MultiImgLoadAnnotations')]


def our_load():
    return [dict(type='schanger_mm.LoadBiTemporalImages'), dict(type='schanger_mm.LoadChangeLabel')]


def detector(**neck):
    fusion = dict(temporal_fusion=dict(type='TFM')) if neck.get('policy') == 'concat' else {}
    return dict(
        type='SiamEncoderDecoder', neck=neck, train_cfg=dict(), test_cfg=ConfigDict(mode='whole'),
        backbone=dict(type='schanger_mm.SCN', arch=ARCH),
        decode_head=dict(type='schanger_mm.SpatialConsistencyHead', arch=ARCH, **fusion))


@pytest.mark.parametrize('neck', [
    *(dict(type='FeatureFusionNeck', policy=policy, out_indices=(0, 1, 2, 3, 4)) for policy in (
        'concat', 'sum', 'diff', 'abs_diff')),
    dict(type='schanger_mm.TFM', in_channels=ARCH[1:])], ids=lambda neck: neck.get('policy', 'TFM'))
def test_encoder_and_head_in_their_detector(make, neck):
    net = make(**detector(**neck))
    assert type(net).__module__.startswith('opencd.')
    inputs, samples = torch.randn(2, 6, 32, 32), [SegDataSample() for _ in range(2)]
    for sample in samples:
        sample.set_metainfo(dict(img_shape=(32, 32), ori_shape=(32, 32), pad_shape=(32, 32)))
        sample.gt_sem_seg = PixelData(data=torch.randint(0, 2, (1, 32, 32)))
    losses = net(inputs, samples, mode='loss')
    assert set(losses) == {'decode.loss_bce_dice'} and losses['decode.loss_bce_dice'].requires_grad
    with torch.no_grad():
        results = net.eval()(inputs, samples, mode='predict')
    for result in results:
        assert result.seg_logits.data.shape == result.pred_sem_seg.data.shape == (1, 32, 32)
        assert result.seg_logits.data.dtype == torch.float32
        assert 0 <= result.seg_logits.data.min() and result.seg_logits.data.max() <= 1  # sigmoided once, as mmseg does
        assert set(result.pred_sem_seg.data.unique().tolist()) <= {0, 1}
    assert (net.num_classes, net.out_channels, net.align_corners) == (2, 1, False)


def test_the_concatenating_neck_gives_what_our_detector_gives_without_one(make):
    theirs = make(**detector(type='FeatureFusionNeck', policy='concat', out_indices=(0, 1, 2, 3, 4))).eval()
    ours = MODELS.build({**detector(policy='concat'), 'type': 'SiameseEncoderDecoder', 'neck': None}).eval()
    ours.load_state_dict(theirs.state_dict())
    x = torch.randn(1, 6, 32, 48)
    with torch.no_grad():
        torch.testing.assert_close(ours(x, mode='tensor'), theirs(x, mode='tensor'))


def test_tfm_has_the_interface_of_their_neck(make):
    levels = [torch.randn(2, 2, c, 32 >> i, 32 >> i) for i, c in enumerate(ARCH[1:])]
    a, b = ([level[date] for level in levels] for date in (0, 1))
    theirs = make(type='FeatureFusionNeck', policy='diff', out_indices=(0, 1, 2, 3, 4))(a, b)
    for mode in ('conv', 'diff'):
        ours = make(type='schanger_mm.TFM', in_channels=ARCH[1:], mode=mode)(a, b)
        assert type(ours) is type(theirs) is tuple
        assert [x.shape for x in ours] == [x.shape for x in theirs]
    for one, other in zip(ours, theirs):  # ours is A - B, theirs B - A
        torch.testing.assert_close(one, -other)


@pytest.mark.parametrize('policy, message', [('concat', r'expected 1 x 4 \(without temporal_fusion'), ('diff', None)])
def test_a_neck_that_does_not_fit_the_head_is_named(make, policy, message):
    neck = make(type='FeatureFusionNeck', policy=policy, out_indices=(0, 1, 2, 3, 4))
    a = [torch.randn(1, c, 32 >> i, 32 >> i) for i, c in enumerate(ARCH[1:])]
    head = make(type='schanger_mm.SpatialConsistencyHead', arch=ARCH)
    if message is None:
        assert head(neck(a, a)).shape == (1, 1, 32, 32)
    else:
        with pytest.raises(ValueError, match=message):
            head(neck(a, a))


def test_both_raw_samples_have_the_same_keys(make, pairs):
    theirs = make('DATASETS', type='LEVIR_CD_Dataset', pipeline=[], **pairs)
    ours = make('DATASETS', type='schanger_mm.BiTemporalDataset', pipeline=[], **pairs)
    assert len(ours) == len(theirs) == 2
    for one, other in zip(map(ours.get_data_info, range(2)), map(theirs.get_data_info, range(2))):
        assert {key: one[key] for key in PATHS} == {key: other[key] for key in PATHS}
        assert [type(path) for path in one['img_path']] == [str, str]
    assert ours.metainfo['classes'] == theirs.metainfo['classes'] == ('unchanged', 'changed')
    assert ours.metainfo['palette'] == theirs.metainfo['palette']


@pytest.mark.parametrize('owner', ['LEVIR_CD_Dataset', 'schanger_mm.BiTemporalDataset'])
@pytest.mark.parametrize('load', [our_load, their_load])
@pytest.mark.parametrize('pack', ['schanger_mm.PackBiTemporalInputs', 'MultiImgPackSegInputs'])
def test_data_sets_loaders_and_packers_mix(make, pairs, owner, load, pack):
    transforms = [*load(), dict(type='schanger_mm.ForBothDates', transforms=[
        dict(type='mmseg.RandomCrop', crop_size=(32, 48)), dict(type='mmseg.RandomFlip', prob=1.0)]),
        dict(type='MultiImgRandomFlip', prob=1.0, direction='vertical'), dict(type=pack)]
    packed = make('DATASETS', type=owner, pipeline=transforms, **pairs)[0]
    assert set(packed) == {'inputs', 'data_samples'}
    assert packed['inputs'].shape == (6, 32, 48) and packed['inputs'].dtype == torch.uint8
    sample = packed['data_samples']
    assert type(sample) is SegDataSample
    assert sample.gt_sem_seg.data.shape == (1, 32, 48) and sample.gt_sem_seg.data.dtype == torch.int64
    assert set(sample.gt_sem_seg.data.unique().tolist()) <= {0, 1}
    assert len(sample.img_path) == 2 and sample.seg_map_path.endswith('.png')
    assert tuple(sample.ori_shape) == (64, 64) and tuple(sample.img_shape) == (32, 48)
    assert sample.flip is True and sample.flip_direction == 'vertical'


def test_both_loaders_read_the_same_pixels(make, pairs):
    one, other = (make('DATASETS', type='LEVIR_CD_Dataset', pipeline=[*load(), dict(type='MultiImgPackSegInputs')],
                        **pairs)[1] for load in (our_load, their_load))
    assert torch.equal(one['inputs'], other['inputs'])
    assert torch.equal(one['data_samples'].gt_sem_seg.data, other['data_samples'].gt_sem_seg.data)


def test_both_preprocessors_make_the_same_batch(make, pairs):
    data = make('DATASETS', type='LEVIR_CD_Dataset', pipeline=[*their_load(), dict(type='MultiImgPackSegInputs')],
                 **pairs)
    theirs = make(type='DualInputSegDataPreProcessor', bgr_to_rgb=True, size_divisor=48, **MEANS)
    ours = make(type='schanger_mm.BiTemporalPreProcessor', bgr_to_rgb=True, size_divisor=48, **MEANS)
    for training, count in ((True, 2), (False, 1)):
        one, other = (part(pseudo_collate([data[i] for i in range(count)]), training) for part in (ours, theirs))
        torch.testing.assert_close(one['inputs'], other['inputs'])
        assert one['inputs'].shape == (count, 6, *((96, 96) if training else (64, 64)))
        for a, b in zip(one['data_samples'], other['data_samples']):
            assert torch.equal(a.gt_sem_seg.data, b.gt_sem_seg.data)


THEIR_TEST = """
import sys
from mmengine.config import Config
from mmengine.runner import Runner
cfg = Config.fromfile(sys.argv[1])
cfg.load_from = sys.argv[2]
found = Runner.from_cfg(cfg).test()
from mmengine.runner.checkpoint import CheckpointLoader
print('tested', CheckpointLoader._schemes[''].__module__.startswith('schanger_mm.') and 'changed/F1' in found)
"""


def few(cfg, root, work_dir):
    """Two iterations on two drawn pairs."""
    for key in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
        cfg[key].update(num_workers=0, persistent_workers=False, batch_size=min(cfg[key].batch_size, 2))
        cfg[key].dataset.data_root = root
    cfg.train_cfg.update(max_iters=2, val_interval=2)
    cfg.work_dir = str(work_dir)
    return cfg


@pytest.mark.long
@pytest.mark.stack
@pytest.mark.parametrize('name', THEIRS)
def test_our_configs_train_and_test_in_their_checkout(opencd, name, root, fakes, tmp_path):
    """What their tools/train.py and tools/test.py do: read the file, build the Runner, run."""
    cfg = few(Config.fromfile(opencd / f'configs/opencd/{name}.py'), fakes('LEVIRCDDataset'), tmp_path)
    assert cfg.default_scope == 'opencd' and cfg.custom_imports.imports == ['schanger_mm.registry']
    runner = Runner.from_cfg(cfg)
    before = {key: value.clone() for key, value in runner.model.named_parameters()}
    runner.train()
    moved = sum(not torch.equal(value, before[key]) for key, value in runner.model.named_parameters())
    assert moved > 0.9 * len(before) and type(runner.model).__module__.startswith('opencd.')
    assert (tmp_path / 'iter_2.pth').is_file() and list(tmp_path.glob('best_changed_F1_iter_2.pth'))
    assert 0 <= runner.test()['changed/OA'] <= 100
    if name == THEIRS[0]:  # their tools/test.py in a process that has not imported this package
        cfg.dump(tmp_path / 'run.py')
        env = {**os.environ, 'PYTHONPATH': os.pathsep.join([str(opencd), str(root)])}
        done = subprocess.run([sys.executable, '-c', THEIR_TEST, tmp_path / 'run.py', tmp_path / 'iter_2.pth'],
                              env=env, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert done.stdout.split()[-2:] == ['tested', 'True']


@pytest.mark.long
@pytest.mark.stack
def test_our_config_on_their_data_trains_with_our_tools(opencd, root, fakes, tmp_path):
    path = root / 'configs/opencd/schanger-small_levir_their-data.py'
    cfg = load_config(path)
    assert cfg.train_dataloader.dataset.type == 'LEVIR_CD_Dataset'
    cfg = few(cfg, fakes('LEVIRCDDataset'), tmp_path)
    prepare(cfg, str(path), str(tmp_path))
    for part in (cfg.model.backbone, cfg.model.decode_head):
        part.arch = ARCH
    runner = build_runner(cfg)
    runner.train()
    assert 0 <= runner.test()['changed/OA'] <= 100
    assert type(runner.train_dataloader.dataset).__module__.startswith('opencd.')


def test_every_config_is_tested(root):
    ours = 'schanger-small_levir_their-data'
    assert {path.stem for path in (root / 'configs/opencd').glob('*.py')} == {*THEIRS, ours}


def test_their_registry_is_not_ours(opencd):
    assert 'LEVIR_CD_Dataset' not in DATASETS.module_dict and 'SiamEncoderDecoder' not in MODELS.module_dict


def dual(kind='DIEncoderDecoder', **backbone):
    """Return a config text: a detector of Open-CD's whose backbone takes both dates."""
    heads = dict(IA_ResNetV1c=dict(type='mmseg.FCNHead', in_channels=1024, channels=8, num_convs=1),
                 TinyCD=dict(type='IdentityHead', in_channels=1, threshold=0.5, out_channels=1))
    head = dict(heads[backbone['type']], num_classes=2, loss_decode=dict(type='mmseg.CrossEntropyLoss'))
    statistics = dict(type='DualInputSegDataPreProcessor', mean=[100.0] * 6, std=[50.0] * 6)
    return (f"default_scope = 'opencd'\nmodel = dict(type={kind!r}, data_preprocessor={statistics}, "
            f"backbone={backbone}, decode_head={head}, test_cfg=dict(mode='whole'))\n")


EXCHANGE = dict(type='IA_ResNetV1c', depth=18,
                interaction_cfg=(None, dict(type='SpatialExchange', p=1 / 2), None, None))


@pytest.mark.parametrize('kind', ['DIEncoderDecoder', 'AdapterEncoderDecoder'])
def test_get_flops_counts_detectors_whose_forward_differs(opencd, kind, tmp_path):
    (tmp_path / 'net.py').write_text(dual(kind, **EXCHANGE))
    cost = count_cost(build(str(tmp_path / 'net.py')), 1, 64, 64)
    # on 2 x 2 px: 1024 to 8 channels by 3 x 3, both together to 8, then the classes
    assert cost['macs']['decode_head'] == 4 * (1024 * 8 * 9 + 1032 * 8 * 9 + 8 * 2)
    assert cost['macs']['backbone'] > 2 * 64 ** 2 / 4 * 3 * 32 * 9


def test_a_network_that_keeps_a_part_of_a_large_encoder_predicts(opencd, tmp_path):
    path = tmp_path / 'net.py'
    path.write_text(dual(type='TinyCD'))
    network = build(str(path))
    kept = network.state_dict()
    assert sum(value.numel() for value in kept.values()) < 20_000
    torch.save(dict(state_dict=kept), tmp_path / 'net.pth')
    found = SceneModel.load(str(path), str(tmp_path / 'net.pth')).predict(np.zeros((1, 2, 3, 32, 32), np.float32))
    assert found.shape == (1, 32, 32)


NAMES = '''
import sys
from schanger_mm.config.loading import load_config
for path in sys.argv[1:]:
    load_config(path)
print('read', 'opencd.models' in sys.modules)
'''


def test_unprefixed_names_are_known_in_a_fresh_process(opencd, root, tmp_path):
    (tmp_path / 'exchange.py').write_text(dual(**EXCHANGE))
    configs = [tmp_path / 'exchange.py', root / 'configs/opencd/schanger-small_levir_their-data.py',
               *(opencd / f'configs/opencd/{name}.py' for name in THEIRS)]
    env = {**os.environ, 'PYTHONPATH': os.pathsep.join([str(opencd), str(root)])}
    done = subprocess.run([sys.executable, '-c', NAMES, *map(str, configs)], env=env, capture_output=True, text=True)
    assert (done.returncode, done.stdout.split()[-2:]) == (0, ['read', 'True']), done.stderr
    (tmp_path / 'misspelt.py').write_text(dual(**EXCHANGE).replace('DIEncoderDecoder', 'DIEncoderDecodr'))
    done = subprocess.run([sys.executable, '-c', NAMES, str(tmp_path / 'misspelt.py')], env=env, capture_output=True,
                          text=True)
    assert "no part is registered as 'DIEncoderDecodr'; did you mean 'DIEncoderDecoder'?" in done.stderr


def sure(runner, logit):
    """Let the network say the same everywhere."""
    for value in runner.model.parameters():
        value.data.zero_()
    model = getattr(runner.model, 'module', runner.model)
    model.decode_head.conv_seg.bias.data.fill_(logit)


@pytest.mark.parametrize('tta', [False, True])
def test_test_time_augmentation_changes_no_unchanged_pixel(opencd, fakes, tmp_path, tta):
    """As their tools/test.py does it; mmseg's wrapper calls a probability of 0.27 changed."""
    cfg = few(Config.fromfile(opencd / 'configs/opencd/schanger-small_levir.py'), fakes('LEVIRCDDataset'), tmp_path)
    if tta:
        cfg.test_dataloader.dataset.pipeline = cfg.tta_pipeline
        cfg.tta_model.module = cfg.model
        cfg.model = cfg.tta_model
    for key in ('train_dataloader', 'train_cfg', 'optim_wrapper', 'param_scheduler', 'val_dataloader', 'val_cfg',
                'val_evaluator'):
        cfg[key] = None
    cfg.experiment_name = f'tta_{tta}'
    runner = Runner.from_cfg(cfg)
    runner.load_or_resume()
    sure(runner, -1.0)
    assert runner.test()['changed/recall'] == 0
    sure(runner, 1.0)
    assert runner.test()['changed/recall'] == 100
