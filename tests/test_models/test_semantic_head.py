"""The semantic option: what it adds, what it leaves alone, and how pre-trained weights reach it."""

import pytest
import torch
from mmengine.config import ConfigDict
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample
from torch.nn import functional as F

from schanger_mm.registry import MODELS
from schanger_mm.utils.errors import SettingError

ARCH = (4, 4, 6, 8, 10, 12)
CLASSES = 3
TFM = dict(type='TFM')


def detector(semantic=None, arch=ARCH, dates=2, **head):
    torch.manual_seed(0)
    if dates == 2:
        head = dict(temporal_fusion=TFM, **head)
    if semantic is not None:
        head['semantic'] = semantic
    return MODELS.build(dict(
        type='SiameseEncoderDecoder', num_dates=dates, backbone=dict(type='SCN', arch=arch, drop_rate=0.0),
        decode_head=dict(type='SpatialConsistencyHead', arch=arch, drop_rate=0.0, **head),
        test_cfg=ConfigDict(mode='whole')))


def other_backbone(neck=True):
    channels = [32] * 4 if neck else [64, 128, 256, 512]
    return MODELS.build(dict(
        type='SiameseEncoderDecoder', size_divisor=32, backbone=dict(type='mmseg.ResNet', depth=18),
        neck=dict(type='PerDate', neck=dict(type='mmseg.FPN', in_channels=[64, 128, 256, 512], out_channels=32,
                                            num_outs=4)) if neck else None,
        decode_head=dict(type='SemanticChangeHead', in_channels=channels, channels=16,
                         semantic=dict(num_classes=CLASSES)),
        test_cfg=ConfigDict(mode='whole')))


def samples(n=2, size=32, classes=CLASSES):
    found = []
    for _ in range(n):
        sample = SegDataSample(metainfo=dict(ori_shape=(size, size), img_shape=(size, size)))
        sample.gt_sem_seg = PixelData(data=torch.randint(0, 2, (1, size, size)))
        for date in ('from', 'to'):
            label = torch.randint(0, classes, (1, size, size))
            label[torch.rand(label.shape) < 0.3] = 255
            sample.set_data({f'gt_sem_seg_{date}': PixelData(data=label)})
        found.append(sample)
    return found


@pytest.mark.parametrize('arch, parameters', [('base', 2_369_995), ('small', 607_305)])
def test_without_the_option_the_network_is_as_it_was(arch, parameters):
    with torch.device('meta'):
        plain, semantic = detector(arch=arch), detector(dict(num_classes=6), arch=arch)
    assert sum(value.numel() for value in plain.parameters()) == parameters
    own = plain.state_dict()
    more = {name: value for name, value in semantic.state_dict().items() if name not in own}
    assert len(own) == 638 and not any('semantic' in name for name in own)
    assert set(own) <= set(semantic.state_dict()) and all(name.startswith('decode_head.semantic.') for name in more)
    widths = {'base': (104, 64, 48, 32, 24), 'small': (48, 40, 32, 16, 8)}[arch]
    assert sum(value.numel() for value in more.values()) == sum(6 * (9 * c + 1) for c in widths) + 6 * 6


def test_the_option_leaves_change_and_its_gradients_alone():
    plain, semantic = detector().train(), detector(dict(num_classes=CLASSES, loss=dict(loss_weight=0.0))).train()
    semantic.load_state_dict(plain.state_dict(), strict=False)
    x, batch = torch.randn(2, 6, 32, 32), samples()
    losses = [model.loss(x, batch) for model in (plain, semantic)]
    assert set(losses[0]) == {'decode.loss_bce_dice'}
    assert set(losses[1]) == {'decode.loss_bce_dice', 'decode.loss_semantic'}
    for loss in losses:
        sum(loss.values()).backward()
    torch.testing.assert_close(losses[0]['decode.loss_bce_dice'], losses[1]['decode.loss_bce_dice'], rtol=0, atol=0)
    gradients = dict(semantic.named_parameters())
    for name, value in plain.named_parameters():
        torch.testing.assert_close(value.grad, gradients[name].grad, rtol=1e-5, atol=1e-6)


def test_both_dates_share_the_weights_of_the_classes():
    model = detector(dict(num_classes=CLASSES)).eval()
    model.init_weights()
    a, b = torch.randn(2, 1, 3, 32, 32).unbind()
    with torch.no_grad():
        same = model(torch.cat([a, a], dim=1))
        one, other = model(torch.cat([a, b], dim=1)), model(torch.cat([b, a], dim=1))
    assert list(one) == ['seg_logits', 'seg_logits_from', 'seg_logits_to']
    assert one['seg_logits_from'].shape == (1, CLASSES, 32, 32)
    torch.testing.assert_close(same['seg_logits_from'], same['seg_logits_to'])
    assert not torch.allclose(one['seg_logits_from'], one['seg_logits_to'])
    assert not torch.allclose(one['seg_logits'], other['seg_logits'])


