"""mmengine's own EMAHook does what the papers' training needs; these tests hold it to that."""

import numpy as np
import pytest
import torch
from mmengine.hooks import Hook


class Recorder(Hook):
    """Keeps the live weights after each iteration and those in place during validation."""

    priority = 'HIGH'

    def __init__(self):
        self.live, self.validated = [], []

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        self.live.append(snapshot(runner.model.state_dict()))

    def after_val_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        if batch_idx == 0:
            self.validated.append(snapshot(runner.model.state_dict()))


def snapshot(state):
    return {name: value.detach().double().numpy().copy() for name, value in state.items()
            if value.is_floating_point()}


def averaged(live, momentum, interval):
    """Average by hand: the first weights, then one step every ``interval`` iterations."""
    mean = dict(live[0])
    for step, weights in enumerate(live):
        if step and step % interval == 0:
            mean = {name: (1 - momentum) * mean[name] + momentum * weights[name] for name in mean}
    return mean


def assert_same(a, b, **kwargs):
    assert a.keys() == b.keys() and 'encoder.1.running_var' in a
    for name in a:
        np.testing.assert_allclose(a[name], b[name], err_msg=name, rtol=2e-5, atol=1e-7, **kwargs)


def ema(momentum, interval):
    return dict(type='EMAHook', ema_type='ExponentialMovingAverage', momentum=momentum,
                interval=interval, update_buffers=True)


def run(toy_runner, momentum, interval, iters, **kwargs):
    recorder = Recorder()
    saver = dict(type='CheckpointHook', by_epoch=False, interval=7)
    runner = toy_runner(iters=iters, val_interval=iters, hooks=[recorder, ema(momentum, interval)],
                        names=('one', 'two'), default_hooks=dict(checkpoint=saver), **kwargs)
    runner.train()
    return recorder, runner


@pytest.mark.parametrize(('momentum', 'interval', 'iters'), [(0.0002, 8, 20), (0.3, 3, 14)])
def test_weights_and_buffers_are_averaged_every_interval_and_validated(toy_runner, momentum, interval, iters):
    recorder, _ = run(toy_runner, momentum, interval, iters)
    assert_same(recorder.validated[-1], averaged(recorder.live, momentum, interval))
    name = 'encoder.1.running_var'
    moved = np.abs(recorder.live[-1][name] - recorder.validated[-1][name])
    assert moved.max() > 1e-3  # the average is not the live value


def test_the_checkpoint_holds_the_average_and_resuming_goes_on_with_it(toy_runner, tmp_path):
    whole, _ = run(toy_runner, 0.3, 3, 14, name='whole')
    saved = torch.load(tmp_path / 'whole' / 'iter_7.pth', weights_only=False)
    assert_same(snapshot(saved['state_dict']), averaged(whole.live[:7], 0.3, 3))
    live = {name.removeprefix('module.'): value for name, value in saved['ema_state_dict'].items()
            if name != 'steps'}
    assert_same(snapshot(live), whole.live[6])
    assert saved['ema_state_dict']['steps'] == 7

    rest, _ = run(toy_runner, 0.3, 3, 14, name='rest', resume=True,
                  load_from=str(tmp_path / 'whole' / 'iter_7.pth'))
    assert len(rest.live) == 7
    assert_same(rest.live[-1], whole.live[-1])
    assert_same(rest.validated[-1], whole.validated[-1])
