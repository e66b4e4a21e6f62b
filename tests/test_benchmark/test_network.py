"""Networks by name, and what a call of them costs."""

import pytest
import torch

from schanger_mm.benchmark.network import build, count_cost, format_complexity, load

TINY = '4,4,6,8,10,12'


@pytest.mark.parametrize('name, parameters, macs', [
    ('levir', 2_369_995, 16_576_186_368), ('levir_small', 607_305, 5_358_434_688)])
def test_one_pair_costs_what_the_architecture_says(root, name, parameters, macs):
    cost = count_cost(build(str(root / f'configs/schanger/{name}.py')), 1, 256, 256)
    assert sum(cost['parameters'].values()) == parameters
    assert sum(cost['macs'].values()) == macs and cost['flops'] == 2 * macs


def test_single_temporal_networks_are_counted_on_one_image(root):
    text = format_complexity(build(str(root / 'configs/schanger/pretrain_inria_small.py')), 256)
    assert text.startswith('one image of 256 x 256 px\n') and '580849' in text


def test_sides_are_padded_as_the_detector_does():
    assert format_complexity(build(TINY), 50, 33).startswith('one pair of 64 x 48 px\n')


def test_values_of_layers_counted_by_hand(tmp_path):
    """Two 3x3 convolutions from 3 to 4 to 4 channels on 8 x 8 px, then 1x1 to 2 classes."""
    config = tmp_path / 'unet.py'
    config.write_text("""default_scope = 'mmseg'
model = dict(type='EncoderDecoder', test_cfg=dict(mode='whole'), backbone=dict(
    type='UNet', base_channels=4, num_stages=1, strides=(1, ), enc_num_convs=(2, ), dec_num_convs=(),
    downsamples=(), enc_dilations=(1, ), dec_dilations=()), decode_head=dict(
    type='FCNHead', in_channels=4, channels=4, num_convs=0, num_classes=2, concat_input=False))
""")
    cost = count_cost(build(str(config)), 1, 8, 8)
    first, second, last = (3 + 4) * 64 + 3 * 4 * 9, (4 + 4) * 64 + 4 * 4 * 9, (4 + 2) * 64 + 4 * 2 + 2
    assert cost['values'] == first + second + last
    assert cost['flops'] == 2 * 64 * (3 * 4 * 9 + 4 * 4 * 9 + 4 * 2)
    assert cost['macs'] == dict(data_preprocessor=0, backbone=64 * (3 * 4 * 9 + 4 * 4 * 9), decode_head=64 * 4 * 2)


def test_one_seed_makes_one_network_whose_probabilities_vary():
    images = torch.randn(1, 6, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        one, same, other = (load(TINY, None, seed)(images, mode='tensor') for seed in (0, 0, 1))
    assert torch.equal(one, same) and not torch.equal(one, other)
    assert 0.2 < one.std() < 20


def test_a_checkpoint_fills_the_network_or_is_refused(tmp_path):
    file, state = tmp_path / 'weights.pth', load(TINY, None).state_dict()
    torch.save(dict(state_dict=state), file)
    found = load(TINY, str(file), seed=1).state_dict()
    assert all(torch.equal(found[name], value) for name, value in state.items())
    with pytest.raises(ValueError, match=r'--checkpoint .*weights\.pth does not fit 5,4,6,8,10,12: .*size mismatch'):
        load('5,4,6,8,10,12', str(file))


def test_a_model_that_is_named_by_its_checkpoint_keeps_its_weights(save_demo_network, tmp_path):
    file = save_demo_network(tmp_path / 'own.pth')
    saved = torch.load(file, weights_only=False)['state_dict']
    found = load(str(file), None).state_dict()
    assert found and all(torch.equal(value, saved[name]) for name, value in found.items())


@pytest.mark.parametrize('name, message', [
    ('1,2,3', 'six positive widths'), ('0,1,1,1,1,1', 'six positive widths'), ('huge', 'no config huge')])
def test_unknown_sizes_are_refused(name, message):
    with pytest.raises(ValueError, match=message):
        build(name)


def test_what_has_no_cost_is_refused(root):
    with pytest.raises(ValueError, match=r'does not run on inputs of \(1, 6, 40, 40\)'):
        count_cost(build(TINY), 1, 40, 40)
    with pytest.raises(ValueError, match='no model with a decode_head'):
        build(str(root / 'configs/sadl/sadl_r18-fpn_inria.py'))
    for shape in ((), (0, 5), (1, 2, 3)):
        with pytest.raises(ValueError, match='expected height and width in pixels, or one side'):
            format_complexity(None, *shape)
