"""Every config in configs/semi means what it says; that it runs is tested in test_config_battery.py."""

from pathlib import Path

import pytest
import torch
from mmengine.registry import DefaultScope
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample

from schanger_mm.apis import load_config
from schanger_mm.registry import MODELS

FOLDER = Path(__file__).parents[1] / 'configs/semi'
CONFIGS = sorted(path.name for path in FOLDER.glob('*.py'))
WEAK_CROP = (252, 252)
BENCHMARKS = [name for name in CONFIGS if 'custom' not in name]
#: training, validation and test tiles, then those with labels at 5, 10, 20 and 40 % (UniMatch's lists)
COUNTS = dict(levir256=(7120, 1024, 2048, 356, 712, 1424, 2848), whu256=(5947, 743, 744, 297, 594, 1189, 2378))
V1 = dict(threshold=0.95, partner='second', strong_weight=0.25, feature_weight=0.5, feature_rate=0.5,
          complementary=False, teacher='self')
V2 = dict(threshold=0.95, partner='reversed', strong_weight=0.5, feature_weight=0.0, complementary=True, teacher='self')


def names(list_file):
    return Path(list_file).read_text().split()


def data_of(name):
    return 'whu256' if 'whu' in name else 'levir256'


@pytest.mark.parametrize('data', COUNTS)
def test_lists_are_the_published_ones(data):
    lists = [set(names(FOLDER / f'lists/{data}_{part}.txt'))
             for part in ('train', 'val', 'test', *(f'labeled_{percent}' for percent in (5, 10, 20, 40)))]
    assert tuple(map(len, lists)) == COUNTS[data]
    train, val, test, *labelled = lists
    assert not train & val and not train & test and not val & test
    assert all(part < train for part in labelled)


@pytest.mark.parametrize('name', BENCHMARKS)
def test_data_are_labelled_by_one_option_and_selected_on_val(name):
    for percent, count in zip((5, 10, 20, 40), COUNTS[data_of(name)][3:]):
        cfg = load_config(FOLDER / name, {'train_dataloader.dataset.percent': percent})
        data = cfg.train_dataloader.dataset
        assert len(names(data.labelled.ann_file.replace('{percent}', str(data.percent)))) == count
        assert data.without_labelled and data.percent == percent
    parts = dict(train=data.unlabelled, val=cfg.val_dataloader.dataset, test=cfg.test_dataloader.dataset)
    for split, part in parts.items():
        assert Path(part.ann_file).resolve() == FOLDER / f'lists/{data_of(name)}_{split}.txt'
        assert part.data_root == cfg.train_dataloader.dataset.labelled.data_root
    assert load_config(FOLDER / name).train_dataloader.dataset.percent == 5
    assert cfg.default_hooks.checkpoint.save_best == 'changed/F1'


@pytest.mark.parametrize('name', CONFIGS)
def test_forms_are_the_papers(name):
    cfg = load_config(FOLDER / name)
    ratio, batch = cfg.train_dataloader.sampler.ratio, cfg.train_dataloader.batch_size
    if name.startswith('supervised'):
        assert cfg.get('semi') is None and (ratio, batch) == (0, 16)
    elif 'v1' in name:
        assert cfg.semi == dict(V1, type='UniMatch') and (ratio, batch) == (2, 24)
    else:
        assert cfg.semi == dict(V2, type='UniMatch') and (ratio, batch) == (1, 32 if 'custom' in name else 16)
    unlabelled = cfg.train_dataloader.dataset.unlabelled.pipeline
    weak = next(step for step in unlabelled if step.type == 'ForBothDates').transforms
    assert [step.type for step in weak] == ['RandomScale', 'PadToSize', 'mmseg.RandomCrop', 'mmseg.RandomFlip']
    assert weak[0].scale == (0.8, 1.2) and weak[1]['size'] == weak[2].crop_size and weak[3].prob == 0.5
    strong = next(step for step in unlabelled if step.type == 'StrongViews')
    jitter, blur = strong.transforms
    assert strong.views == 2 and (jitter.prob, blur.prob) == (0.8, 0.5)
    assert jitter.transforms == [
        dict(type='ColourJitter', brightness=0.5, contrast=0.5, saturation=0.5, hue=0.25)]
    assert blur.transforms == [dict(type='GaussianBlur', sigma=(0.1, 2.0))]
    crops = [step.crop_size for step in cfg.train_dataloader.dataset.labelled.pipeline[2].transforms
             if 'crop_size' in step]
    assert crops == [weak[2].crop_size]


