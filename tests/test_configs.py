"""Every config in configs/schanger means what it says; that it runs is tested in test_config_battery.py."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from schanger_mm.apis import build_runner, load_config, shorten
from schanger_mm.demo.scenes import draw_pair
from schanger_mm.registry import MODELS, OPTIM_WRAPPER_CONSTRUCTORS, PARAM_SCHEDULERS

FOLDER = Path(__file__).parents[1] / 'configs/schanger'

#: epochs, iterations per epoch, epochs of warm-up, epochs between validations (section IV of the SChanger paper)
SCHEDULES = {
    'levir': (12_000, 55, 600, 50),
    'levir_plus': (9_000, 79, 450, 50),
    's2looking': (3_000, 437, 150, 30),
    'cdd': (500, 1_250, 50, 10),
    'sysu': (450, 1_500, 10, 10),
    'whu': (1_000, 567, 20, 25),
    'pretrain_inria': (4_000, 281, 400, None),
}
#: per-date means and stds of the training split, R, G, B in [0, 1], date A first
STATISTICS = {
    'levir': ([0.450260, 0.446668, 0.381347, 0.345523, 0.338196, 0.288815],
              [0.192589, 0.181647, 0.169087, 0.144336, 0.140168, 0.132767]),
    'levir_plus': ([0.446480, 0.442535, 0.377722, 0.341493, 0.334707, 0.285607],
                   [0.173938, 0.164157, 0.152074, 0.128414, 0.124891, 0.117564]),
    's2looking': ([0.175656, 0.207904, 0.203985, 0.205953, 0.220245, 0.212459],
                  [0.049154, 0.044471, 0.038774, 0.045972, 0.037465, 0.029996]),
    'cdd': ([0.353894, 0.391042, 0.343066, 0.473244, 0.498616, 0.468731],
            [0.153336, 0.154792, 0.142906, 0.160683, 0.163959, 0.157589]),
    'sysu': ([0.396596, 0.528462, 0.465400, 0.402024, 0.487661, 0.398957],
             [0.202135, 0.158112, 0.152967, 0.182353, 0.156828, 0.154372]),
    'whu': ([0.490689, 0.449112, 0.393020, 0.491401, 0.490355, 0.469809],
            [0.143358, 0.138292, 0.137560, 0.181708, 0.171959, 0.178498]),
}
BENCHMARKS = sorted(STATISTICS)


def test_every_config_has_a_file_name_of_its_own():
    """``mim train schanger_mm levir.py`` looks the name up in all folders."""
    names = [path.name for path in FOLDER.parent.rglob('*.py')]
    assert len(names) > 60 and sorted(names) == sorted(set(names))


@pytest.mark.parametrize('name, dates, fusion, parameters', [
    *((f'{name}.py', 2, 'head', 2_369_995) for name in BENCHMARKS),
    *((f'{name}_small.py', 2, 'head', 607_305) for name in BENCHMARKS),
    ('pretrain_inria.py', 1, None, 2_265_163),
    ('pretrain_inria_small.py', 1, None, 580_849),
    ('levir_early_fusion.py', 2, 'neck', None),
])
def test_networks_are_the_papers(name, dates, fusion, parameters):
    cfg = load_config(FOLDER / name)
    with torch.device('meta'):
        model = MODELS.build({**cfg.model, 'data_preprocessor': None})
    assert model.num_dates == dates
    assert (fusion == 'head') == (model.decode_head.num_dates == 2)
    assert (fusion == 'neck') == model.with_neck
    if parameters:
        assert sum(p.numel() for p in model.parameters()) == parameters


@pytest.mark.parametrize('name, schedule', [
    *((f'{name}{twin}.py', name) for name in SCHEDULES for twin in ('', '_small')), ('levir_early_fusion.py', 'levir')])
def test_optimiser_and_schedule_are_the_papers(name, schedule):
    epochs, per_epoch, warmup_epochs, between = SCHEDULES[schedule]
    full = load_config(FOLDER / name)
    length, warmup = epochs * per_epoch, warmup_epochs * per_epoch
    assert [(s.begin, s.end) for s in full.param_scheduler] == [(0, warmup), (warmup, length)]
    assert full.train_cfg.max_iters == length
    assert full.train_dataloader.batch_size == (8 if between else 16) and full.train_dataloader.sampler.shuffle
    assert full.optim_wrapper.type == 'AmpOptimWrapper' and full.randomness.seed == 36
    assert full.train_cfg.get('val_interval') == (between and between * per_epoch)
    header = (FOLDER / name.replace('_small', '')).read_text()
    assert f'{epochs} epochs of {per_epoch} iterations, {warmup_epochs} of them warm-up' in header or 'early' in name

    with torch.device('meta'):
        model = MODELS.build({**full.model, 'data_preprocessor': None})
    constructor = OPTIM_WRAPPER_CONSTRUCTORS.build(dict(
        type='DefaultOptimWrapperConstructor', paramwise_cfg=full.optim_wrapper.paramwise_cfg,
        optim_wrapper_cfg=dict(type='OptimWrapper', optimizer=full.optim_wrapper.optimizer)))
    optimizer = constructor(model).optimizer
    assert type(optimizer) is torch.optim.AdamW and optimizer.defaults['betas'] == (0.9, 0.999)
    names = {id(p): n for n, p in model.named_parameters()}
    for group in optimizer.param_groups:
        (parameter, ) = group['params']
        assert group['lr'] == 5e-4
        assert group['weight_decay'] == (0.0 if parameter.ndim == 1 else 2e-4), names[id(parameter)]

    # a run of 2000 iterations in the same proportions, and one group instead of 400: 660,000 would take minutes
    shorten(full, 2000)
    del optimizer.param_groups[1:]
    warm = round(2000 * warmup / length)
    schedulers = [PARAM_SCHEDULERS.build({**s, 'optimizer': optimizer}) for s in full.param_scheduler]
    rates = []
    for _ in range(2000):
        rates.append(optimizer.param_groups[0]['lr'])
        optimizer.step()
        for scheduler in schedulers:
            scheduler.step()
    assert rates[0] == pytest.approx(5e-7)
    assert rates[warm // 2] == pytest.approx(2.5e-4, rel=0.05)
    assert rates[warm] == pytest.approx(5e-4, rel=0.01)
    assert rates[(warm + 2000) // 2] == pytest.approx(2.5e-4, rel=0.01)
    assert rates[-1] < 1e-8
    assert 5e-10 <= optimizer.param_groups[0]['lr'] < 1e-9
    assert rates.index(max(rates)) in (warm - 1, warm)


@pytest.mark.parametrize('name', [f'{name}{twin}' for name in BENCHMARKS for twin in ('', '_small')])
def test_fine_tuning_settings_are_the_papers(name):
    cfg = load_config(FOLDER / f'{name}.py')
    ema = next(h for h in cfg.custom_hooks if h.type == 'EMAHook')
    assert (1 - ema.momentum, ema.interval, ema.update_buffers) == (pytest.approx(0.9998), 8, True)
    assert cfg.default_hooks.checkpoint.save_best == 'changed/F1' and cfg.default_hooks.checkpoint.rule == 'greater'
    assert cfg.default_hooks.checkpoint.interval == cfg.train_cfg.val_interval
    assert cfg.model.test_cfg == dict(mode='slide', crop_size=(256, 256), stride=(256, 256))
    means, stds = STATISTICS[name.removesuffix('_small')]
    assert cfg.data_preprocessor.mean == pytest.approx([255 * v for v in means], abs=1e-9)
    assert cfg.data_preprocessor.std == pytest.approx([255 * v for v in stds], abs=1e-9)
    assert cfg.data_preprocessor.swap_prob == 0.5 and cfg.data_preprocessor.bgr_to_rgb
    small_one = '_small' if name.endswith('_small') else ''
    assert cfg.load_from == f'work_dirs/pretrain_inria{small_one}/iter_1124000.pth'
    crop, *_ = cfg.train_dataloader.dataset.pipeline[2].transforms
    assert crop == dict(type='mmseg.RandomCrop', crop_size=(256, 256))
    assert [step.type for step in cfg.test_dataloader.dataset.pipeline] == [
        'LoadBiTemporalImages', 'LoadChangeLabel', 'PackBiTemporalInputs']  # nothing resizes
    assert [cfg[f'{split}_dataloader'].dataset.split for split in ('train', 'val', 'test')] == ['train', 'val', 'test']


def test_augmentation_is_the_papers():
    steps = load_config(FOLDER / 'levir.py').train_dataloader.dataset.pipeline[2].transforms
    assert [(step.type, step.get('prob')) for step in steps[1:]] == [
        ('mmseg.RandomFlip', 0.5), ('RandomTranspose', 0.5), ('RandomAffine', 0.3), ('RandomAffine', 0.3),
        ('RandomApply', 0.5)]
    assert steps[1].direction == ['horizontal', 'vertical', 'diagonal']
    assert steps[3] == dict(type='RandomAffine', rotate_limit=45, prob=0.3)
    assert steps[4] == dict(type='RandomAffine', shift_limit=0.0625, scale_limit=0.1, rotate_limit=45, prob=0.3)
    assert [choice[0].type for choice in steps[5].transforms[0].transforms] == [
        'GaussianNoise', 'HueSaturationValue', 'BrightnessContrast', 'RandomGamma', 'Emboss', 'MotionBlur']
    single = load_config(FOLDER / 'pretrain_inria.py').train_dataloader.dataset.pipeline
    assert [step.type for step in single] == [
        'LoadImage', 'LoadChangeLabel', 'mmseg.RandomCrop', 'mmseg.RandomFlip', 'RandomTranspose', 'RandomAffine',
        'RandomAffine', 'RandomApply', 'RandomApply', 'mmseg.PackSegInputs']
    assert [choice[0].type for choice in single[7].transforms[0].transforms] == [
        'GaussianNoise', 'RandomGamma', 'Emboss', 'MotionBlur']
    assert (single[7].prob, single[8].prob, single[8].transforms[0].type) == (0.5, 0.4, 'ColourJitter')


def test_several_processes_train_as_the_authors_one():
    """Batch norms and sums of the loss run over the joint batch."""
    for path in sorted(FOLDER.glob('**/*.py')):
        cfg = load_config(path)
        assert cfg.get('sync_bn') == 'torch', path.name
        assert 'loss_decode' not in cfg.model.decode_head, path.name  # the head's own:
    with torch.device('meta'):
        head = MODELS.build({**load_config(FOLDER / 'levir.py').model, 'data_preprocessor': None}).decode_head
    assert type(head.loss_decode).__name__ == 'BCEDiceLoss' and head.loss_decode.all_reduce is True
    assert MODELS.build(dict(type='BCEDiceLoss')).all_reduce is True


def test_pretraining_has_no_weight_average():
    for name in ('pretrain_inria.py', 'pretrain_inria_small.py'):
        assert not any(h.type == 'EMAHook' for h in load_config(FOLDER / name).get('custom_hooks') or [])


@pytest.mark.parametrize('name, changed', [
    ('no_pretraining', {'load_from': None}),
    ('difference', {'model.decode_head.temporal_fusion.mode': 'diff'}),
    ('own_attention', {'model.decode_head.share_attention': False}),
    ('small_kernel', {'model.decode_head.attention': dict(type='SCLKA', large=False)}),
    ('no_attention', {'model.decode_head.attention': None}),
    ('final_loss_only', {'model.decode_head.deep_supervision': False}),
])
def test_an_ablation_changes_one_setting(name, changed):
    base, cfg = load_config(FOLDER / 'levir_small.py'), load_config(FOLDER / f'ablations/{name}.py')
    base.merge_from_dict(changed)
    assert cfg._cfg_dict == base._cfg_dict


def test_every_ablation_is_tested():
    assert len(list((FOLDER / 'ablations').glob('*.py'))) == 6


@pytest.mark.parametrize(('name', 'low', 'high'), [
    ('schanger/custom.py', -2.2, -1.8), ('few_labels/supervised_schanger.py', -3, -1.8)])
def test_short_trainings_start_at_one_small_probability(name, low, high):
    """In all six maps; the authors' start has logits of both signs, those of the final map about 12."""
    def logits(name):
        torch.manual_seed(0)
        model = MODELS.build({**load_config(FOLDER.parent / name).model, 'data_preprocessor': None})
        with torch.no_grad():
            model.backbone.init_weights(), model.decode_head.init_weights()
            return model.decode_head.forward_maps(model.extract_feat(torch.randn(1, 3 * model.num_dates, 64, 64)))
    assert all(low < logit.mean() < high and logit.std() < 0.6 for logit in logits(name))
    assert logits('schanger/levir_small.py')[0].std() > 5


