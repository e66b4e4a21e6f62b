import pytest
import torch
from torch.nn import functional as F

from schanger_mm.models import BCEDiceLoss


def reference(pred, target):
    """The definition, map by map, in plain words."""
    total = 0.0
    for m in range(pred.shape[1]):
        p, t = pred[:, m].sigmoid(), target.to(pred)
        total += F.binary_cross_entropy(p, t) + 1 - (2 * (p * t).sum() + 1e-7) / (p.sum() + t.sum() + 1e-7)
    return total


def test_six_maps_are_summed():
    pred, target = torch.randn(2, 6, 8, 8).double(), torch.randint(0, 2, (2, 8, 8))
    torch.testing.assert_close(BCEDiceLoss()(pred, target), reference(pred, target))


def test_ignored_pixels_count_nowhere():
    pred, target = torch.randn(2, 3, 8, 8).double().requires_grad_(), torch.randint(0, 2, (2, 8, 8))
    padded = F.pad(target, (0, 5, 0, 3), value=255)
    noise = F.pad(pred, (0, 5, 0, 3), value=7.0)
    torch.testing.assert_close(BCEDiceLoss()(noise, padded), reference(pred, target))


def test_nothing_but_ignored_pixels_gives_zero_gradient():
    pred = torch.randn(1, 1, 4, 4, requires_grad=True)
    loss = BCEDiceLoss()(pred, torch.full((1, 4, 4), 255))
    loss.backward()
    assert loss.isfinite() and not pred.grad.any()


def test_float32_under_autocast():
    pred = torch.randn(1, 6, 64, 64, dtype=torch.bfloat16)
    with torch.autocast('cpu', torch.bfloat16):
        loss = BCEDiceLoss()(pred, torch.ones(1, 64, 64, dtype=torch.long))
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss, reference(pred.float(), torch.ones(1, 64, 64)), rtol=1e-5, atol=1e-5)


def test_perfect_prediction_costs_nothing_and_is_differentiable():
    target = torch.randint(0, 2, (1, 8, 8))
    pred = ((target[:, None] * 2.0 - 1) * 40).requires_grad_()
    assert BCEDiceLoss()(pred, target).item() == pytest.approx(0.0, abs=1e-6)
    assert torch.autograd.gradcheck(
        lambda x: BCEDiceLoss()(x, target), torch.randn(1, 2, 8, 8).double().requires_grad_())


@pytest.mark.parametrize('target, message', [
    (torch.full((1, 8, 8), 2), r'target holds \[2\]; expected 0 and 1'),
    (torch.zeros(1, 4, 8, dtype=torch.long), r'need a target of shape \(N, H, W\)'),
])
def test_wrong_targets_are_refused(target, message):
    with pytest.raises(ValueError, match=message):
        BCEDiceLoss()(torch.zeros(1, 1, 8, 8), target)


@pytest.mark.parametrize('settings', [dict(pos_weight=3.0), dict(class_weight=[1, 3]), dict(class_weight=(1.0, 3.0))])
def test_changed_pixels_weigh_more_in_the_cross_entropy_alone(settings):
    pred, target = torch.randn(2, 1, 8, 8).double(), torch.randint(0, 2, (2, 8, 8))
    extra = (F.binary_cross_entropy_with_logits(pred[:, 0], target.double(), pos_weight=torch.tensor(3.0))
             - F.binary_cross_entropy_with_logits(pred[:, 0], target.double()))
    torch.testing.assert_close(BCEDiceLoss(**settings)(pred, target), reference(pred, target) + extra)
    padded, noise = F.pad(target, (0, 5), value=255), F.pad(pred, (0, 5), value=7.0)
    torch.testing.assert_close(BCEDiceLoss(**settings)(noise, padded), reference(pred, target) + extra)


def test_each_class_has_its_weight():
    pred, target = torch.randn(2, 1, 8, 8).double(), torch.randint(0, 2, (2, 8, 8))
    per_pixel = F.binary_cross_entropy_with_logits(pred[:, 0], target.double(), reduction='none')
    weights = torch.tensor([0.5, 2.0]).double()[target]
    expected = reference(pred, target) + ((weights - 1) * per_pixel).mean()
    torch.testing.assert_close(BCEDiceLoss(class_weight=[0.5, 2.0])(pred, target), expected)


@pytest.mark.parametrize('settings', [
    dict(class_weight=[1]), dict(class_weight=[0, 1]), dict(class_weight='12'), dict(pos_weight=-1.0),
    dict(pos_weight=float('inf')), dict(class_weight=[1, float('nan')])])
def test_weights_that_are_none_are_refused(settings):
    with pytest.raises(ValueError, match=r'expected two numbers above 0 \(unchanged, changed\), or one for pos_weight'):
        BCEDiceLoss(**settings)


def test_one_weight_given_twice_is_refused():
    with pytest.raises(ValueError, match='expected one of them, for pos_weight is the second value of class_weight'):
        BCEDiceLoss(class_weight=[1, 2], pos_weight=2)


def test_where_the_host_must_not_wait_a_wrong_target_makes_the_loss_nan(monkeypatch):
    """On a GPU; simulated by torch.compile's flag, which has the same effect."""
    monkeypatch.setattr(torch.compiler, 'is_compiling', lambda: True)
    logits = torch.zeros(1, 2, 4, 4)
    assert BCEDiceLoss()(logits, torch.full((1, 4, 4), 2)).isnan()
    assert BCEDiceLoss()(logits, torch.full((1, 4, 4), 255)).isfinite()
