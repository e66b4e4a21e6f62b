"""Loops that would never end, and a training by epochs as the documentation shows it."""

import re

import pytest
from mmengine.runner import EpochBasedTrainLoop

from schanger_mm.apis import build_runner, load_config, prepare
from schanger_mm.config.loading import ConfigError
from schanger_mm.engine.loops import LoopCheck

TINY = (8, 8, 12, 16, 20, 24)


@pytest.mark.parametrize('sampler', ['InfiniteSampler', 'schanger_mm.SeededInfiniteSampler'])
def test_epochs_of_an_endless_sampler_are_refused(toy_runner, sampler):
    runner = toy_runner(sampler=sampler, hooks=[LoopCheck()])
    runner._train_loop = dict(type='EpochBasedTrainLoop', max_epochs=1)
    with pytest.raises(ConfigError) as caught:
        runner.train()
    name = sampler.rpartition('.')[2]
    assert str(caught.value) == (
        f'train_dataloader.sampler={name} never ends, so train_cfg.type=EpochBasedTrainLoop would never end. Set '
        "train_dataloader.sampler=dict(type='SeededSampler', shuffle=True), or train by iterations "
        '(train_cfg.type=IterBasedTrainLoop); docs/training.md shows a config that trains by epochs.')
    assert runner.iter == 0


@pytest.mark.parametrize('name', ['val', 'test'])
def test_an_endless_validation_or_test_is_refused(toy_runner, name):
    runner = toy_runner(hooks=[LoopCheck()])
    getattr(runner, f'_{name}_dataloader')['sampler']['type'] = 'InfiniteSampler'
    problem = f'{name}_dataloader.sampler=InfiniteSampler never ends, so {name}_cfg.type={name.title()}Loop would'
    with pytest.raises(ConfigError, match=problem):
        getattr(runner, 'train' if name == 'val' else 'test')()


def test_iterations_of_any_sampler_end(toy_runner):
    for sampler in ('InfiniteSampler', 'DefaultSampler'):
        runner = toy_runner(iters=4, sampler=sampler, hooks=[LoopCheck()], name=sampler)
        runner.train()
        assert runner.iter == 4


def test_the_documented_config_trains_by_epochs(root, fakes, tmp_path):
    text = (root / 'docs/training.md').read_text()
    block, = re.findall(r"```python\n(_base_ = .*?EpochBasedTrainLoop.*?)```", text, flags=re.DOTALL)
    (tmp_path / 'epochs.py').write_text(block)
    cfg = load_config(tmp_path / 'epochs.py')
    prepare(cfg, 'epochs.py', str(tmp_path / 'work'))
    cfg.train_cfg.update(max_epochs=2, val_interval=1)
    cfg.default_hooks.checkpoint.interval = 1
    cfg.model.backbone.arch = cfg.model.decode_head.arch = TINY
    for key in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
        cfg[key].update(num_workers=0, batch_size=2 if key == 'train_dataloader' else 1)
        cfg[key].dataset.data_root = fakes('FolderCDDataset')
    for step in cfg.train_dataloader.dataset.pipeline[:2]:
        step.cache_dir = None
    cfg.train_dataloader.dataset.pipeline[2].transforms[0].crop_size = (32, 32)
    runner = build_runner(cfg)
    runner.train()
    assert isinstance(runner.train_loop, EpochBasedTrainLoop) and (runner.epoch, runner.iter) == (2, 2)
    assert {'epoch_1.pth', 'epoch_2.pth'} <= {path.name for path in (tmp_path / 'work').iterdir()}
