"""Operations and bytes of a call."""

import pytest

from schanger_mm.analysis.complexity import count_complexity
from schanger_mm.apis import load_config
from schanger_mm.benchmark.cost import count_cost
from schanger_mm.benchmark.subject import Subject


def test_operations_are_twice_the_multiply_accumulates_of_convolutions(root):
    config = root / 'configs/schanger/demo.py'
    cost = count_cost(Subject.of_config(str(config)), 'inference', 2, 64)
    macs = count_complexity(load_config(config), (64, 64)).total.conv_macs
    assert cost.flops == 2 * 2 * macs and cost.dates == 2


def test_values_of_layers_counted_by_hand():
    """Two 3x3 convolutions from 3 to 4 to 4 channels on 8 x 8 px, then 1x1 to 2 classes."""
    model = dict(type='EncoderDecoder', test_cfg=dict(mode='whole'), backbone=dict(
        type='UNet', base_channels=4, num_stages=1, strides=(1, ), enc_num_convs=(2, ), dec_num_convs=(),
        downsamples=(), enc_dilations=(1, ), dec_dilations=()), decode_head=dict(
        type='FCNHead', in_channels=4, channels=4, num_convs=0, num_classes=2, concat_input=False))
    cost = count_cost(Subject('unet', scope='mmseg', model=model), 'inference', 1, 8)
    first, second, last = (3 + 4) * 64 + 3 * 4 * 9, (4 + 4) * 64 + 4 * 4 * 9, (4 + 2) * 64 + 4 * 2 + 2
    assert cost.values == first + second + last
    assert cost.flops == 2 * 64 * (3 * 4 * 9 + 4 * 4 * 9 + 4 * 2)


def test_training_costs_three_times_as_much():
    tiny = Subject.of_arch('4,4,6,8,10,12')
    forward, training = (count_cost(tiny, task, 1, 32) for task in ('inference', 'train'))
    assert (training.flops, training.values) == (3 * forward.flops, 3 * forward.values)


def test_sizes_that_the_network_cannot_take_are_refused():
    with pytest.raises(ValueError, match=r'does not run on inputs of \(1, 6, 40, 40\)'):
        count_cost(Subject.of_arch('4,4,6,8,10,12'), 'inference', 1, 40)
