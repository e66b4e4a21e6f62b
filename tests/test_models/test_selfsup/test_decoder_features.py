"""SChanger's decoder as a neck."""

import pytest
import torch

from schanger_mm.models import SCN
from schanger_mm.models.decode_heads import SpatialConsistencyHead
from schanger_mm.models.selfsup import DecoderFeatures

ARCH = (4, 6, 8, 10, 12, 14)


def test_names_and_shapes_are_those_of_the_decode_head():
    for dates in (None, dict(type='TFM')):
        head = SpatialConsistencyHead(ARCH, temporal_fusion=dates).state_dict()
        neck = DecoderFeatures(ARCH).state_dict()
        assert {name: head[name].shape for name in neck} == {name: value.shape for name, value in neck.items()}
        new = {name.split('.')[0] for name in set(head) - set(neck)}
        assert new == {'side_convs', 'conv_seg', *(('attention_fusion', 'side_fusion') if dates else ())}


def test_features_come_at_strides_16_to_1_in_the_widths_of_the_decoder():
    features = DecoderFeatures(ARCH)(SCN(ARCH)(torch.rand(2, 3, 32, 48)))
    assert [tuple(x.shape) for x in features] == [
        (2, 12, 2, 3), (2, 10, 4, 6), (2, 8, 8, 12), (2, 6, 16, 24), (2, 4, 32, 48)]


def test_features_are_those_that_the_head_makes_its_maps_of():
    encoder, head, neck = SCN(ARCH).eval(), SpatialConsistencyHead(ARCH).eval(), DecoderFeatures(ARCH).eval()
    missing = neck.load_state_dict(head.state_dict(), strict=False)
    assert missing.missing_keys == []
    levels = encoder(torch.rand(1, 3, 32, 32))
    side = head.side_convs[-1](neck(levels)[-1])
    torch.testing.assert_close(side, head.forward_maps(levels)[-1])


def test_every_parameter_learns_from_the_finest_map():
    neck = DecoderFeatures(ARCH, drop_rate=0.0)
    neck(SCN(ARCH)(torch.rand(2, 3, 32, 32)))[-1].square().mean().backward()
    assert [name for name, p in neck.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0] == []


def test_another_arch_than_the_encoders_is_refused():
    with pytest.raises(ValueError, match='Check arch of backbone and head'):
        DecoderFeatures((4, 6, 8, 10, 12, 16))(SCN(ARCH)(torch.rand(1, 3, 32, 32)))
