"""The feature pyramid of SaDL, and its difference of two dates."""

import pytest
import torch

from schanger_mm.models.necks import FPNDifference, TopDownFPN

CHANNELS = [2, 3, 4]


def levels(value=None, size=8):
    shapes = [(1, c, size // 2**i, size // 2**i) for i, c in enumerate(CHANNELS)]
    return [torch.rand(shape) if value is None else torch.full(shape, value) for shape in shapes]


def counting(cls=TopDownFPN):
    """A pyramid whose lateral i gives (sum of channels) * 10**i, plus i."""
    neck = cls(CHANNELS, out_channels=1).eval()
    for i, lateral in enumerate(neck.laterals):
        torch.nn.init.constant_(lateral.weight, 10.0**i)
        torch.nn.init.constant_(lateral.bias, float(i))
    return neck


def test_a_hand_computed_pyramid():
    fine, middle, coarse = torch.zeros(1, 2, 4, 4), torch.zeros(1, 3, 2, 2), torch.zeros(1, 4, 1, 1)
    fine[0, :, 0, 0] = 1.0
    middle[0, 0, 1, 1] = 1.0
    coarse[0, :] = 1.0
    (merged, ) = counting()([fine, middle, coarse])
    top = 4 * 100 + 2  # of the coarsest level, everywhere
    expected = torch.full((4, 4), top + 1.0)
    expected[2:, 2:] += 10  # nearest: a cell of the middle level is a square of 2 x 2
    expected[0, 0] += 2
    assert torch.equal(merged[0, 0], expected)


def test_levels_need_not_halve_exactly():
    (merged, ) = counting()([torch.zeros(1, 2, 5, 3), torch.zeros(1, 3, 3, 2), torch.zeros(1, 4, 2, 1)])
    assert merged.shape == (1, 1, 5, 3) and (merged == 3).all()


def test_the_difference_is_that_of_the_two_maps():
    neck = counting(FPNDifference)
    (same, ) = neck(*[levels(0.5)] * 2)
    assert same.shape == (1, 1, 8, 8) and (same == 0).all()
    (changed, ) = neck(levels(0.0), levels(1.0))
    assert torch.equal(changed, torch.full_like(changed, 2 + 3 * 10 + 4 * 100))
    before, after = levels(), levels()
    torch.testing.assert_close(neck(before, after), neck(after, before))
    torch.testing.assert_close(neck(before, after)[0], (neck.merge(before) - neck.merge(after)).abs())


def test_both_dates_share_the_weights_of_one_pyramid():
    single, pair = TopDownFPN([64, 128, 256, 512]), FPNDifference([64, 128, 256, 512])
    shapes = {name: value.shape for name, value in single.state_dict().items()}
    assert {name: value.shape for name, value in pair.state_dict().items()} == shapes
    assert list(shapes) == [f'laterals.{i}.{kind}' for i in range(4) for kind in ('weight', 'bias')]
    assert sum(p.numel() for p in single.parameters()) == (64 + 128 + 256 + 512) * 256 + 4 * 256
    pair.load_state_dict(single.state_dict())
    inputs = [torch.rand(1, c, 16 // 2**i, 16 // 2**i) for i, c in enumerate([64, 128, 256, 512])]
    zeros = [torch.zeros_like(x) for x in inputs]
    single.eval(), pair.eval()
    torch.testing.assert_close(pair(inputs, zeros)[0], (single(inputs)[0] - single(zeros)[0]).abs())


def test_dropout_takes_whole_channels():
    neck = TopDownFPN([2], out_channels=400, drop_rate=0.2).train()
    (merged, ) = neck([torch.ones(1, 2, 4, 4)])
    dropped = (merged == 0).flatten(2).all(dim=2)
    assert 0.1 < dropped.float().mean() < 0.3
    assert (merged.flatten(2)[~dropped] != 0).all()
    assert TopDownFPN([2]).dropout.p == 0.2


@pytest.mark.parametrize('cls', [TopDownFPN, FPNDifference])
def test_another_number_of_levels_is_refused(cls):
    dates = 2 if cls is FPNDifference else 1
    with pytest.raises(ValueError, match='TopDownFPN has 3 in_channels and got 2 levels; set out_indices'):
        cls(CHANNELS)(*[levels()[:2]] * dates)
