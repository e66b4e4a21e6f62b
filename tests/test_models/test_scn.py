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
