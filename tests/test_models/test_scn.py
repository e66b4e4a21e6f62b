import pytest
import torch
from mmengine.runner import load_state_dict

from schanger_mm.models import SCN


@pytest.mark.parametrize('arch', ['base', 'small', (4, 4, 4, 4, 4, 4)])
def test_five_maps_at_strides_1_to_16(arch):
    scn = SCN(arch).eval()
    with torch.no_grad():
        features = scn(torch.randn(1, 3, 32, 48))
    assert [f.shape[1] for f in features] == scn.out_channels
    assert [tuple(f.shape[2:]) for f in features] == [(32, 48), (16, 24), (8, 12), (4, 6), (2, 3)]


def test_more_bands():
    assert SCN((4, ) * 6, in_channels=4)(torch.randn(2, 4, 16, 16))[0].shape == (2, 4, 16, 16)


def test_size_that_is_not_a_multiple_of_16_is_refused():
    with pytest.raises(ValueError, match='40 x 32 px: both sides must be multiples of 16'):
        SCN((4, ) * 6)(torch.randn(1, 3, 40, 32))


def test_a_stride_averages_the_image_first():
    torch.manual_seed(0)
    plain, half = SCN('small').eval(), SCN('small', stride=2).eval()
    half.load_state_dict({**plain.state_dict(), 'stride_2': torch.ones(())})
    image = torch.randn(2, 3, 64, 32)
    means = torch.stack([image[..., i::2, j::2] for i in (0, 1) for j in (0, 1)]).mean(0)
    with torch.no_grad():
        found, expected = half(image), plain(means)
    assert [tuple(f.shape[2:]) for f in found] == [(32, 16), (16, 8), (8, 4), (4, 2), (2, 1)]
    for one, other in zip(found, expected):
        torch.testing.assert_close(one, other)


def test_with_a_stride_sides_are_larger_multiples():
    with pytest.raises(ValueError, match='16 x 32 px: both sides must be multiples of 32'):
        SCN((4, ) * 6, stride=2)(torch.randn(1, 3, 16, 32))


@pytest.mark.parametrize('stride', [0, -1, 1.5, '2'])
def test_a_stride_is_a_whole_number(stride):
    with pytest.raises(ValueError, match='expected a whole number from 1 up'):
        SCN('small', stride=stride)


def test_weights_of_another_stride_are_refused_however_they_are_loaded():
    states = {stride: SCN('small', stride=stride).state_dict() for stride in (1, 2, 4)}
    for trained, own in ((1, 2), (2, 1), (4, 2)):
        said = f'trained with {trained}, and this network has {own}'
        with pytest.raises(ValueError, match=said):
            SCN('small', stride=own).load_state_dict(states[trained], strict=False)
        with pytest.raises(ValueError, match=said):
            load_state_dict(SCN('small', stride=own), states[trained])
    SCN('small', stride=4).load_state_dict(states[4])
    whole = torch.nn.ModuleDict(dict(backbone=SCN('small', stride=2)))
    with pytest.raises(ValueError, match='backbone.stride: the weights were trained with 1'):
        load_state_dict(whole, {f'backbone.{name}': value for name, value in states[1].items()})
    load_state_dict(whole, {'neck.weight': torch.ones(())})  # of a part without the backbone


def test_pretrained_weights_of_another_stride_are_refused(tmp_path):
    torch.save(dict(state_dict={f'backbone.{name}': x for name, x in SCN('small').state_dict().items()}),
               tmp_path / 'one.pth')
    start = dict(type='Pretrained', checkpoint=str(tmp_path / 'one.pth'), prefix='backbone.')
    SCN('small', init_cfg=start).init_weights()
    with pytest.raises(ValueError, match='trained with 1, and this network has 2'):
        SCN('small', stride=2, init_cfg=start).init_weights()
