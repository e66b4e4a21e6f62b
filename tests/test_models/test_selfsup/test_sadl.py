"""SaDL and its control as models that a Runner trains."""

import math
import sys

import pytest
import torch
from mmengine.optim import OptimWrapper
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample

from schanger_mm.registry import MODELS

ARCH = (4, 4, 6, 8, 10, 12)
RESNET = dict(
    backbone=dict(type='mmseg.ResNet', depth=18, base_channels=8, stem_channels=8),
    neck=dict(type='TopDownFPN', in_channels=[8, 16, 32, 64], out_channels=16))
CONVNEXT = dict(
    backbone=dict(type='mmpretrain.ConvNeXt', arch='atto', out_indices=(0, 1, 2, 3), gap_before_final_norm=False),
    neck=dict(type='TopDownFPN', in_channels=[40, 80, 160, 320], out_channels=16))
SCHANGER = dict(backbone=dict(type='SCN', arch=ARCH), neck=dict(type='DecoderFeatures', arch=ARCH))


def model(encoder=RESNET, type='SaDL', **kwargs):
    width = ARCH[0] if encoder is SCHANGER else 16
    return MODELS.build(dict(
        type=type, **encoder, projector=dict(type='PointMLP', in_channels=width, hidden_channels=32, out_channels=24),
        predictor=dict(type='PointMLP', in_channels=24, hidden_channels=8, out_channels=24),
        views=dict(type='TwoViews', size=(64, 64)), **kwargs))


def batch(masks):
    samples = []
    for mask in masks:
        sample = SegDataSample()
        sample.gt_sem_seg = PixelData(data=mask[None])
        samples.append(sample)
    return torch.rand(len(masks), 3, 64, 64), samples


def blocks(n=3):
    masks = torch.zeros(n, 64, 64, dtype=torch.long)
    masks[:, 16:40, 20:50] = 1
    return masks


@pytest.mark.parametrize('type, encoder, names', [
    ('SaDL', RESNET, {'loss_consistency', 'loss_discrimination', 'loss_synthetic', 'projection_std'}),
    ('SaDL', SCHANGER, {'loss_consistency', 'loss_discrimination', 'loss_synthetic', 'projection_std'}),
    ('SimSiam', RESNET, {'loss_consistency', 'projection_std'}),
])
def test_every_parameter_learns(type, encoder, names):
    net = model(encoder, type).train()
    losses = net(*batch(blocks()), mode='loss')
    assert set(losses) == names
    total, _ = net.parse_losses(losses)
    torch.testing.assert_close(total, sum(value for name, value in losses.items() if 'loss' in name))
    total.backward()
    idle = [name for name, p in net.named_parameters() if p.grad is None or not p.grad.isfinite().all()]
    assert idle == []


def test_a_backbone_of_mmpretrain_trains_a_step(mmpretrain):
    net = model(CONVNEXT).train()
    assert type(net.backbone).__module__.startswith('mmpretrain.')
    before = {name: p.detach().clone() for name, p in net.backbone.named_parameters()}
    images, samples = batch(blocks())
    optimizer = OptimWrapper(torch.optim.SGD(net.parameters(), lr=0.1))
    logged = net.train_step(dict(inputs=images, data_samples=samples), optimizer)
    assert logged['loss'].isfinite() and set(logged) >= {'loss_consistency', 'loss_discrimination', 'loss_synthetic'}
    still = [name for name, p in net.backbone.named_parameters() if torch.equal(p, before[name])]
    assert before and still == []


def test_settings_of_sampler_and_swap_come_from_the_config():
    net = model(sampler=dict(num_points=4), background_swap=dict(sigma=(1.0, 1.0)))
    assert (net.sampler.num_points, net.background_swap.sigma) == (4, (1.0, 1.0))
    with pytest.raises(ValueError, match='num_points=1; batch norm needs 2 or more'):
        model(sampler=dict(num_points=1))
    with pytest.raises(ValueError, match=r'dilation=8, blur=\(7, 7\); expected odd sides'):
        model(background_swap=dict(dilation=8))


class Two(torch.nn.Module):
    def forward(self, first, second):
        return torch.tensor(2.0)


class KeptBackground(torch.nn.Module):
    def forward(self, image, mask, other_image, other_mask):
        return image, torch.zeros_like(mask)


@pytest.mark.parametrize('name', ['loss_consistency', 'loss_discrimination', 'loss_synthetic'])
def test_a_loss_of_ones_own_takes_the_place_of_one(name):
    losses = model(**{name: dict(type=Two)})(*batch(blocks()), mode='loss')
    assert losses.pop(name) == (1.0 if name == 'loss_synthetic' else 2.0)
    assert all(0 < value < 4 and value not in (1.0, 2.0) for value in losses.values())


