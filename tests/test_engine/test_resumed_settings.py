"""What a resumed run does not take from its config is said, value by value."""

import copy
from types import SimpleNamespace

import pytest
from mmengine.config import Config

from schanger_mm.apis import build_runner, resume_from
from schanger_mm.config.loading import ConfigError
from schanger_mm.engine.resumed_settings import ResumedSettings, changed_settings

TINY = (8, 8, 12, 16, 20, 24)
BEFORE = dict(
    optim_wrapper=dict(type='OptimWrapper', clip_grad=None, optimizer=dict(type='AdamW', lr=1e-3, betas=[0.9, 0.999])),
    param_scheduler=[dict(type='MultiStepLR', milestones=[4, 8])], randomness=dict(seed=36))


@pytest.mark.parametrize(('changes', 'expected'), [
    ({}, []),
    (dict(optim_wrapper=dict(optimizer=dict(lr=1e-2, betas=(0.9, 0.999)))),
     [('optim_wrapper.optimizer.lr', 1e-3, 1e-2)]),
    (dict(optim_wrapper=dict(optimizer=dict(betas=(0.8, 0.9)))),
     [('optim_wrapper.optimizer.betas', [0.9, 0.999], (0.8, 0.9))]),
    (dict(optim_wrapper=dict(optimizer=dict(weight_decay=0.1))),
     [('optim_wrapper.optimizer.weight_decay', 'the default', 0.1)]),
    (dict(optim_wrapper=dict(paramwise_cfg=dict(norm_decay_mult=0))),
     [('optim_wrapper.paramwise_cfg', None, dict(norm_decay_mult=0))]),
    (dict(optim_wrapper=dict(clip_grad=dict(max_norm=1), loss_scale=512.0)), []),
    (dict(randomness=dict(seed=1)), [('randomness.seed', 36, 1)]),
    (dict(param_scheduler=[dict(type='MultiStepLR', milestones=[4, 9])]),
     [('param_scheduler.0.milestones', [4, 8], [4, 9])]),
    (dict(param_scheduler=dict(type='MultiStepLR', milestones=[4, 8])), []),
    (dict(param_scheduler=[]), [('param_scheduler', '1 schedulers', '0 schedulers')]),
    (dict(param_scheduler=[dict(type='ConstantLR', milestones=[4, 8])]),
     [('param_scheduler.0.type', 'MultiStepLR', 'ConstantLR')]),
])
def test_differences(changes, expected):
    now = copy.deepcopy(BEFORE)
    for key, value in changes.items():
        if isinstance(value, dict) and key != 'param_scheduler':
            for name, inner in value.items():
                now[key][name] = {**now[key][name], **inner} if name == 'optimizer' else inner
        else:
            now[key] = value
    assert list(changed_settings(BEFORE, now)) == expected


def test_images_that_are_read_in_another_way_are_no_resume():
    before = "train_dataloader = dict(dataset=dict(pipeline=[dict(type='LoadBiTemporalImages', scale='0:3000')]))"
    checkpoint = dict(meta=dict(cfg=before, iter=3))
    for now, message in ((before.replace('3000', '10000'), r"'scale': '0:10000'.*iter_3\.pth with .*'0:3000'"),
                         (before.replace(", scale='0:3000'", ''), r'loads images with no settings, and in')):
        runner = SimpleNamespace(_resume=True, _load_from='iter_3.pth', cfg=Config.fromstring(now, '.py'),
                                 train_loop=SimpleNamespace(max_iters=9))
        with pytest.raises(ConfigError, match=message):
            ResumedSettings().after_load_checkpoint(runner, checkpoint)
    runner.cfg = Config.fromstring(before, '.py')
    ResumedSettings().after_load_checkpoint(runner, checkpoint)


@pytest.fixture
def config(small, root, tmp_path):
    cfg = small(root / 'configs/schanger/demo.py', tmp_path / 'work')
    cfg.model.backbone.arch = cfg.model.decode_head.arch = TINY
    cfg.optim_wrapper.optimizer.lr = 1e-3
    cfg.param_scheduler = [dict(type='StepLR', step_size=5, by_epoch=False)]
    cfg.val_dataloader = cfg.val_cfg = cfg.val_evaluator = None
    cfg.default_hooks.checkpoint.update(interval=1, max_keep_ckpts=5, save_best=None)
    cfg.train_cfg.pop('val_interval', None)
    return cfg


def test_a_resumed_training_says_what_it_does_not_use(config, tmp_path, monkeypatch):
    """One training, as each costs seconds."""
    build_runner(copy.deepcopy(config)).train()
    file, end = tmp_path / 'work/iter_1.pth', tmp_path / 'work/iter_2.pth'
    anew = ('To use it, start a new run from these weights in another --work-dir, without --resume: --cfg-options '
            'load_from=')

    def resumed(path, **changes):
        cfg, said = copy.deepcopy(config), []
        cfg.merge_from_dict(changes)
        resume_from(cfg, str(path))
        runner = build_runner(cfg)
        monkeypatch.setattr(runner.logger, 'warning', lambda text, *args: said.append(text))
        runner.train()
        return runner, said

    runner, said = resumed(file, **{'optim_wrapper.optimizer.lr': 0.5, 'param_scheduler.0.step_size': 1})
    assert said == [
        f'{setting} is not used: the resumed run keeps the value it was started with, {old}. {anew}{file}'
        for setting, old in (('optim_wrapper.optimizer.lr=0.5', 0.001), ('param_scheduler.0.step_size=1', 5))]
    assert runner.optim_wrapper.get_lr()['lr'][0] == pytest.approx(1e-3)

    assert runner.cfg.optim_wrapper.optimizer.lr == 0.001  # so the next resume is compared with what was used

    runner, said = resumed(end)
    assert said == [
        f'{end}: this run has ended after 2 of 2 iterations, so nothing is left to train. For more, start a new run '
        f'from its weights in another --work-dir, without --resume: --cfg-options load_from={end}']

    for changes, problem in (
            ({'optim_wrapper.optimizer.type': 'Adamax'}, 'optim_wrapper.optimizer.type is Adamax, and was AdamW'),
            (dict(param_scheduler=[]), 'param_scheduler is 0 schedulers, and was 1 schedulers')):
        with pytest.raises(ConfigError, match=f'{problem} in .*iter_1.pth, whose state does not fit'):
            resumed(file, **changes)


def test_a_new_run_from_weights_is_not_compared(config, tmp_path, monkeypatch):
    config.train_cfg.max_iters = 1
    build_runner(copy.deepcopy(config)).train()
    cfg = copy.deepcopy(config)
    cfg.load_from, cfg.optim_wrapper.optimizer.lr = str(tmp_path / 'work/iter_1.pth'), 0.5
    runner, said = build_runner(cfg), []
    monkeypatch.setattr(runner.logger, 'warning', lambda text, *args: said.append(text))
    runner.train()
    assert not [text for text in said if 'not used' in text]
