"""A run that was stopped and resumed ends like one that never stopped."""

import json
import os
import random
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.hooks import Hook
from mmengine.optim.optimizer import amp_optimizer_wrapper

from schanger_mm.apis import build_runner, resume_from

CONFIGS = Path(__file__).parents[3] / 'configs'
PARTS = ('state_dict', 'ema_state_dict', 'optimizer', 'param_schedulers', 'exact_resume')


class Stopped(Exception):
    pass


class Stop(Hook):
    """Ends the run at one of its steps."""

    def __init__(self, before_iter=None, in_validation_after=None):
        self.before_iter, self.in_validation_after = before_iter, in_validation_after
        self.validated = []

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        if runner.iter == self.before_iter:
            raise Stopped

    def before_val_iter(self, runner, batch_idx, data_batch=None):
        self.validated.append(runner.iter)
        if runner.iter == self.in_validation_after:
            raise Stopped


def noisy(net):
    """A network that draws from all generators."""
    class Noisy(net):
        def forward(self, inputs, data_samples=None, mode='tensor'):
            if mode == 'loss':
                factor = 1 + random.random() / 10 + np.random.rand() / 10 + torch.rand(()) / 10
                inputs = [image * factor for image in inputs]
            return super().forward(inputs, data_samples, mode)
    return Noisy()


def train(toy_runner, toy_net, name, *hooks, iters=6, val_interval=2, resume=None, batch_size=2, optim=None, **kwargs):
    checkpoint = dict(type='schanger_mm.AtomicCheckpointHook', by_epoch=False, interval=2, save_best='changed/F1',
                      rule='greater')
    if resume:
        kwargs.update(resume=True, load_from=str(resume), experiment_name=f'{resume}_{name}')
    random.seed(len(name)), np.random.seed(len(name))  # a new process does not go on with the old generators
    torch.manual_seed(0)
    runner = toy_runner(
        model=noisy(toy_net), iters=iters, val_interval=val_interval, name=name, batch_size=batch_size,
        sampler='schanger_mm.SeededInfiniteSampler', randomness=dict(seed=3),
        hooks=[dict(type='EMAHook', momentum=0.2, interval=2, update_buffers=True), *hooks],
        default_hooks=dict(checkpoint=checkpoint, exact_resume=dict(type='schanger_mm.ExactResumeHook')),
        param_scheduler=dict(type='PolyLR', power=0.9, begin=0, end=iters, by_epoch=False), **kwargs)
    runner.optim_wrapper = optim or runner.optim_wrapper
    torch.manual_seed(len(name))
    runner.train()
    return runner


def last(folder, name='iter_6.pth'):
    return torch.load(folder / name, weights_only=False)


def assert_same(a, b, path=''):
    """Equal bit for bit."""
    assert type(a) is type(b), path
    if isinstance(a, dict):
        assert a.keys() == b.keys(), path
        for key in a:
            assert_same(a[key], b[key], f'{path}.{key}')
    elif isinstance(a, (list, tuple)):
        assert len(a) == len(b), path
        for index, (x, y) in enumerate(zip(a, b)):
            assert_same(x, y, f'{path}.{index}')
    else:
        assert torch.equal(a, b) if isinstance(a, torch.Tensor) else a == b, path


def assert_same_end(one, other, name='iter_6.pth', parts=PARTS):
    a, b = last(one, name), last(other, name)
    assert_same({part: a[part] for part in parts}, {part: b[part] for part in parts})
    return a, b


@pytest.mark.parametrize('stop', [dict(before_iter=4), dict(before_iter=5), dict(in_validation_after=4)])
def test_a_resumed_run_is_the_one_that_never_stopped(stop, toy_runner, toy_net, tmp_path):
    train(toy_runner, toy_net, 'straight')
    with pytest.raises(Stopped):
        train(toy_runner, toy_net, 'stopped_run', Stop(**stop))
    resumed = Stop()
    train(toy_runner, toy_net, 'stopped_run', resumed, resume=tmp_path / 'stopped_run/iter_4.pth')
    a, b = assert_same_end(tmp_path / 'straight', tmp_path / 'stopped_run')
    scores = [run['message_hub']['runtime_info']['best_score'] for run in (a, b)]
    assert scores[0] == scores[1]
    assert set(resumed.validated) <= {4, 6} and 6 in resumed.validated
    if 'in_validation_after' in stop:
        assert 4 in resumed.validated
    files = [sorted(path.name for path in (tmp_path / run).glob('*.pth')) for run in ('straight', 'stopped_run')]
    assert files[0] == files[1]


def test_the_loss_scale_of_mixed_precision_goes_on(toy_runner, toy_net, tmp_path, monkeypatch):
    monkeypatch.setattr(amp_optimizer_wrapper, 'is_cuda_available', lambda: True)  # mmengine scales on GPUs only
    monkeypatch.setattr(amp_optimizer_wrapper, 'GradScaler', partial(torch.amp.GradScaler, 'cpu'))
    optim = dict(type='AmpOptimWrapper', dtype='bfloat16', optimizer=dict(type='AdamW', lr=0.01),
                 loss_scale=dict(init_scale=8.0, growth_interval=3))
    train(toy_runner, toy_net, 'straight', optim=optim)
    train(toy_runner, toy_net, 'resumed', optim=optim, resume=tmp_path / 'straight/iter_2.pth')
    a, _ = assert_same_end(tmp_path / 'straight', tmp_path / 'resumed')
    assert a['optimizer']['loss_scaler']['scale'] == 32.0  # doubled after 3 and 6 iterations