def test_a_swap_of_ones_own_makes_the_synthetic_view():
    net, seen = model(background_swap=dict(type=KeptBackground)), []
    net.backbone.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    net(*batch(blocks()), mode='loss')
    assert [torch.equal(seen[0], images) for images in seen] == [True, False, True]


def test_losses_are_within_their_bounds():
    losses = model()(*batch(blocks()), mode='loss')
    assert 0 <= losses['loss_consistency'] <= 4
    assert 0 <= losses['loss_discrimination'] <= 2
    assert 0 <= losses['loss_synthetic'] <= 0.5 * 4
    assert 0 < losses['projection_std'] < 1.5 / math.sqrt(24)


@pytest.mark.parametrize('masks', [
    torch.zeros(3, 64, 64, dtype=torch.long), torch.ones(3, 64, 64, dtype=torch.long),
    torch.stack([torch.zeros(64, 64), torch.ones(64, 64), torch.full((64, 64), 255)]).long()
], ids=['all background', 'all foreground', 'one of each'])
def test_images_of_one_class_neither_crash_nor_push(masks):
    net = model().train()
    losses = net(*batch(masks), mode='loss')
    assert losses['loss_discrimination'] == 0  # no image shows both classes
    total, _ = net.parse_losses(losses)
    total.backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in net.parameters())


def test_a_class_that_an_image_lacks_teaches_nothing():
    """The features of an image without foreground reach the loss through background points alone."""
    net = model(synthetic_weight=0.0).eval()
    masks = blocks(2)
    masks[1] = 0
    seen = []
    original = net._project
    net._project = lambda points: seen.append([len(p) for p in points]) or original(points)
    net(*batch(masks), mode='loss')
    assert seen == [[2 * 16, 16], [2 * 16, 16]]  # two images of background, one of foreground, per view


def test_the_push_pairs_points_of_the_same_image():
    net = model().eval()
    points = torch.arange(3 * 2 * 16.).view(3, 2, 16, 1).expand(-1, -1, -1, 5)
    valid = torch.tensor([[True, True], [True, False], [True, True]])
    split = [points[valid[:, k], k].flatten(0, 1) for k in range(2)]
    paired = []
    net.loss_discrimination.register_forward_pre_hook(lambda _, pair: paired.append(pair))
    net._discrimination(split, split, valid)
    background, foreground = paired[0]
    assert torch.equal(foreground - background, torch.full((32, 5), 16.))


def test_a_batch_of_one_is_refused():
    with pytest.raises(ValueError, match='a batch of 1; batch norm and the background swap need two or more'):
        model()(*batch(blocks(1)), mode='loss')


def test_a_batch_without_any_labelled_pixel_is_refused():
    with pytest.raises(ValueError, match='no image of the batch has a pixel of 0 or 1'):
        model()(*batch(torch.full((2, 64, 64), 255)), mode='loss')


def test_features_have_stride_four_or_one():
    images = torch.rand(1, 3, 64, 64)
    assert model()(images).shape == (1, 16, 16, 16)
    assert model(SCHANGER)(images).shape == (1, ARCH[0], 64, 64)
    with pytest.raises(ValueError, match="mode='predict'"):
        model()(images, mode='predict')


def test_without_the_synthetic_view_its_pass_is_saved():
    net, passes = model(synthetic_weight=0.0), []
    net.backbone.register_forward_hook(lambda *_: passes.append(1))
    assert 'loss_synthetic' not in net(*batch(blocks()), mode='loss')
    assert len(passes) == 2


def test_kornia_is_named_where_it_is_missing(monkeypatch):
    monkeypatch.delitem(sys.modules, 'kornia.augmentation', raising=False)
    monkeypatch.setitem(sys.modules, 'kornia', None)
    with pytest.raises(ImportError, match=r'TwoViews needs kornia.*pip install "schanger-mm\[selfsup\]"'):
        model()


def test_views_are_drawn_in_full_precision_under_autocast(monkeypatch):
    net, seen = model(), []
    original = net.loss
    monkeypatch.setattr(net, 'loss', lambda *args: seen.append(args) or original(*args))
    with torch.autocast('cpu', torch.bfloat16):
        losses = net(*batch(blocks()), mode='loss')
    view1, view2, _ = seen[0]
    assert {view.matrix.dtype for view in (view1, view2)} == {view1.image.dtype} == {torch.float32}
    assert losses['loss_consistency'].isfinite()
