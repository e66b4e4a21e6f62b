import numpy as np
import pytest
import torch
from mmengine.model import ExponentialMovingAverage
from torch import nn

from schanger_mm.models import ForeachEMA
from schanger_mm.utils.errors import SettingError


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(2, 4, 1), nn.BatchNorm2d(4), nn.Conv2d(4, 3, 1, bias=False))


def train(net):
    """Move weights, running statistics and the integer that counts batches."""
    net(torch.randn(2, 2, 5, 5))
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(torch.randn_like(parameter))


@pytest.mark.parametrize('update_buffers', [True, False])
@pytest.mark.parametrize(('interval', 'momentum'), [(1, 0.3), (3, 2e-4)])
def test_the_numbers_are_those_of_mmengine(interval, momentum, update_buffers):
    net = network()
    settings = dict(momentum=momentum, interval=interval, update_buffers=update_buffers)
    ours, theirs = ForeachEMA(net, **settings), ExponentialMovingAverage(net, **settings)
    for _ in range(8):
        train(net)
        ours.update_parameters(net)
        theirs.update_parameters(net)
        assert ours.state_dict().keys() == theirs.state_dict().keys()
        for name, value in theirs.state_dict().items():
            torch.testing.assert_close(ours.state_dict()[name], value, rtol=1e-6, atol=1e-7, msg=name)
    assert ours.steps == 8 and not torch.equal(ours.module[0].weight, net[0].weight)


@pytest.mark.parametrize('memory', [None, 0.3])
def test_a_loaded_average_goes_on_where_it_was(memory):
    net = network()
    whole = ForeachEMA(net, momentum=0.3, interval=2, memory=memory)
    loaded = ForeachEMA(net, momentum=0.3, interval=2, memory=memory)
    for step in range(6):
        train(net)
        whole.update_parameters(net)
        if step == 2:
            loaded.load_state_dict(whole.state_dict())
        elif step > 2:
            loaded.update_parameters(net)
    assert loaded.steps == 6
    for name, value in whole.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], value), name


def scalar(value):
    return nn.ParameterList([nn.Parameter(torch.tensor([value], dtype=torch.float64))])


@pytest.mark.parametrize('interval', [1, 3])
def test_a_share_of_the_run_is_remembered_until_the_momentum_is_reached(interval):
    net = scalar(0.0)
    average = ForeachEMA(net, momentum=0.05, interval=interval, memory=0.25)
    expected = count = 0
    for step in range(300):
        with torch.no_grad():
            net[0].fill_(step)
        average.update_parameters(net)
        if step % interval == 0:
            weight = 1 if step == 0 else max(0.05, 1 / (1 + 0.25 * count))
            expected, count = expected + weight * (step - expected), count + 1
        assert float(average.module[0]) == pytest.approx(expected, rel=1e-12)
    assert 299 - expected == pytest.approx(interval * 20, abs=3 * interval)  # 1 / momentum updates by now


def test_on_a_straight_line_it_lags_by_the_share_of_the_run():
    """The mean age of what is remembered, by the geometric weights: memory / (1 + memory) of the updates so far."""
    net = scalar(0.0)
    average = ForeachEMA(net, momentum=1e-6, memory=0.1)
    for step in range(2001):
        with torch.no_grad():
            net[0].fill_(step)
        average.update_parameters(net)
        if step in (20, 200, 2000):
            assert step - float(average.module[0]) == pytest.approx(step / 11, rel=0.1)


def test_the_whole_run_is_remembered_as_in_unimatch():
    """min(1 - 1 / (i + 1), 0.996) of the average stays in iteration i, counted from 0: UniMatch's code."""
    net = scalar(0.0)
    average = ForeachEMA(net, momentum=4e-3, memory=1.0)
    expected = 0
    for step in range(600):
        value = np.cos(step)
        with torch.no_grad():
            net[0].fill_(value)
        average.update_parameters(net)
        kept = min(1 - 1 / (step + 1), 0.996)
        expected = kept * expected + (1 - kept) * value
        assert float(average.module[0]) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize('memory', [0, 1.1, -0.1, 20])
def test_a_memory_that_is_no_share_of_the_run(memory):
    with pytest.raises(SettingError, match=f'memory={memory!r}; expected a share, above 0, up to 1, or None'):
        ForeachEMA(network(), memory=memory)
