"""What every schedule, optimiser and hook of the installed stack saves is read, tested and resumed from, exactly."""

import inspect

import pytest
import torch
from mmengine import registry
from mmengine.hooks import Hook
from mmengine.optim.scheduler.param_scheduler import _ParamScheduler

from schanger_mm.checkpoints import read_checkpoint
from schanger_mm.engine.hooks.checkpoint_hook import AtomicCheckpointHook

LENGTH, SAVED = 4, 2
SETTINGS = {
    'Step': dict(step_size=1), 'MultiStep': dict(milestones=[1, 3, 3]), 'Exponential': dict(gamma=0.5),
    'CosineAnnealing': dict(T_max=LENGTH), 'OneCycle': dict(eta_max=0.3, total_steps=LENGTH + 1),
    'CosineRestart': dict(periods=[3, 3], restart_weights=[1, 0.5], eta_min=0.01), 'Constant': dict(factor=0.5),
    'Linear': dict(end=3), 'Poly': dict(end=LENGTH),
    'ReduceOnPlateau': dict(monitor='changed/F1', patience=0, rule='greater')}
"""Of schedules, by the start of their name."""
UNFIT = {'LBFGS': 'calls the network itself', 'SparseAdam': 'takes sparse gradients only',
         'Optimizer': 'is the base of the others', 'Muon': 'takes matrices only',
         'Adafactor': 'is made twice by mmengine, from torch and transformers'}
"""Optimisers that mmengine's wrapper cannot drive, and why."""
HOOKS = {
    'EMAHook': dict(momentum=0.2), 'EarlyStoppingHook': dict(monitor='changed/F1', rule='greater'),
    'EmptyCacheHook': dict(),
    'CheckpointHook': dict(by_epoch=False, out_dir='elsewhere'), 'ProfilerHook': None, 'NPUProfilerHook': None,
    'PrepareTTAHook': None, 'NaiveVisualizationHook': None, 'DeepSpeedCheckpointHook': None}
"""Of hooks that need settings; None: it needs what is not here (a profiler's output, another device, a TTA model)."""


def registered(kinds, base, package):
    return sorted(name for name, part in kinds.module_dict.items()
                  if inspect.isclass(part) and issubclass(part, base) and part.__module__.startswith(package))


def schedule(name):
    kind, = (kind for kind in SETTINGS if name.startswith(kind))
    cfg = dict(type=name, by_epoch=kind == 'ReduceOnPlateau', **SETTINGS[kind])
    return dict(cfg, param_name='lr') if name.endswith('ParamScheduler') else cfg


QUICK = {'MultiStepLR', 'OneCycleLR', 'ReduceOnPlateauLR', 'AdamW', 'EMAHook'}


def marked(names):
    return [pytest.param(name, marks=[] if name in QUICK else pytest.mark.long) for name in names]


SCHEDULES = marked(registered(registry.PARAM_SCHEDULERS, _ParamScheduler, 'mmengine'))
OPTIMISERS = marked(name for name in registered(registry.OPTIMIZERS, torch.optim.Optimizer, 'torch.optim')
                    if name not in UNFIT)
PARTS = marked(name for name in registered(registry.HOOKS, Hook, 'mmengine') if HOOKS.get(name, {}) is not None)


@pytest.fixture
def run(toy_runner):
    """Train, or test, with a checkpoint after two iterations."""
    def start(name, resumed=None, tested=None, optimiser=None, **kwargs):
        if resumed:
            kwargs.update(resume=True, load_from=str(resumed))
        if tested:
            runner = toy_runner(name=name, train=False, load_from=str(tested))
            return runner.test()
        hook = dict(type=AtomicCheckpointHook, by_epoch=False, interval=SAVED)
        runner = toy_runner(iters=LENGTH, val_interval=SAVED, name=name, **kwargs,
                            default_hooks=dict(checkpoint=hook, exact=dict(type='schanger_mm.ExactResumeHook')))
        if optimiser:
            runner.optim_wrapper = dict(optimizer=optimiser)
        runner.train()
        return runner
    return start


def same(one, other):
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(same, one, other))
    return one == other


def check(run, tmp_path, caplog, **kwargs):
    run('straight', **kwargs)
    saved = tmp_path / f'straight/iter_{SAVED}.pth'
    assert read_checkpoint(saved).content['meta']['iter'] == SAVED
    assert 0 <= run('tested', tested=saved)['changed/OA'] <= 100
    run('resumed', resumed=saved, **kwargs)
    straight, resumed = (read_checkpoint(tmp_path / name / f'iter_{LENGTH}.pth').content
                         for name in ('straight', 'resumed'))
    for part in ('state_dict', 'optimizer', 'param_schedulers', 'ema_state_dict'):
        assert same(straight.get(part), resumed.get(part)), part
    assert 'cannot be tested or resumed from' not in caplog.text


@pytest.mark.parametrize('name', SCHEDULES)
def test_schedules(name, run, tmp_path, caplog):
    check(run, tmp_path, caplog, param_scheduler=schedule(name))


@pytest.mark.parametrize('name', OPTIMISERS)
def test_optimisers(name, run, tmp_path, caplog):
    check(run, tmp_path, caplog, optimiser=dict(type=name, lr=0.01))


@pytest.mark.parametrize('name', PARTS)
def test_hooks(name, run, tmp_path, caplog):
    settings = {key: str(tmp_path / value) if key == 'out_dir' else value for key, value in HOOKS.get(name, {}).items()}
    check(run, tmp_path, caplog, hooks=[dict(type=name, **settings)])
