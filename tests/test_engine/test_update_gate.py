"""A verdict that is on its way from a GPU: what happens until it arrives."""

import pytest
import torch
from mmengine.hooks import Hook
from mmengine.optim import OptimWrapper
from torch import nn

from schanger_mm.engine.hooks import bad_loss_hook
from schanger_mm.engine.hooks.bad_loss_hook import BadLossError
from schanger_mm.engine.update_gate import Look, UpdateGate

NAN = float('nan')


def gate_of(fused=True, kind=torch.optim.AdamW, **kwargs):
    torch.manual_seed(0)
    net = nn.Linear(3, 1)
    settings = dict(fused=True) if fused else {}
    wrapper = OptimWrapper(kind(net.parameters(), lr=0.1, **settings))
    return net, wrapper, UpdateGate(wrapper, **kwargs)


@pytest.mark.parametrize('kind', [torch.optim.AdamW, torch.optim.SGD])
def test_a_fused_optimiser_leaves_out_the_bad_update_and_all_behind_it_without_being_asked_to_wait(kind):
    net, wrapper, gate = gate_of(kind=kind)
    assert not gate.waits
    looks, weights = [], []
    for factor in (1.0, 1.0, NAN, 1.0):
        wrapper.update_params(net(torch.ones(2, 3)).square().mean() * factor)
        looks.append(gate.look)
        weights.append(net.weight.detach().clone())
    assert not torch.equal(weights[0], weights[1])
    assert torch.equal(weights[1], weights[2]) and torch.equal(weights[2], weights[3])
    assert [look.problem() for look in looks] == [None, None, 'the loss is nan', None]
    gate.remove()
    wrapper.update_params(net(torch.ones(2, 3)).square().mean())
    assert not torch.equal(net.weight, weights[3])


@pytest.mark.parametrize('settings', [dict(fused=False), dict(wait=True)])
def test_otherwise_the_verdict_is_known_in_the_iteration_and_the_next_update_is_applied(settings):
    net, wrapper, gate = gate_of(**settings)
    assert gate.waits
    before = net.weight.detach().clone()
    wrapper.update_params(net(torch.ones(2, 3)).square().mean() * NAN)
    assert torch.equal(net.weight, before)
    wrapper.update_params(net(torch.ones(2, 3)).square().mean())
    assert not torch.equal(net.weight, before)


def test_gradients_alone_that_are_not_finite_are_found():
    net, wrapper, gate = gate_of()
    loss = net(torch.ones(2, 3)).square().mean()
    loss.register_hook(lambda gradient: gradient * float('inf'))
    wrapper.update_params(loss)
    assert gate.look.problem().endswith(', but its gradients are not finite')


def test_the_flag_of_a_loss_scaler_is_kept():
    net, wrapper, gate = gate_of()
    wrapper.update_params(net(torch.ones(2, 3)).square().mean())
    before = net.weight.detach().clone()
    wrapper.optimizer.found_inf = torch.ones(())  # as the scaler says that scaled gradients overflowed
    wrapper.update_params(net(torch.ones(2, 3)).square().mean())
    assert torch.equal(net.weight, before) and gate.look.problem() is None


class Poison(Hook):
    """Makes the loss of the second iteration NaN."""

    def before_train(self, runner):
        parse = runner.model.parse_losses

        def parse_losses(losses):
            total, log = parse(losses)
            total = total * (NAN if runner.iter == 1 else 1.0)
            return total, {**log, 'loss': total}
        runner.model.parse_losses = parse_losses


class Late(Look):
    """A verdict that arrives only when somebody waits for it."""

    def arrived(self):
        return False


@pytest.fixture
def late(monkeypatch):
    monkeypatch.setattr('schanger_mm.engine.update_gate.Look', Late)


def run(toy_runner, poison, iters=6, interval=99):
    return toy_runner(
        iters=iters, val_interval=99, hooks=[poison],
        optim_wrapper=dict(type='OptimWrapper', optimizer=dict(type='SGD', lr=0.2, momentum=0.5, fused=True)),
        default_hooks=dict(bad_loss=dict(type='schanger_mm.BadLossHook'),
                           checkpoint=dict(type='schanger_mm.AtomicCheckpointHook', by_epoch=False, interval=interval)))


@pytest.mark.parametrize('interval, saved', [(99, []), (3, []), (1, ['iter_1.pth'])])
def test_a_late_verdict_ends_the_training_before_anything_is_saved(interval, saved, late, toy_runner, tmp_path):
    runner = run(toy_runner, Poison(), interval=interval)
    with pytest.raises(BadLossError, match='iteration 2: the loss is nan; .*three.png') as stopped:
        runner.train()
    assert str(tmp_path / 'run/failures/iter_2') in str(stopped.value)
    assert sorted(path.name for path in (tmp_path / 'run').glob('*.pth')) == saved
    assert all(value.isfinite().all() for value in runner.model.parameters())


def test_no_more_verdicts_wait_than_their_batches_may_take_memory(late, toy_runner, monkeypatch):
    monkeypatch.setattr(bad_loss_hook, 'MOST_PENDING', 2)
    runner = run(toy_runner, Poison(), iters=20)
    with pytest.raises(BadLossError, match='iteration 2: the loss is nan'):
        runner.train()
    assert runner.iter == 3  # iteration 4 was the last
