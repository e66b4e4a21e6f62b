"""The adapter, and foundation backbones under SChanger's head: ours, and stand-ins for timm's and mmpretrain's."""

from types import SimpleNamespace

import pytest
import torch
from torch import nn

from schanger_mm.models import PyramidAdapter
from schanger_mm.registry import MODELS
from schanger_mm.utils.errors import SettingError

WIDTHS = (8, 8, 12, 16, 20, 24)
TINY_VIT = dict(hidden_size=16, num_hidden_layers=4, num_attention_heads=2, mlp_ratio=2, image_size=56)


def maps(channels, sizes):
    return [torch.randn(2, c, *size) for c, size in zip(channels, sizes)]


@pytest.mark.parametrize('channels, sizes, stride', [
    ([6] * 4, [(2, 3)] * 4, 16),  # of a Vision Transformer
    ([4, 6, 8, 10], [(16, 24), (8, 12), (4, 6), (2, 3)], 16),
    ([4, 6, 8, 10], [(16, 24), (8, 12), (4, 6), (1, 1)], 32),
    ([4, 5, 6, 7, 8], [(32, 48), (16, 24), (8, 12), (4, 6), (2, 3)], 16),
    ([6], [(2, 3)], 16),
])
def test_any_maps_become_five_levels_of_the_head(channels, sizes, stride):
    adapter = PyramidAdapter(channels, stride, WIDTHS)
    adapter.init_weights()
    height, width = (side * stride for side in sizes[-1])
    expected = [(2, c, height >> i, width >> i) for i, c in enumerate(WIDTHS[1:])]
    assert [level.shape for level in adapter(maps(channels, sizes))] == expected


def test_two_dates_are_adapted_alike_and_joined_date_a_first():
    adapter = PyramidAdapter([6] * 2, 16, WIDTHS).eval()
    a, b = maps([6] * 2, [(1, 2)] * 2), maps([6] * 2, [(1, 2)] * 2)
    for level, of_a, of_b in zip(adapter(a, b), adapter(a), adapter(b)):
        torch.testing.assert_close(level, torch.cat([of_a, of_b], 1))


def test_the_last_map_is_stride_16_and_levels_without_a_map_come_from_the_one_above():
    adapter = PyramidAdapter([6] * 3, 16, WIDTHS).eval()
    inputs = [x.requires_grad_() for x in maps([6] * 3, [(1, 1)] * 3)]
    levels = adapter(inputs)
    reached = [[gradient is not None for gradient in torch.autograd.grad(
        level.sum(), inputs, retain_graph=True, allow_unused=True)] for level in levels]
    assert reached == [[True, False, False]] * 3 + [[False, True, False], [False, False, True]]


@pytest.mark.parametrize('channels, stride, message', [
    ([], 16, r'in_channels=\[\]; expected one to 5 maps'), ([4] * 6, 16, 'expected one to 5 maps'),
    ([4], 0, 'stride=0; expected that of the last map')])
def test_what_cannot_be_adapted_is_refused(channels, stride, message):
    with pytest.raises(SettingError, match=message):
        PyramidAdapter(channels, stride, WIDTHS)


def test_images_and_maps_that_do_not_fit_are_refused():
    with pytest.raises(SettingError, match='got maps of an image of 28 x 42 px; expected multiples of 16. Set size_di'):
        PyramidAdapter([4], 14, WIDTHS)([torch.randn(1, 4, 2, 3)])
    with pytest.raises(SettingError, match='has 2 in_channels and got 1 maps; set out_indices'):
        PyramidAdapter([4, 4], 16, WIDTHS)([torch.randn(1, 4, 2, 3)])


def detector(backbone, channels, stride, **options):
    torch.manual_seed(0)
    return MODELS.build(dict(
        type='SiameseEncoderDecoder', backbone=backbone, **options,
        neck=dict(type='PyramidAdapter', in_channels=channels, stride=stride, arch=WIDTHS),
        decode_head=dict(type='SpatialConsistencyHead', arch=WIDTHS, temporal_fusion=dict(type='TFM')),
        train_cfg=dict(), test_cfg=dict(mode='whole')))


def check(net, trained=True):
    """Any size is predicted, and the parts that should learn do."""
    with torch.no_grad():
        assert net.eval().encode_decode(torch.randn(1, 6, 40, 70), [{}]).shape == (1, 1, 40, 70)
    net.train()(torch.randn(2, 6, 64, 96)).square().mean().backward()
    assert all(value.grad is not None for value in net.neck.parameters())
    assert any(value.grad is not None for value in net.backbone.parameters()) == trained


@pytest.mark.parametrize('frozen', [False, True])
def test_dinov2_is_schangers_encoder(frozen):
    pytest.importorskip('transformers', reason='needs the extra [dino]')
    backbone = dict(type='DINOv2', arch=TINY_VIT, out_indices=[0, 1, 2, 3], stride=16, frozen=frozen)
    net = detector(backbone, [16] * 4, 16)
    check(net, trained=not frozen)
    assert net.backbone.training != frozen


def test_a_backbone_of_mmpretrain_is_schangers_encoder(mmpretrain):
    backbone = dict(type='mmpretrain.ConvNeXt', arch='atto', out_indices=[0, 1, 2, 3], gap_before_final_norm=False)
    net = detector(backbone, [40, 80, 160, 320], 32, size_divisor=32)
    assert type(net.backbone).__module__.startswith('mmpretrain.')
    check(net)


def test_a_backbone_of_timm_is_schangers_encoder(monkeypatch):
    """timm is not installed beside this torch; mmseg's wrapper calls one function of it."""
    class Features(nn.Module):
        def __init__(self):
            super().__init__()
            self.stages = nn.ModuleList(nn.Conv2d(c, d, 2, stride=s) for c, d, s in ((3, 4, 4), (4, 6, 2), (6, 8, 2)))

        def forward(self, x):
            return [x := stage(nn.functional.pad(x, (0, 1, 0, 1))) for stage in self.stages]

    asked = []
    stand_in = SimpleNamespace(create_model=lambda **options: asked.append(options) or Features())
    monkeypatch.setattr('mmseg.models.backbones.timm_backbone.timm', stand_in)
    backbone = dict(type='mmseg.TIMMBackbone', model_name='resnet18', pretrained=False, out_indices=[1, 2, 3])
    check(detector(backbone, [4, 6, 8], 16))
    assert asked[0]['model_name'] == 'resnet18' and asked[0]['features_only'] and not asked[0]['pretrained']