@pytest.mark.parametrize('name', ['finetune_schanger', 'upernet', 'segformer', 'fc-siam'])
def test_all_networks_of_a_comparison_start_at_one_small_probability_and_drop_nothing(name):
    torch.manual_seed(0)
    model = MODELS.build({**load_config(FOLDER.parent / f'few_labels/{name}.py').model, 'data_preprocessor': None})
    with torch.no_grad():
        model.init_weights()
        found = model.eval()(torch.randn(1, 6, 96, 96)).sigmoid()
    assert 0.08 < found.mean() < 0.17 and found.std() < 0.1
    assert not [part for part in model.modules() if isinstance(part, torch.nn.modules.dropout._DropoutNd) and part.p]


def test_custom_reads_any_folder_names():
    cfg = load_config(FOLDER / 'custom.py')
    assert cfg.train_dataloader.dataset.type == 'FolderCDDataset'
    ours, levir = cfg.train_dataloader.dataset.pipeline, load_config(FOLDER / 'levir.py').train_pipeline
    crop = ours[2].transforms[0]
    assert crop == dict(type='mmseg.RandomCrop', crop_size=(96, 96), cat_max_ratio=0.92)
    ours[2].transforms[0] = levir[2].transforms[0]
    assert ours == levir and levir[2].transforms[0].crop_size == (256, 256)
    assert cfg.data_preprocessor.mean[:3] == cfg.data_preprocessor.mean[3:]


def test_images_smaller_than_the_crop_and_of_odd_size(small, tmp_path):
    """50 x 70 px under a 96 px crop: padded with ignored labels in training, padded and cropped back in tests."""
    rng = np.random.default_rng(0)
    for index in range(2):
        pair = [image[:50] for image in draw_pair(rng, 70)]
        for split in ('train', 'val', 'test'):
            for name, image in zip(('A', 'B', 'label'), pair):
                (tmp_path / split / name).mkdir(parents=True, exist_ok=True)
                cv2.imwrite(str(tmp_path / split / name / f'{index}.png'), image)
    cfg = small(FOLDER / 'demo.py', tmp_path / 'work', lambda kind: str(tmp_path))
    for step in cfg.train_dataloader.dataset.pipeline[2].transforms[:1]:
        step.crop_size = (96, 96)
    runner = build_runner(cfg)
    runner.train()
    assert np.isfinite(runner.test()['changed/OA'])