def test_losses_count_labelled_and_unchanged_pixels():
    """Held against cross-entropy and cosines computed pixel by pixel."""
    model = detector(dict(num_classes=CLASSES, loss=dict(loss_weight=0.6, consistency_weight=0.3))).eval()
    x, batch = torch.randn(2, 6, 32, 32), samples()
    batch[0].gt_sem_seg.data[:, :4] = 255
    with torch.no_grad():
        losses, logits = model.loss(x, batch), model(x)
    entropies, dates = [], [logits[f'seg_logits_{date}'] for date in ('from', 'to')]
    for date, logit in zip(('from', 'to'), dates):
        target = torch.cat([sample.get(f'gt_sem_seg_{date}').data for sample in batch])
        probability = logit.softmax(dim=1).permute(0, 2, 3, 1)[target != 255]
        entropies.append(-probability.gather(1, target[target != 255][:, None]).log().mean())
    torch.testing.assert_close(losses['decode.loss_semantic'], 0.6 * sum(entropies) / 2)
    unchanged = torch.cat([sample.gt_sem_seg.data for sample in batch]) == 0
    p, q = (logit.softmax(dim=1).permute(0, 2, 3, 1)[unchanged] for logit in dates)
    expected = 1 - ((p * q).sum(1) / (p.norm(dim=1) * q.norm(dim=1))).mean()
    torch.testing.assert_close(losses['decode.loss_consistency'], 0.3 * expected)


def test_a_batch_without_classes_or_unchanged_pixels_has_a_loss_of_zero():
    criterion = MODELS.build(dict(type='SemanticLoss', consistency_weight=1.0, class_weight=[1.0, 2.0]))
    logits = torch.randn(2, 1, 2, 4, 4, requires_grad=True)
    nothing = torch.full((1, 4, 4), 255)
    losses = criterion(*logits, nothing, nothing, torch.ones(1, 4, 4))
    assert {name: value.item() for name, value in losses.items()} == dict(loss_semantic=0, loss_consistency=0)
    sum(losses.values()).backward()
    assert logits.grad.abs().max() == 0


def test_class_weights_are_those_of_torch():
    criterion = MODELS.build(dict(type='SemanticLoss', class_weight=[1.0, 2.0, 0.5]))
    logits, target = torch.randn(2, 3, 4, 4), torch.randint(0, 3, (2, 4, 4))
    target[0, 0] = 255
    expected = F.cross_entropy(logits, target, weight=torch.tensor([1.0, 2.0, 0.5]), ignore_index=255)
    losses = criterion(logits, logits, target, target, torch.zeros(2, 4, 4))
    torch.testing.assert_close(losses['loss_semantic'], expected)


def test_a_class_that_the_head_does_not_have_gives_nan_where_nothing_is_waited_for(monkeypatch):
    """As on a GPU, where cross-entropy would end the process."""
    criterion = MODELS.build(dict(type='SemanticLoss'))
    logits, target = torch.randn(1, 2, 4, 4), torch.zeros(1, 4, 4, dtype=torch.int64)
    right = criterion(logits, logits, target, target, target)['loss_semantic']
    monkeypatch.setattr(torch.compiler, 'is_compiling', lambda: True)
    torch.testing.assert_close(criterion(logits, logits, target, target, target)['loss_semantic'], right)
    target[0, 0, 0] = 2
    assert criterion(logits, logits, target, target, target)['loss_semantic'].isnan()


@pytest.mark.parametrize('mode', [dict(mode='whole'), dict(mode='slide', crop_size=(32, 32), stride=(16, 16))])
def test_predictions_of_any_size_have_the_classes_of_both_dates(mode):
    model = detector(dict(num_classes=CLASSES)).eval()
    model.test_cfg = ConfigDict(mode)
    with torch.no_grad():
        found = model.predict(torch.randn(2, 6, 45, 70))
    for sample in found:
        assert sample.pred_sem_seg.data.shape == (1, 45, 70) and sample.seg_logits.data.shape == (1, 45, 70)
        for date in ('from', 'to'):
            logits, classes = sample.get(f'seg_logits_{date}').data, sample.get(f'pred_sem_seg_{date}').data
            assert logits.shape == (CLASSES, 45, 70)
            assert torch.equal(classes, logits.argmax(dim=0, keepdim=True))
    assert model.out_channels == 1


