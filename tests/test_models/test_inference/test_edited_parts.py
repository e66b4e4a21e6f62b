"""A part that was edited is followed, or refused by its name: nothing predicts with the old formula."""

import pytest
import torch
from mmengine.registry import DefaultScope
from torch import nn
from torch.nn import functional as F

from schanger_mm.deploy.graph import PairGraph
from schanger_mm.models.backbones.scn import SCN
from schanger_mm.models.decode_heads.spatial_consistency_head import SpatialConsistencyHead
from schanger_mm.models.inference import InferenceFormError
from schanger_mm.models.inference.forms import InferenceLFEM
from schanger_mm.models.layers import LFEM, SCAM, SCLKA, ConvMLP, SharedAttention, SqueezeExcite
from schanger_mm.models.necks.tfm import TFM, ConvFusion
from schanger_mm.registry import MODELS, SCOPE

ARCH = (4, 4, 6, 8, 10, 12)


def build(backbone=None, **head):
    torch.manual_seed(0)
    with DefaultScope.overwrite_default_scope(SCOPE):
        network = MODELS.build(dict(
            type='SiameseEncoderDecoder', backbone=dict(type='SCN', arch=ARCH, **(backbone or {})),
            decode_head=dict(type='SpatialConsistencyHead', arch=ARCH, temporal_fusion=dict(type='TFM'), **head),
            data_preprocessor=dict(type='BiTemporalPreProcessor', mean=[0.0] * 6, std=[1.0] * 6),
            test_cfg=dict(mode='whole')))
    network.init_weights()
    return network.eval()


def predict(network, x):
    with torch.no_grad():
        return network(x, mode='tensor').sigmoid()


def exported(network, x):
    """As the exported file computes, which takes R, G, B."""
    before, after = (date.flip(1) for date in x.chunk(2, dim=1))
    with torch.no_grad():
        return PairGraph(network, normalise=False)(before.flip(1), after.flip(1))


def forms(network, x):
    return dict(eager=lambda: predict(network.for_inference(), x),
                portable=lambda: predict(network.for_inference(portable=True), x),
                exported=lambda: exported(network, x))


def more(method, factor=1.5):
    """Change what a method returns."""
    def edited(self, *args, **kwargs):
        result = method(self, *args, **kwargs)
        return [factor * x for x in result] if isinstance(result, list) else factor * result
    return edited


REFUSED = [
    (LFEM, 'forward', r'backbone.stages.0.0 \(LFEM\) .* InferenceLFEM in schanger_mm/models/inference/forms.py'),
    (LFEM, '_forward', r'backbone.stages.0.0 \(LFEM\)'),
    (SqueezeExcite, 'forward', r'backbone.stages.0.0 \(LFEM\)'),
    (SCAM, 'forward', r'decode_head.scams.0 \(SCAM\)'),
    (SCAM, 'attend', r'decode_head.scams.0 \(SCAM\)'),
    (SCAM, 'transform', r'decode_head.scams.0 \(SCAM\)'),
    (ConvMLP, 'forward', r'decode_head.scams.0 \(SCAM\)'),
    (SCLKA, 'attention_map', r'decode_head.scams.0.attention \(SCLKA\)'),
    (SCLKA, 'forward', r'decode_head.scams.0.attention \(SCLKA\)'),
    (SharedAttention, 'forward', r'decode_head.scams.0.attention \(SCLKA\)'),
    (ConvFusion, 'forward', r'decode_head.attention_fusion.levels.0 \(ConvFusion\)'),
]
FOLLOWED = [(SCN, 'forward'), (TFM, 'fuse'), (SpatialConsistencyHead, 'forward'), (SpatialConsistencyHead, 'decode')]


@pytest.mark.parametrize('kind, method, message', REFUSED)
def test_an_edited_part_is_refused_by_its_name(kind, method, message, monkeypatch):
    network, x = build(), torch.randn(2, 6, 32, 32)
    before = predict(network, x)
    monkeypatch.setattr(kind, method, more(getattr(kind, method)))
    assert not torch.allclose(predict(network, x), before, atol=1e-6)
    for form in forms(network, x).values():
        with pytest.raises(InferenceFormError, match=message):
            form()


@pytest.mark.parametrize('kind, method', FOLLOWED)
def test_an_edit_outside_of_the_parts_with_a_form_is_followed(kind, method, monkeypatch):
    network, x = build(), torch.randn(2, 6, 32, 32)
    before = predict(network, x)
    if method == 'decode':
        decode = kind.decode
        monkeypatch.setattr(
            kind, method, lambda self, inputs: ([2 * x for x in dates] for dates in decode(self, inputs)))
    elif kind is SCN:
        forward = kind.forward
        monkeypatch.setattr(kind, method, lambda self, x: tuple(2 * y for y in forward(self, x)))
    else:
        monkeypatch.setattr(kind, method, more(getattr(kind, method)))
    after = predict(network, x)
    assert not torch.allclose(after, before, atol=1e-6)
    for form in forms(network, x).values():
        torch.testing.assert_close(form(), after, atol=1e-5, rtol=0)


