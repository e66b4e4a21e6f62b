import math

import pytest
import torch
from torch import nn

from schanger_mm.models.layers import ARCHS, LFEM, SCAM, DropPath, init_fan_out_, resolve_arch


def test_published_widths():
    assert ARCHS == {'base': (24, 32, 48, 64, 104, 120), 'small': (8, 16, 32, 40, 48, 48)}
    assert resolve_arch([1, 2, 3, 4, 5, 6]) == (1, 2, 3, 4, 5, 6)


@pytest.mark.parametrize('arch', ['large', [1, 2, 3], [0, 1, 1, 1, 1, 1]])
def test_unknown_arch_is_refused_with_the_choices(arch):
    with pytest.raises(ValueError, match=r"expected one of \['base', 'small'\] or six positive widths"):
        resolve_arch(arch)


def test_drop_path_keeps_the_expectation_and_drops_whole_samples():
    drop, x = DropPath(0.2), torch.ones(4000, 2, 3, 3)
    y = drop(x)
    per_sample = y.flatten(1)
    assert (per_sample == per_sample[:, :1]).all()
    torch.testing.assert_close(per_sample[:, 0].unique(), torch.tensor([0.0, 1.25]))
    assert abs(y.mean().item() - 1) < 0.03
    assert drop.eval()(x) is x


def test_lfem_adds_its_input_only_at_equal_width():
    x = torch.randn(2, 8, 5, 7)
    same, wider = LFEM(8, 8).eval(), LFEM(8, 12).eval()
    for block in (same, wider):
        nn.init.zeros_(block.project.bn.weight)
    assert torch.equal(same(x), x)
    assert torch.equal(wider(x), torch.zeros(2, 12, 5, 7))


def test_one_attention_map_gates_both_dates():
    """The inductive bias of the paper: with date B zero its gate is date A's."""
    attention = SCAM(8).eval().attention
    a, b = torch.randn(2, 1, 8, 16, 16).unbind()
    out_a, out_b = attention([a, b], torch.add)
    torch.testing.assert_close(out_a / a, out_b / b, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize('setting, far', [({}, 11), (dict(large=False), 2)])
def test_attention_reaches_as_far_as_its_kernels(setting, far):
    attention = SCAM(4, attention=setting).eval().attention
    x = torch.zeros(1, 4, 41, 41, requires_grad=True)
    attention.attention_map(x)[0, :, 20, 20].sum().backward()
    rows = x.grad.abs().sum((0, 1, 3)).nonzero().flatten()
    assert (rows.min().item(), rows.max().item()) == (20 - far, 20 + far)


def test_without_fusion_each_date_has_its_own_gate():
    attention = SCAM(8).eval().attention
    a, b, other = torch.randn(3, 1, 8, 16, 16).unbind()
    torch.testing.assert_close(attention([a, b])[0], attention([a, other])[0])
    torch.testing.assert_close(attention([a, b])[0], attention([a])[0])
    assert not torch.allclose(attention([a, b], torch.add)[0], attention([a, other], torch.add)[0])


def test_without_attention_the_projection_passes_ungated():
    scam = SCAM(8, attention=None).eval()
    x = torch.randn(1, 8, 16, 16)
    scam.scale2.data.zero_()
    normed = scam.norm1(x)
    expected = x + scam.scale1[:, None, None] * (scam.proj_out(nn.functional.gelu(scam.proj_in(normed))) + normed)
    torch.testing.assert_close(scam([x])[0], expected)
    assert not any(name.startswith('attention') for name, _ in scam.named_parameters())


def test_layer_scales_start_at_a_hundredth():
    scam = SCAM(8)
    init_fan_out_(scam)
    assert torch.equal(scam.scale1, torch.full((8, ), 0.01))
    assert torch.equal(scam.scale2, torch.full((8, ), 0.01))


@pytest.mark.parametrize('conv', [nn.Conv2d(64, 256, 3), nn.Conv2d(512, 512, 5, groups=512), nn.Conv2d(512, 128, 1)])
def test_initialisation_has_the_authors_spread(conv):
    init_fan_out_(conv)
    k = conv.kernel_size[0]
    expected = math.sqrt(2 / (k * k * conv.out_channels / conv.groups))
    assert conv.weight.std().item() == pytest.approx(expected, rel=0.05)
    assert not conv.bias.any()