@pytest.mark.parametrize('name', [name for name in CONFIGS if 'dinov2' in name])
def test_dinov2_sees_whole_patches_and_nothing_else(name):
    cfg = load_config(FOLDER / name)
    with DefaultScope.overwrite_default_scope('schanger_mm'):
        preprocessor = MODELS.build(cfg.data_preprocessor)
    sample = SegDataSample(gt_sem_seg=PixelData(data=torch.zeros(1, *WEAK_CROP, dtype=torch.long)))
    crops = dict(inputs=[torch.zeros(6, *WEAK_CROP, dtype=torch.uint8)], data_samples=[sample])
    crop = cfg.train_dataloader.dataset.labelled.pipeline[2].transforms[0].crop_size
    assert tuple(crop) == WEAK_CROP and preprocessor(crops, training=True)['inputs'].shape == (1, 6, 252, 252)
    assert cfg.model.size_divisor == 14 and 252 == 18 * 14


@pytest.mark.parametrize('name', [name for name in BENCHMARKS if 'fpn' not in name])
def test_the_average_is_unimatchs(name):
    hook = load_config(FOLDER / name).custom_hooks[0]
    assert (hook.type, hook.memory, hook.momentum, hook.update_buffers) == ('EMAHook', 1.0, 4e-3, True)


@pytest.mark.parametrize('data', COUNTS)
@pytest.mark.parametrize('size', ['small', 'base'])
def test_the_control_differs_in_nothing_else(size, data):
    control = load_config(FOLDER / f'supervised_schanger-{size}_{data}.py')
    semi, sadl = (load_config(FOLDER / f'unimatch-v2_schanger-{size}_{data}{start}.py') for start in ('', '_sadl'))
    assert semi.load_from == f'work_dirs/pretrain_inria{"_small" if size == "small" else ""}/iter_1124000.pth'
    assert sadl.load_from == f'work_dirs/sadl_scn-{size}_inria/epoch_200_det.pth'
    assert control.model.backbone.arch == size and control.model.decode_head.arch == size
    assert sadl.custom_hooks[1].expected_new == ['decode_head']
    sadl.load_from, sadl.custom_hooks = semi.load_from, semi.custom_hooks
    assert sadl._cfg_dict == semi._cfg_dict
    semi._cfg_dict.pop('semi')
    semi.train_dataloader.sampler.ratio = 0
    assert control._cfg_dict == semi._cfg_dict
    unlabelled = COUNTS[data][0] - COUNTS[data][3]
    passes = 8 * control.train_cfg.max_iters / unlabelled
    assert passes == pytest.approx(60, abs=1)  # UniMatch V2's epochs
    assert [(part.begin, part.end) for part in control.param_scheduler] == [
        (0, control.train_cfg.max_iters // 20), (control.train_cfg.max_iters // 20, control.train_cfg.max_iters)]


def test_the_example_for_own_pairs_loads(root, tmp_path):
    text = (root / 'docs/own_pairs.md').read_text()
    code = text.split('# my_region.py\n')[1].split('```')[0]
    (tmp_path / 'my_region.py').write_text(code)
    cfg = load_config(tmp_path / 'my_region.py')
    data = cfg.train_dataloader.dataset
    assert data.labelled.before == data.unlabelled.before == '2019' and data.labelled.label == 'masks'
    assert [part.ann_file for part in (data.labelled, data.unlabelled, cfg.val_dataloader.dataset,
                                       cfg.test_dataloader.dataset)] == [
        f'splits/{name}.txt' for name in ('labelled', 'unlabelled', 'val', 'test')]
