"""Every config in configs/schanger: it builds, trains a step, tests a step, and means what it says."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from schanger_mm.apis import build_runner, load_config, prepare, shorten
from schanger_mm.datasets.synthetic import draw_pair, draw_single

FOLDER = Path(__file__).parents[1] / 'configs/schanger'
CONFIGS = sorted(path.name for path in FOLDER.glob('*.py'))
SIZE = 64


@pytest.fixture(scope='module')
def fakes(tmp_path_factory) -> Path:
    """Two drawn samples per split, in the folders that the configs expect."""
    root, rng = tmp_path_factory.mktemp('data'), np.random.default_rng(0)

    def write(folder, index, image):
        (root / folder).mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(root / folder / f'{index}.png'), image)

    for index in range(2):
        for split in ('train', 'val', 'test'):
            for name, image in zip(('A', 'B', 'label'), draw_pair(rng, SIZE)):
                write(f'{split}/{name}', index, image)
        image, mask = draw_single(rng, SIZE)
        for images, masks in (('train/images', 'train/gt'), ('pretrain/train/images', 'pretrain/train/masks'),
                              ('pretrain/val/images', 'pretrain/val/masks')):
            write(images, index, image)
            write(masks, index, mask)
    return root


def small(name: str, fakes: Path, work_dir: Path):
    """Read a config and shrink what it costs, not what it is."""
    cfg = load_config(FOLDER / name)
    prepare(cfg, name, str(work_dir))
    cfg.load_from = None
    cfg.train_cfg.update(max_iters=2)
    if cfg.get('val_cfg'):
        cfg.train_cfg.update(val_interval=2)
    for key in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
        if loader := cfg.get(key):
            loader.update(num_workers=0, persistent_workers=False, batch_size=min(loader.batch_size, 2))
            loader.dataset.data_root = str(fakes)
    return cfg


@pytest.mark.parametrize('name', CONFIGS)
def test_trains_validates_and_tests_a_step(name, fakes, tmp_path):
    runner = build_runner(small(name, fakes, tmp_path))
    before = {k: v.clone() for k, v in runner.model.named_parameters()}
    runner.train()
    moved = sum(not torch.equal(v, before[k]) for k, v in runner.model.named_parameters())
    assert moved > 0.9 * len(before)
    assert (tmp_path / 'last_checkpoint').is_file()
    if runner._test_dataloader is not None:
        metrics = runner.test()
        assert set(metrics) == {f'changed/{s}' for s in ('F1', 'precision', 'recall', 'IoU', 'OA', 'kappa')}
        assert all(0 <= metrics[f'changed/{s}'] <= 100 for s in ('recall', 'OA'))


@pytest.mark.parametrize('name, dates, fusion, parameters', [
    ('levir.py', 2, 'head', 2_369_995),
    ('levir_small.py', 2, 'head', 607_305),
    ('pretrain_inria.py', 1, None, 2_265_163),
    ('pretrain_inria_small.py', 1, None, 580_849),
    ('levir_early_fusion.py', 2, 'neck', None),
])
def test_networks_are_the_papers(name, dates, fusion, parameters, fakes, tmp_path):
    model = build_runner(small(name, fakes, tmp_path)).model
    assert model.num_dates == dates
    assert (fusion == 'head') == (model.decode_head.num_dates == 2)
    assert (fusion == 'neck') == model.with_neck
    if parameters:
        assert sum(p.numel() for p in model.parameters()) == parameters


@pytest.mark.parametrize('name, epochs, per_epoch, warmup_epochs, batch', [
    ('levir.py', 12_000, 55, 600, 8),
    ('levir_small.py', 12_000, 55, 600, 8),
    ('levir_early_fusion.py', 12_000, 55, 600, 8),
    ('pretrain_inria.py', 4_000, 281, 400, 16),
    ('pretrain_inria_small.py', 4_000, 281, 400, 16),
])
def test_optimiser_and_schedule_are_the_papers(name, epochs, per_epoch, warmup_epochs, batch, fakes, tmp_path):
    full = load_config(FOLDER / name)
    length, warmup = epochs * per_epoch, warmup_epochs * per_epoch
    assert [(s.begin, s.end) for s in full.param_scheduler] == [(0, warmup), (warmup, length)]
    assert full.train_cfg.max_iters == length and full.train_dataloader.batch_size == batch
    assert full.optim_wrapper.type == 'AmpOptimWrapper' and full.randomness.seed == 36

    cfg = small(name, fakes, tmp_path)
    runner = build_runner(cfg)
    wrapper = runner.build_optim_wrapper(runner.optim_wrapper)
    optimizer = wrapper.optimizer
    assert type(optimizer) is torch.optim.AdamW and optimizer.defaults['betas'] == (0.9, 0.999)
    names = {id(p): n for n, p in runner.model.named_parameters()}
    for group in optimizer.param_groups:
        (parameter, ) = group['params']
        assert group['lr'] == 5e-4
        assert group['weight_decay'] == (0.0 if parameter.ndim == 1 else 2e-4), names[id(parameter)]

    # a run of 2000 iterations in the same proportions: stepping through 660,000 takes minutes
    shorten(full, 2000)
    warm = round(2000 * warmup / length)
    runner.optim_wrapper = wrapper
    schedulers = runner.build_param_scheduler(full.param_scheduler)
    rates = []
    for _ in range(2000):
        rates.append(optimizer.param_groups[0]['lr'])
        for scheduler in schedulers:
            scheduler.step()
    assert rates[0] == pytest.approx(5e-7)
    assert rates[warm // 2] == pytest.approx(2.5e-4, rel=0.02)
    assert rates[warm] == pytest.approx(5e-4, rel=0.01)
    assert rates[(warm + 2000) // 2] == pytest.approx(2.5e-4, rel=0.01)
    assert rates[-1] < 1e-8
    assert 5e-10 <= optimizer.param_groups[0]['lr'] < 1e-9
    assert rates.index(max(rates)) in (warm - 1, warm)


def test_levir_settings():
    cfg = load_config(FOLDER / 'levir.py')
    assert cfg.train_cfg.val_interval == 50 * 55
    ema = next(h for h in cfg.custom_hooks if h.type == 'EMAHook')
    assert (1 - ema.momentum, ema.interval, ema.update_buffers) == (pytest.approx(0.9998), 8, True)
    assert cfg.default_hooks.checkpoint.save_best == 'changed/F1' and cfg.default_hooks.checkpoint.rule == 'greater'
    assert cfg.data_preprocessor.swap_prob == 0.5
    assert cfg.data_preprocessor.mean == pytest.approx([255 * v for v in (
        0.450260, 0.446668, 0.381347, 0.345523, 0.338196, 0.288815)])
    assert cfg.data_preprocessor.std == pytest.approx([255 * v for v in (
        0.192589, 0.181647, 0.169087, 0.144336, 0.140168, 0.132767)])
    assert cfg.model.test_cfg == dict(mode='slide', crop_size=(256, 256), stride=(256, 256))
    assert not any(h.type == 'EMAHook' for h in load_config(FOLDER / 'pretrain_inria.py').get('custom_hooks') or [])


def test_custom_reads_any_folder_names():
    cfg = load_config(FOLDER / 'custom.py')
    assert cfg.train_dataloader.dataset.type == 'FolderCDDataset'
    ours, levir = cfg.train_dataloader.dataset.pipeline, load_config(FOLDER / 'levir.py').train_pipeline
    assert ours[2].transforms[0].crop_size == (192, 192) and levir[2].transforms[0].crop_size == (256, 256)
    ours[2].transforms[0].crop_size = (256, 256)
    assert ours == levir
    assert cfg.data_preprocessor.mean[:3] == cfg.data_preprocessor.mean[3:]


def test_images_smaller_than_the_crop_and_of_odd_size(tmp_path):
    """50 x 70 px under a 256 px crop: padded with ignored labels in training, padded and cropped back in tests."""
    rng = np.random.default_rng(0)
    for index in range(2):
        pair = [image[:50] for image in draw_pair(rng, 70)]
        for split in ('train', 'val', 'test'):
            for name, image in zip(('A', 'B', 'label'), pair):
                (tmp_path / split / name).mkdir(parents=True, exist_ok=True)
                cv2.imwrite(str(tmp_path / split / name / f'{index}.png'), image)
    cfg = small('demo.py', tmp_path, tmp_path / 'work')
    for step in cfg.train_dataloader.dataset.pipeline[2].transforms[:1]:
        step.crop_size = (256, 256)
    runner = build_runner(cfg)
    runner.train()
    assert np.isfinite(runner.test()['changed/OA'])
