"""Both dates in one batch: what one date after the other computes."""

import copy

import pytest
import torch
from torch import nn

from schanger_mm.models import SCN
from schanger_mm.models.layers import DateMaps, norm_per_date, part_dates, set_dates
from schanger_mm.models.losses import BCEDiceLoss
from schanger_mm.registry import MODELS

ARCH = (8, 8, 12, 16, 20, 24)


def network(drop_rate=0.0, **head):
    torch.manual_seed(0)
    return MODELS.build(dict(
        type='schanger_mm.SiameseEncoderDecoder', num_dates=2,
        backbone=dict(type='schanger_mm.SCN', arch=ARCH, drop_rate=drop_rate),
        decode_head=dict(type='schanger_mm.SpatialConsistencyHead', arch=ARCH, drop_rate=drop_rate,
                         temporal_fusion=dict(type='schanger_mm.TFM'), **head),
        train_cfg=dict(), test_cfg=dict(mode='whole'))).double().train()


def apart(model):
    """A copy that runs one date after the other."""
    model = copy.deepcopy(model)
    part_dates(model)
    return model


def step(model):
    draw = torch.Generator().manual_seed(1)
    inputs = torch.randn(2, 6, 32, 32, generator=draw, dtype=torch.float64)
    inputs[:, 3:] *= 3  # the dates' statistics differ
    maps = torch.cat(model.decode_head.forward_maps(model.extract_feat(inputs)), dim=1)
    loss = BCEDiceLoss()(maps, (torch.rand(2, 32, 32, generator=draw) > 0.7).long())
    loss.backward()
    return maps.detach(), {name: parameter.grad for name, parameter in model.named_parameters()}


@pytest.mark.parametrize('settings', [dict(), dict(share_attention=False), dict(attention=None)])
def test_maps_gradients_and_statistics_are_those_of_one_date_after_the_other(settings):
    joint = network(**settings)
    assert joint.joint and joint.decode_head.joint
    one_by_one = apart(joint)
    (maps, gradients), (other_maps, other_gradients) = step(joint), step(one_by_one)
    torch.testing.assert_close(maps, other_maps, rtol=1e-10, atol=1e-10)
    largest = max(gradient.abs().max() for gradient in other_gradients.values())
    for name, gradient in other_gradients.items():
        torch.testing.assert_close(gradients[name], gradient, rtol=1e-9, atol=1e-12 * float(largest), msg=name)
    for (name, ours), theirs in zip(joint.named_buffers(), one_by_one.buffers(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-12, msg=name)
    assert joint.backbone.stem.bn.num_batches_tracked == 2


def test_blocks_that_run_again_in_the_backward_pass_compute_the_same():
    joint, again = network(), network()
    for part in again.modules():
        if hasattr(part, 'with_cp'):
            part.with_cp = True
    (maps, gradients), (other_maps, other_gradients) = step(joint), step(again)
    assert torch.equal(maps, other_maps) and all(torch.equal(gradients[name], other_gradients[name])
                                                 for name in gradients)
    for ours, theirs in zip(joint.buffers(), again.buffers(), strict=True):
        assert torch.equal(ours, theirs)


def test_a_network_that_saves_memory_runs_one_date_after_the_other():
    assert not set_dates(SCN(ARCH, with_cp=True), 2)


def test_the_order_of_the_dates_is_kept():
    """The running mean moves towards date A first, so date B weighs more."""
    norm = nn.BatchNorm2d(2, momentum=0.5)
    norm_per_date(norm, torch.cat([torch.full((1, 2, 3, 3), 4.0), torch.full((1, 2, 3, 3), 8.0)]), dates=2)
    assert norm.running_mean.tolist() == [5.0, 5.0]  # (0 + 4) / 2, then (2 + 8) / 2


@pytest.mark.parametrize('norm', [
    nn.BatchNorm2d(4), nn.BatchNorm2d(4, affine=False), nn.BatchNorm2d(4, momentum=None),
    nn.BatchNorm2d(4, track_running_stats=False)])
def test_any_batch_norm_sees_one_date_at_a_time(norm):
    norm, x = norm.double(), torch.randn(6, 4, 5, 5, dtype=torch.float64)
    other = copy.deepcopy(norm)
    torch.testing.assert_close(norm_per_date(norm, x, 2), torch.cat([other(part) for part in x.chunk(2)]))
    for ours, theirs in zip(norm.buffers(), other.buffers(), strict=True):
        torch.testing.assert_close(ours, theirs)
    norm.eval()
    torch.testing.assert_close(norm_per_date(norm, x, 2), norm(x))


def test_a_part_with_a_batch_norm_of_its_own_makes_the_network_run_one_date_after_the_other():
    scn = SCN(ARCH)
    assert set_dates(scn, 2) and scn.stem.dates == 2
    scn = SCN(ARCH)
    scn.stages[1].append(nn.BatchNorm2d(12))
    assert not set_dates(scn, 2) and scn.stem.dates == 1


def test_prediction_on_a_cpu_takes_no_more_memory_than_one_date_needs():
    model = network().eval()
    with torch.no_grad():
        levels = model.extract_feat(torch.randn(1, 6, 32, 32, dtype=torch.float64))
    assert not any(isinstance(level, DateMaps) for level in levels)
    assert all(isinstance(level, DateMaps) for level in model.train().extract_feat(
        torch.randn(2, 6, 32, 32, dtype=torch.float64)))


def test_the_maps_of_both_dates_are_a_sequence_of_two():
    maps = DateMaps(torch.arange(4.0).view(4, 1, 1, 1))
    a, b = maps
    assert len(maps) == 2 and a.flatten().tolist() == [0.0, 1.0] and b.flatten().tolist() == [2.0, 3.0]


def test_a_single_value_per_channel_is_refused_as_by_torch():
    with pytest.raises(ValueError, match='more than 1 value per channel'):
        norm_per_date(nn.BatchNorm2d(4), torch.ones(2, 4, 1, 1), 2)
