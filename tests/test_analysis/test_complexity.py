from functools import cache

import pytest

from schanger_mm.analysis.complexity import count_complexity
from schanger_mm.apis import load_config


@cache
def count(root, name, *shape):
    return count_complexity(load_config(root / f'configs/schanger/{name}.py'), shape or (256, 256))


@pytest.mark.parametrize('name, parameters, conv, everything', [
    ('levir', 2_369_995, 16_576_186_368, 17_300_359_168),
    ('levir_small', 607_305, 5_358_434_688, 5_735_086_464),
])
def test_one_pair_costs_what_the_architecture_says(root, name, parameters, conv, everything):
    total = count(root, name).total
    assert (total.name, total.parameters, total.conv_macs, total.all_macs) == ('total', parameters, conv, everything)


def test_single_temporal_networks_are_counted_on_one_image(root):
    one = count(root, 'pretrain_inria_small')
    assert one.dates == 1 and one.total.parameters == 580_849
    assert one.total.conv_macs < 0.52 * 5_358_434_688  # half of two dates, plus the fusions that it lacks


def test_parts_add_up_to_the_whole(root):
    cost = count(root, 'levir_early_fusion', 64)
    *parts, total = cost.parts
    assert [part.name for part in parts] == ['backbone', 'neck', 'decode_head'] and total is cost.total
    for field in ('parameters', 'conv_macs', 'all_macs'):
        assert sum(getattr(part, field) for part in parts) == getattr(total, field)


def test_sides_are_padded_as_the_detector_does(root):
    cost = count(root, 'demo', 50, 33)
    assert cost.shape == (50, 33) and cost.padded == (64, 48)
    assert cost.total == count(root, 'demo', 64, 48).total
    assert str(cost).startswith('one pair of 50 x 33 px, padded to 64 x 48\n')


def test_the_paper_is_quoted_where_it_prints_a_number(root):
    assert '18.275 G' not in str(count(root, 'demo', 64))
    assert '18.275 G' in str(count(root, 'levir')) and '16.576' in str(count(root, 'levir'))


@pytest.mark.parametrize('shape', [(), (0, 5), (1, 2, 3)])
def test_shapes_that_are_none_are_refused(root, shape):
    with pytest.raises(ValueError, match='expected height and width in pixels, or one side'):
        count_complexity(load_config(root / 'configs/schanger/demo.py'), shape)


def test_a_config_without_a_head_is_refused(root):
    cfg = load_config(root / 'configs/schanger/demo.py')
    cfg.model.pop('decode_head')
    with pytest.raises(ValueError, match=r'demo\.py: no model with a decode_head'):
        count_complexity(cfg)