def test_the_inference_form_gives_the_same_classes():
    model = detector(dict(num_classes=CLASSES)).eval()
    x = torch.randn(1, 6, 48, 32)
    with torch.no_grad():
        plain, form = model(x), model.for_inference()(x)
    for key in plain:
        torch.testing.assert_close(plain[key], form[key], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize('neck', [True, False])
def test_other_backbones_with_and_without_a_neck(neck):
    model = other_backbone(neck)
    losses = model.loss(torch.randn(2, 6, 64, 64), samples(size=64))
    assert {'decode.loss_bce_dice', 'decode.loss_semantic'} <= set(losses)
    sum(value for name, value in losses.items() if 'loss' in name).backward()
    assert all(value.grad is not None for value in model.decode_head.parameters())
    model.eval()
    with torch.no_grad():
        (sample, ) = model.predict(torch.randn(1, 6, 50, 70))
        a = torch.randn(1, 3, 64, 64)
        same = model(torch.cat([a, a], dim=1))
    assert sample.pred_sem_seg_from.data.shape == (1, 50, 70)
    torch.testing.assert_close(same['seg_logits_from'], same['seg_logits_to'])


def test_pretrained_weights_load_and_their_head_can_become_a_class():
    """With an attention of its own for each date only the fusions are new, so the logit is the pre-trained one."""
    single = detector(dates=1).eval()
    double = detector(dict(num_classes=CLASSES), share_attention=False).eval()
    double.init_weights()
    state = single.state_dict()
    state.update({f'decode_head.semantic.{name}': value for name, value in
                  double.decode_head.semantic.from_single_date(state, 'decode_head.', 1).items()})
    missing, unexpected = double.load_state_dict(state, strict=False)
    assert not unexpected and all(name.startswith('decode_head.side_fusion') for name in missing)
    a, b = torch.randn(2, 1, 3, 32, 32).unbind()
    with torch.no_grad():
        logits = double(torch.cat([a, b], dim=1))
        torch.testing.assert_close(logits['seg_logits_from'][:, 1:2], single(a), rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(logits['seg_logits_to'][:, 1:2], single(b), rtol=1e-4, atol=1e-4)
    assert logits['seg_logits_from'][:, 0].abs().max() < 2


@pytest.mark.parametrize('index, prefix, message', [
    (3, 'decode_head.', 'class 3: expected 0 to 2'), (0, 'head.', r'head.side_convs.0.weight: expected .* found none')])
def test_a_head_that_cannot_be_taken_over(index, prefix, message):
    maps = detector(dict(num_classes=CLASSES)).decode_head.semantic
    with pytest.raises(SettingError, match=message):
        maps.from_single_date(detector(dates=1).state_dict(), prefix, index)


@pytest.mark.parametrize('build, message', [
    (lambda: detector(dict(num_classes=3), dates=1), 'semantic needs the features of two dates'),
    (lambda: detector(dict(num_classes=1)), 'num_classes=1: expected a whole number from 2'),
    (lambda: detector(dict(classes=3)), r'semantic=.*: expected dict\(num_classes=K\)'),
    (lambda: detector(dict(num_classes=3, loss=dict(loss_weight=-1))), 'SemanticLoss.loss_weight: expected'),
])
def test_settings_that_cannot_be_used(build, message):
    with pytest.raises(SettingError, match=message):
        build()


def test_labels_that_do_not_fit():
    model, x = detector(dict(num_classes=CLASSES)), torch.randn(2, 6, 32, 32)
    with pytest.raises(SettingError, match='the labels have class 4, and the head has the 3 classes 0 to 2'):
        model.loss(x, samples(classes=5))
    batch = samples()
    del batch[1].gt_sem_seg_to
    with pytest.raises(SettingError, match='no gt_sem_seg_to; use a data set with a label map for each date'):
        model.loss(x, batch)


def test_a_neck_that_fuses_the_dates_is_refused():
    model = MODELS.build(dict(
        type='SiameseEncoderDecoder', size_divisor=32, backbone=dict(type='mmseg.ResNet', depth=18),
        neck=dict(type='TFM', in_channels=[64, 128, 256, 512]),
        decode_head=dict(type='SemanticChangeHead', in_channels=[64, 128, 256, 512], channels=16,
                         semantic=dict(num_classes=3))))
    with pytest.raises(SettingError, match='a level has 64 channels, expected two dates of 64.*PerDate'):
        model(torch.randn(1, 6, 64, 64))


def test_semi_supervised_training_is_refused():
    detector = dict(type='SiameseEncoderDecoder', backbone=dict(type='SCN', arch=ARCH),
                    decode_head=dict(type='SpatialConsistencyHead', arch=ARCH, temporal_fusion=TFM,
                                     semantic=dict(num_classes=3)))
    with pytest.raises(SettingError, match='no pseudo-labels; omit `semantic`'):
        MODELS.build(dict(type='UniMatch', detector=detector, data_preprocessor=dict(
            type='BiTemporalPreProcessor', mean=[0.0] * 6, std=[1.0] * 6)))
