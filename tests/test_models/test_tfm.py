import pytest
import torch
from torch.nn import functional as F

from schanger_mm.models import TFM


def pyramid(channels=(4, 6)):
    return [torch.randn(2, c, 8 >> i, 8 >> i) for i, c in enumerate(channels)]


def test_conv_is_projection_norm_over_channels_and_gelu():
    tfm = TFM([4, 6])
    tfm.init_weights()
    a, b = pyramid(), pyramid()
    fused = tfm(a, b)
    assert [f.shape for f in fused] == [x.shape for x in a]
    level = tfm.levels[1]
    x = F.conv2d(torch.cat([a[1], b[1]], 1), level.proj.weight, level.proj.bias)
    normed = (x - x.mean(1, keepdim=True)) / (x.var(1, unbiased=False, keepdim=True) + 1e-6).sqrt()
    torch.testing.assert_close(fused[1], F.gelu(normed), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(tfm.fuse(1, a[1], b[1]), fused[1])


def test_diff_has_no_parameters_and_subtracts():
    tfm = TFM([4, 6], mode='diff')
    a, b = pyramid(), pyramid()
    assert not list(tfm.parameters())
    assert all(torch.equal(f, x - y) for f, x, y in zip(tfm(a, b), a, b))


def test_abs_is_the_same_for_both_orders_of_the_dates():
    tfm = TFM([4, 6], mode='abs')
    a, b = pyramid(), pyramid()
    assert not list(tfm.parameters())
    assert all(torch.equal(f, (x - y).abs()) and torch.equal(f, g) for f, g, x, y in zip(tfm(a, b), tfm(b, a), a, b))


def test_mode_per_level():
    tfm = TFM([4, 6], mode=['diff', 'conv'])
    assert not list(tfm.levels[0].parameters())
    assert tfm.levels[1].proj.weight.shape == (6, 12, 1, 1)


@pytest.mark.parametrize('mode', ['sum', ['conv']])
def test_unknown_mode_is_refused(mode):
    with pytest.raises(ValueError, match=r"expected \['abs', 'conv', 'diff'\], once or one per level"):
        TFM([4, 6], mode=mode)


def test_pyramids_of_other_depth_are_refused():
    with pytest.raises(ValueError, match='built for 2 levels .* got 1 of date A and 2 of date B'):
        TFM([4, 6])(pyramid()[:1], pyramid())