def test_without_the_hook_it_is_another_run(toy_runner, toy_net, tmp_path):
    """The test above can fail."""
    train(toy_runner, toy_net, 'straight')
    hook = dict(type='schanger_mm.AtomicCheckpointHook', by_epoch=False, interval=2)
    torch.manual_seed(0)
    runner = toy_runner(model=noisy(toy_net), iters=6, name='other', sampler='schanger_mm.SeededInfiniteSampler',
                        randomness=dict(seed=3), default_hooks=dict(checkpoint=hook), resume=True,
                        load_from=str(tmp_path / 'straight/iter_4.pth'),
                        param_scheduler=dict(type='PolyLR', power=0.9, begin=0, end=6, by_epoch=False))
    runner.train()
    with pytest.raises(AssertionError):
        assert_same_end(tmp_path / 'straight', tmp_path / 'other', parts=('optimizer', ))


def test_a_validation_that_was_complete_is_not_repeated(toy_runner, toy_net, tmp_path):
    train(toy_runner, toy_net, 'straight', val_interval=6)
    saved = last(tmp_path / 'straight')
    assert saved['exact_resume'] == dict(
        sampler_seed=3, batch_size=2, processes=1, joint=False, drawn=12, validated=True)  # the first one is the best
    counts = Stop()
    train(toy_runner, toy_net, 'again', counts, val_interval=6, resume=tmp_path / 'straight/iter_6.pth')
    assert counts.validated == []


@pytest.mark.parametrize('change, options, said', [
    (lambda saved: saved.pop('exact_resume'), {}, "the checkpoint has no entry 'exact_resume'"),
    (lambda saved: None, dict(batch_size=1), 'was 2 samples and is 1'),
    (lambda saved: saved.pop('optimizer'), {}, 'the checkpoint has no optimiser state'),
    (lambda saved: saved['exact_resume'].update(joint=True), {}, 'stochastic depth draws in another order'),
    (lambda saved: None, dict(optim_wrapper=3), 'iteration 4 lies between two updates of 3 accumulated gradients'),
])
def test_what_makes_a_resume_inexact_is_said_in_one_line(change, options, said, toy_runner, toy_net, tmp_path):
    train(toy_runner, toy_net, 'straight')
    saved = last(tmp_path / 'straight', 'iter_4.pth')
    change(saved)
    torch.save(saved, tmp_path / 'changed.pth')
    hooks = [Accumulate(options.pop('optim_wrapper'))] if 'optim_wrapper' in options else []
    runner = train(toy_runner, toy_net, 'again', *hooks, resume=tmp_path / 'changed.pth', **options)
    assert runner.iter == 6
    (log, ) = (tmp_path / 'again').glob('*/*.log')
    (line, ) = (line for line in log.read_text().splitlines() if 'not bit for bit' in line)
    assert said in line and 'train_dataloader.dataset is ToySet' in line


class Accumulate(Hook):
    def __init__(self, count):
        self.count = count

    def before_train(self, runner):
        runner.optim_wrapper._accumulative_counts = self.count


def test_the_sampler_goes_on_with_the_seed_of_the_checkpoint(toy_runner, toy_net, tmp_path):
    train(toy_runner, toy_net, 'straight')
    runner = train(toy_runner, toy_net, 'again', resume=tmp_path / 'straight/iter_4.pth')
    assert runner.train_dataloader.sampler.seed == 3
    saved = last(tmp_path / 'straight', 'iter_4.pth')
    saved['exact_resume']['sampler_seed'] = 77
    torch.save(saved, tmp_path / 'changed.pth')
    runner = train(toy_runner, toy_net, 'another', resume=tmp_path / 'changed.pth')
    assert runner.train_dataloader.sampler.seed == 77


def test_training_by_epochs_resumes_exactly_at_their_ends(small, tmp_path):
    """SaDL's own config: its views are drawn on the batch, its order by epoch."""
    def run(name, checkpoint=None, workers=0):
        cfg = small(CONFIGS / 'sadl/sadl_r18-fpn_inria.py', tmp_path / name)
        cfg.model.backbone.init_cfg = None
        cfg.default_hooks.checkpoint.interval = 1
        cfg.custom_hooks = []
        cfg.train_dataloader.num_workers = workers
        if checkpoint:
            resume_from(cfg, str(checkpoint))
        torch.manual_seed(0)
        build_runner(cfg).train()

    run('straight')
    run('resumed', tmp_path / 'straight/epoch_1.pth', workers=1)
    a, _ = assert_same_end(tmp_path / 'straight', tmp_path / 'resumed', 'epoch_2.pth',
                           ('state_dict', 'optimizer', 'param_schedulers', 'exact_resume'))
    assert a['meta']['iter'] == 2 and a['exact_resume']['sampler_seed'] == 36
    (log, ) = (tmp_path / 'resumed').glob('*/*.log')
    assert 'bit for bit' not in log.read_text() and 'will not be exact' not in log.read_text()


@pytest.mark.long
@pytest.mark.stack
@pytest.mark.parametrize('config, kind', [('demo.py', 'DemoDataset'), ('levir.py', 'LEVIRCDDataset')])
def test_40_iterations_straight_are_17_a_kill_and_the_rest(config, kind, fakes, tmp_path):
    """Weights, average, optimiser, schedules and losses bit for bit; 0 workers, 2 workers, and from 2 to 0."""
    script = Path(__file__).parents[1] / 'killed_trainings.py'
    run = subprocess.run([sys.executable, script, 'exact', config, fakes(kind), tmp_path],
                         env={**os.environ, 'OMP_NUM_THREADS': '1'}, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr[-3000:]
    report = json.loads(run.stdout.splitlines()[-1])
    assert report['codes'] == [0, -9, 0, 0] and report['resumed_from'] == 'iter_17.pth'
    assert report['starts'] == ['start 0', 'start 0', 'start 17', 'start 17']
    assert report['found'] == [[], []]
    assert report['losses'] == 40 and report['same_losses'] and report['values'] > 100_000