def test_a_changed_stem_is_followed():
    network, x = build(), torch.randn(2, 6, 32, 32)
    network.backbone.stem.act = nn.Hardswish()
    network.backbone.stem.bn.eps = 0.5
    for form in forms(network, x).values():
        torch.testing.assert_close(form(), predict(network, x), atol=1e-5, rtol=0)


def test_changed_constants_are_followed(monkeypatch):
    monkeypatch.setattr(LFEM, 'EXPANSION', 3)
    monkeypatch.setattr(SCAM, 'LAYER_SCALE_INIT', 0.7)
    network, x = build(), torch.randn(2, 6, 32, 32)
    for part in network.modules():
        if isinstance(part, (nn.BatchNorm2d, nn.LayerNorm)):
            part.eps = 0.3
    for form in forms(network, x).values():
        torch.testing.assert_close(form(), predict(network, x), atol=1e-5, rtol=0)


def test_another_activation_in_a_part_is_refused():
    network = build()
    network.decode_head.blocks[2][1].depthwise.act = nn.ReLU()
    with pytest.raises(InferenceFormError, match=r'decode_head.blocks.2.1 \(LFEM\)'):
        network.for_inference()


def test_a_part_whose_layers_are_gone_is_refused_by_its_name():
    network = build()
    network.backbone.stages[1][0].se = nn.Identity()
    with pytest.raises(InferenceFormError, match=r'backbone.stages.1.0 \(LFEM\) .* The form cannot be made: Attribute'):
        network.for_inference()


def test_a_form_that_fails_is_refused_by_its_name(monkeypatch):
    network = build()
    monkeypatch.setattr(InferenceLFEM, 'forward', lambda self, x: x @ x.new_zeros(3))
    with pytest.raises(InferenceFormError, match=r'backbone.stages.0.0 \(LFEM\) .* The form fails with RuntimeError'):
        network.for_inference()


def test_an_instance_with_another_forward_is_refused():
    network = build()
    scam = network.decode_head.scams[4]
    scam.forward = lambda dates, fuse=None: [2 * x for x in dates]
    with pytest.raises(InferenceFormError, match=r'decode_head.scams.4 \(SCAM\)'):
        network.for_inference()


@pytest.fixture
def registered():
    """Parts as a user adds them."""
    class HardLFEM(LFEM):
        def forward(self, x):
            return F.hardswish(super().forward(x))

    class BareSCAM(SCAM):
        def forward(self, dates, fuse=None):
            return [x + 0.5 * y for x, y in zip(dates, super().forward(dates, fuse))]

    class Pointwise(SharedAttention):
        def __init__(self, channels):
            super().__init__()
            self.conv, self.bn = nn.Conv2d(channels, channels, 1), nn.BatchNorm2d(channels, affine=False)

        def attention_map(self, x):
            return self.bn(self.conv(x)).sigmoid()

    kinds = (HardLFEM, BareSCAM, Pointwise)
    for kind in kinds:
        MODELS.register_module(module=kind)
    yield
    for kind in kinds:
        del MODELS._module_dict[kind.__name__]


@pytest.mark.parametrize('settings, name', [
    (dict(block=dict(type='HardLFEM')), 'HardLFEM'),
    (dict(backbone=dict(block=dict(type='HardLFEM'))), 'HardLFEM'),
    (dict(scam=dict(type='BareSCAM')), 'BareSCAM'),
    (dict(attention=dict(type='Pointwise')), 'Pointwise'),
    (dict(scam=dict(type='SCAM', attention=dict(type='Pointwise')), share_attention=False), 'Pointwise'),
], ids=str)
def test_a_part_of_the_users_own_runs_as_it_is(settings, name, registered):
    network, x = build(**settings), torch.randn(2, 6, 32, 32)
    assert any(type(part).__name__ == name for part in network.modules())
    assert not torch.allclose(predict(network, x), predict(build(), x), atol=1e-6)
    for form in forms(network, x).values():
        torch.testing.assert_close(form(), predict(network, x), atol=1e-5, rtol=0)
    fast = network.for_inference()
    assert any(type(part).__name__ == name for part in fast.modules())
    assert not any(isinstance(part, nn.BatchNorm2d) for key, part in fast.named_modules() if key.endswith('.bn'))


def test_making_a_form_leaves_random_numbers_alone():
    network = build()
    state = torch.random.get_rng_state()
    network.for_inference()
    assert torch.equal(torch.random.get_rng_state(), state)


def test_a_network_that_yields_nan_has_a_form():
    network, x = build(), torch.randn(1, 6, 32, 32)
    network.decode_head.conv_seg.bias.data.fill_(float('nan'))
    assert predict(network.for_inference(), x).isnan().all()
