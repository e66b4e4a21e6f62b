"""The current weights are scored beside their average."""

import json

import pytest
import torch

LIVE = dict(type='schanger_mm.LiveWeightsHook')


def train(toy_runner, name, hooks, iters=6, val_interval=2):
    runner = toy_runner(iters=iters, val_interval=val_interval, name=name, hooks=hooks, log_level='INFO')
    runner.train()
    return runner


def scores(runner, name):
    return runner.message_hub.get_scalar(name).data[0].tolist()


def test_both_are_scored_and_the_training_is_the_same(toy_runner, tmp_path):
    ema = dict(type='EMAHook', ema_type='schanger_mm.ForeachEMA', momentum=1e-3, update_buffers=True)
    plain = train(toy_runner, 'plain', [])
    averaged = train(toy_runner, 'averaged', [ema])
    both = train(toy_runner, 'both', [ema, LIVE])
    assert scores(both, 'val/live/changed/F1') == scores(plain, 'val/changed/F1')
    assert scores(both, 'val/changed/F1') == scores(averaged, 'val/changed/F1') != scores(plain, 'val/changed/F1')
    for name, value in plain.model.state_dict().items():
        assert torch.equal(value, both.model.state_dict()[name]), name


def test_a_line_of_the_log_has_both_scores_of_one_validation(toy_runner, tmp_path):
    ema = dict(type='EMAHook', ema_type='schanger_mm.ForeachEMA', momentum=1e-3, update_buffers=True)
    train(toy_runner, 'plain', [])
    train(toy_runner, 'both', [ema, LIVE])
    plain, both = ([line for line in map(json.loads, next((tmp_path / name).rglob('scalars.json')).open())
                    if 'changed/F1' in line] for name in ('plain', 'both'))
    assert [(line['step'], line['changed/F1']) for line in plain] == [
        (line['step'], line['live/changed/F1']) for line in both] and len(both) == 3


@pytest.mark.parametrize(('momentum', 'warned'), [(1e-3, True), (0.999, False)])
def test_an_average_that_is_worse_is_named(momentum, warned, toy_runner, tmp_path):
    ema = dict(type='EMAHook', ema_type='schanger_mm.ForeachEMA', momentum=momentum, update_buffers=True)
    runner = train(toy_runner, 'run', [ema, LIVE], iters=80, val_interval=80)
    average, live = scores(runner, 'val/changed/F1')[-1], scores(runner, 'val/live/changed/F1')[-1]
    text = next((tmp_path / 'run').glob('*/*.log')).read_text()
    expected = (f'changed/F1 of the averaged weights is {average:.2f}, of the current weights {live:.2f}. It is the '
                'average that is saved.')
    assert (live - average > 1) == warned == (expected in text)


@pytest.mark.parametrize(('iters', 'memory', 'least', 'most'), [
    (400, 0.02, -5, 1), (320, 0.02, -5, 1), (500, 0.02, -5, 1), (400, None, 10, 100)])
def test_an_average_over_a_share_of_the_run_is_at_most_a_point_behind(iters, memory, least, most, toy_runner):
    """custom.py's average at ten points of learning curves of two lengths; a constant momentum is far behind."""
    ema = dict(type='EMAHook', ema_type='schanger_mm.ForeachEMA', memory=memory, momentum=5e-3, update_buffers=True)
    runner = train(toy_runner, 'run', [ema, LIVE], iters=iters, val_interval=iters // 10)
    average, live = scores(runner, 'val/changed/F1'), scores(runner, 'val/live/changed/F1')
    assert len(live) == 10 and max(live) - min(live) > 10
    assert least < max(now - mean for now, mean in zip(live, average)) <= most
