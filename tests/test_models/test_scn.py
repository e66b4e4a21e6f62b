import pytest
import torch

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


def test_weights_of_another_stride_do_not_fit_strictly():
    with pytest.raises(RuntimeError, match='stride_2'):
        SCN('small', stride=2).load_state_dict(SCN('small').state_dict())
    with pytest.raises(RuntimeError, match='stride_2'):
        SCN('small').load_state_dict(SCN('small', stride=2).state_dict())
    with pytest.raises(RuntimeError, match='stride_4'):
        SCN('small', stride=4).load_state_dict(SCN('small', stride=2).state_dict())


def test_with_a_stride_sides_are_larger_multiples():
    with pytest.raises(ValueError, match='16 x 32 px: both sides must be multiples of 32'):
        SCN((4, ) * 6, stride=2)(torch.randn(1, 3, 16, 32))


@pytest.mark.parametrize('stride', [0, -1, 1.5, '2'])
def test_a_stride_is_a_whole_number(stride):
    with pytest.raises(ValueError, match='expected a whole number from 1 up'):
        SCN('small', stride=stride)
