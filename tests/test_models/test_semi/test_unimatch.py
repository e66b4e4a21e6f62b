"""The losses of UniMatch against a numpy reference, and what is left of it in a checkpoint: the plain detector."""

import copy

import numpy as np
import pytest
import torch
from mmengine.registry import DefaultScope
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample
from torch import nn

from schanger_mm.apis import load_config
from schanger_mm.models.semi.cutmix import draw_boxes
from schanger_mm.registry import MODELS
from schanger_mm.utils.errors import SettingError

from .test_feature_dropout import DIFFERENCE, SCHANGER
from .test_pseudo_labels import reference

V1 = dict(partner='second', strong_weight=0.25, feature_weight=0.5, complementary=False)
PREPROCESSOR = dict(type='BiTemporalPreProcessor', mean=[0.0] * 6, std=[1.0] * 6)


def build(detector=SCHANGER, **kwargs):
    torch.manual_seed(0)
    model = MODELS.build(dict(type='UniMatch', detector=detector, data_preprocessor=PREPROCESSOR, **kwargs))
    model.init_weights()
    return model.train()


def mixed_batch(pairs=4, size=32, truth=False, seed=0):
    """Labelled and unlabelled pairs as ViewsPreProcessor sorts them."""
    rng = np.random.default_rng(seed)

    def samples(high, ignored=0.0):
        found = []
        for _ in range(pairs):
            label = rng.integers(0, high, (1, size, size))
            label[rng.random(label.shape) < ignored] = 255
            one = SegDataSample()
            one.gt_sem_seg = PixelData(data=torch.from_numpy(label))
            if truth:
                one.truth = PixelData(data=torch.from_numpy(rng.integers(0, 2, (1, size, size))))
            found.append(one)
        return found

    images = [torch.from_numpy(rng.standard_normal((pairs, 6, size, size)).astype(np.float32)) for _ in range(4)]
    return dict(inputs=dict(labelled=images[0], views=images[1:]),
                data_samples=dict(labelled=samples(2), unlabelled=samples(1, ignored=0.2)))


class Pixelwise(nn.Module):
    """Stands for a detector whose logits are a fixed function of each pixel, so that numpy can follow every step."""

    def __init__(self, channels):
        super().__init__()
        self.weight = nn.Parameter(torch.linspace(-2, 2, 6 * channels).view(channels, 6, 1, 1))
        self.decode_head, self.fusion = nn.Identity(), nn.Identity()
        self.data_preprocessor = nn.Identity()
        self.modes = []

    def encode_decode(self, images, metas):
        self.modes.append((self.training, len(images)))
        return nn.functional.conv2d(self.fusion(images), self.weight)

    def loss(self, images, samples):
        return {'decode.loss_ce': images.mean() + self.weight.sum(), 'decode.acc_seg': torch.tensor(7.0)}

    def numpy(self, images):
        return np.einsum('nchw,kc->nkhw', images, self.weight.detach().numpy()[:, :, 0, 0])


def pixelwise(channels, **kwargs):
    MODELS.register_module(name='Pixelwise', module=Pixelwise, force=True)
    try:
        model = MODELS.build(dict(type='UniMatch', detector=dict(type='Pixelwise', channels=channels), **kwargs))
    finally:
        MODELS._module_dict.pop('Pixelwise')
    return model.train()


@pytest.mark.parametrize('channels', [1, 2])
@pytest.mark.parametrize('form', ['V1', 'V2'])
def test_each_loss_is_that_of_a_numpy_reference(channels, form):
    model = pixelwise(channels, threshold=0.8, fusion='fusion', **(V1 if form == 'V1' else {}))
    batch, net = mixed_batch(), model.detector
    np.random.seed(3), torch.manual_seed(3)
    losses = model(**batch, mode='loss')

    def split(array):
        """Return what is trained with, and what is pasted: the second half, or the same in reverse order."""
        return (array[:2], array[2:]) if form == 'V1' else (array, array[::-1])

    def mixed(box, array):
        mine, other = split(array)
        return np.where(box[:, None] if array.ndim == 4 else box, other, mine)

    weak, *strong = (view.numpy() for view in batch['inputs']['views'])
    ignore = np.stack([one.gt_sem_seg.data[0].numpy() == 255 for one in batch['data_samples']['unlabelled']])
    count = len(split(weak)[0])
    np.random.seed(3), torch.manual_seed(3)
    boxes = [draw_boxes(count, (32, 32)).numpy() for _ in strong]
    assert any(box.any() for box in boxes)
    masks = np.ones((2, count, 6))
    if form == 'V2':
        spared = torch.randperm(4)[:2].numpy()
        masks[0] = 2 * torch.bernoulli(torch.full((4, 6), 0.5)).numpy()
        masks[0, spared] = 1
        masks[1] = 2 - masks[0]
    expected = {'decode.loss_ce': (batch['inputs']['labelled'].mean() + net.weight.sum()).item() / 2}
    for number, (view, box, mask) in enumerate(zip(strong, boxes, masks), start=1):
        logits = net.numpy(mixed(box, view) * mask[..., None, None])
        loss, *_ = reference(logits, mixed(box, net.numpy(weak)), mixed(box, ignore), 0.8)
        expected[f'loss_strong_{number}'] = (0.25 if form == 'V1' else 0.5) * loss / 2
    own = net.numpy(split(weak)[0])
    if form == 'V1':
        dropped = nn.functional.dropout2d(torch.ones(2, 6, 32, 32), 0.5).numpy()
        loss, *_ = reference(net.numpy(weak[:2] * dropped), own, ignore[:2], 0.8)
        expected['loss_feature'] = 0.5 * loss / 2
    assert {key for key in losses if 'loss' in key} == expected.keys()
    for name, value in expected.items():
        assert losses[name].item() == pytest.approx(value, rel=1e-4) and value != 0, name
    _, share, *_ = reference(own, own, split(ignore)[0], 0.8)
    assert losses['confident'].item() == pytest.approx(share, abs=1e-6) and 0 < share < 1
    assert losses['decode.acc_seg'].item() == 7
    total, _ = model.parse_losses(losses)
    assert total.item() == pytest.approx(sum(expected.values()), rel=1e-4)
    # the second half is labelled in eval mode
    passes = [(True, 4), (True, 8)] if form == 'V2' else [(False, 2), (True, 2), (True, 4), (True, 2)]
    assert net.modes == passes


@pytest.mark.parametrize('detector', [SCHANGER, DIFFERENCE], ids=['one logit', 'two classes'])
@pytest.mark.parametrize('settings', [V1, {}, dict(all_maps=True)], ids=['V1', 'V2', 'all maps'])
def test_every_parameter_of_any_detector_learns(detector, settings):
    if detector is DIFFERENCE and 'all_maps' in settings:
        with pytest.raises(SettingError, match=r'UniMatch\.all_maps: FCNHead has one map only'):
            build(detector, **settings)
        return
    model = build(detector, threshold=0.5, **settings)
    losses = model(**mixed_batch(truth=True), mode='loss')
    assert {'loss_strong_1', 'loss_strong_2', 'confident', 'pseudo_accuracy', 'pseudo_F1'} <= losses.keys()
    assert ('loss_feature' in losses) == (settings is V1)
    assert losses['confident'].item() == 1  # no two-class or sigmoid probability is below 0.5
    model.parse_losses(losses)[0].backward()
    assert all(parameter.grad is not None and parameter.grad.isfinite().all() for parameter in model.parameters())


@pytest.mark.parametrize('settings', [V1, {}], ids=['V1', 'V2'])
@pytest.mark.parametrize('name', ['few_labels/upernet', 'few_labels/segformer', 'few_labels/fc-siam',
                                  'semi/supervised_dinov2-base-dpt_levir256'])
def test_detectors_of_mmseg_parts_learn_too(name, settings):
    cfg = load_config(name)
    with DefaultScope.overwrite_default_scope('schanger_mm'):
        detector = cfg.model
        detector.backbone.init_cfg = None
        if 'dinov2' in name:
            pytest.importorskip('transformers', reason='needs the extra [dino]')
            detector.backbone.arch = dict(hidden_size=16, num_hidden_layers=12, num_attention_heads=2, mlp_ratio=2,
                                          image_size=56)
            detector.neck.in_channels = detector.decode_head.in_channels = [16] * 4
        model = build(detector, threshold=0.5, **settings)
        losses = model(**mixed_batch(size=64), mode='loss')
    model.parse_losses(losses)[0].backward()
    assert losses['confident'].item() == 1 and losses['loss_strong_1'].item() > 0
    idle = [name for name, parameter in model.named_parameters() if parameter.grad is None]
    # blocks behind the last map, and the class token that no map has
    assert all(name.startswith('backbone.') for name in idle) and len(idle) < 5


def test_pseudo_labels_in_eval_mode_leave_the_statistics_alone():
    model = pixelwise(2, threshold=0.8, fusion='fusion', teacher_mode='eval')
    model(**mixed_batch(), mode='loss')
    assert model.detector.modes == [(False, 4), (True, 8)] and model.training


def test_nothing_confident_is_no_nan_and_supervised_learning_only():
    model = build(threshold=1.0)
    losses = model(**mixed_batch(), mode='loss')
    assert losses['loss_strong_1'].item() == losses['loss_strong_2'].item() == losses['confident'].item() == 0
    model.parse_losses(losses)[0].backward()
    assert all(parameter.grad.isfinite().all() for parameter in model.parameters())


def test_labels_of_unlabelled_pairs_change_nothing_but_the_log():
    """Two steps, with different truths and with none."""
    weights, logs = [], []
    for truth in (None, 0, 1):
        model = pixelwise(2, threshold=0.8, fusion='fusion')
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for step in range(2):
            batch = mixed_batch()
            if truth is not None:
                for one in batch['data_samples']['unlabelled']:
                    one.truth = PixelData(data=torch.full((1, 32, 32), truth))
            torch.manual_seed(step), np.random.seed(step)
            losses = model(**batch, mode='loss')
            optimizer.zero_grad()
            model.parse_losses(losses)[0].backward()
            optimizer.step()
        weights.append(copy.deepcopy(model.state_dict()))
        logs.append(losses.get('pseudo_accuracy'))
    assert all(torch.equal(weights[0][key], other[key]) for other in weights[1:] for key in other)
    assert not torch.equal(weights[0]['weight'], pixelwise(2, fusion='fusion').weight)
    assert logs[0] is None and logs[1] != logs[2]


def test_its_weights_are_those_of_the_plain_detector():
    model = build(threshold=0.5)
    plain = MODELS.build(dict(SCHANGER, data_preprocessor=PREPROCESSOR)).eval()
    assert model.state_dict().keys() == plain.state_dict().keys()
    assert dict(model.named_parameters()).keys() == dict(plain.named_parameters()).keys()
    plain.load_state_dict(model.state_dict())
    model.eval()
    pair = torch.rand(1, 6, 32, 32)
    with torch.no_grad():
        assert torch.equal(model(pair), plain(pair))
    model.load_state_dict(copy.deepcopy(plain.state_dict()))
    twin = copy.deepcopy(model).train()
    assert twin.detector.backbone is twin.backbone and twin.backbone is not model.backbone
    assert twin.detector.training and not model.detector.training
    model.to(torch.float64)
    assert {value.dtype for value in model.detector.parameters()} == {torch.float64}


def test_an_average_makes_the_pseudo_labels_in_eval_mode():
    model = build(threshold=0.5, teacher='ema')
    with pytest.raises(SettingError, match="teacher='ema' needs EMAHook in custom_hooks"):
        model(**mixed_batch(), mode='loss')
    average = build(threshold=0.5)
    with torch.no_grad():
        average.decode_head.conv_seg.bias.fill_(50.0)  # all is changed, with confidence
    model.use_average(average.train())
    before = copy.deepcopy(average.state_dict())
    batch = mixed_batch(truth=True)
    for one in batch['data_samples']['unlabelled']:
        one.truth.data.fill_(1)
    losses = model(**batch, mode='loss')
    assert losses['pseudo_accuracy'].item() == losses['confident'].item() == 1
    assert all(torch.equal(before[key], value) for key, value in average.state_dict().items())  # statistics at rest
    assert 'average' not in ' '.join(model.state_dict()) and len(list(model.parameters())) == len(
        list(average.parameters()))


@pytest.mark.parametrize(('settings', 'message'), [
    (dict(threshold=1.5), r'UniMatch\.threshold=1\.5: expected a number from 0 to 1'),
    (dict(strong_weight=-1), r'UniMatch\.strong_weight=-1: expected 0 or more'),
    (dict(teacher='other'), r"UniMatch\.teacher='other': expected 'self' or 'ema'"),
    (dict(partner='first'), r"UniMatch\.partner='first': expected 'reversed' or 'second'"),
    (dict(patience=0), r'UniMatch\.patience=0: expected a whole number of iterations'),
    (dict(fusion='nose', complementary=False), r'UniMatch\.fusion: SiameseEncoderDecoder has no part nose'),
])
def test_settings_out_of_range(settings, message):
    with pytest.raises(SettingError, match=message):
        build(**settings)


def test_batches_that_do_not_fit():
    model = build(threshold=0.5)
    with pytest.raises(SettingError, match=r'the batch has no unlabelled pair. Set train_dataloader\.dataset=dict'):
        model(torch.rand(2, 6, 32, 32), [], mode='loss')
    batch = mixed_batch()
    batch['inputs']['labelled'] = batch['inputs']['labelled'][..., :16]
    with pytest.raises(SettingError, match=r'labelled pairs are \(32, 16\) px and those of unlabelled ones \(32, 32\)'):
        model(**batch, mode='loss')
    batch = mixed_batch()
    batch['inputs']['views'].pop()
    with pytest.raises(SettingError, match='unlabelled pairs have 1 strong views, expected 2'):
        model(**batch, mode='loss')
    with pytest.raises(SettingError, match=r"halves the unlabelled pairs, but a batch has 3; set .*sampler\.ratio=2"):
        build(**V1)(**mixed_batch(pairs=3), mode='loss')


AGAIN = dict(SCHANGER, backbone=dict(type='SCN', arch=SCHANGER['backbone']['arch'], with_cp=True))


@pytest.mark.parametrize('detector, settings', [
    (SCHANGER, {}), (DIFFERENCE, {}), (AGAIN, dict(fusion=['decode_head.side_fusion']))])
def test_strong_views_and_dropped_features_leave_the_running_statistics_alone(detector, settings):
    """Those of images as they are predicted later; the labelled and the weak views move them."""
    def statistics(factor=1, **kwargs):
        model = build(detector, complementary=False, cutmix_prob=0.0, **settings, **kwargs)
        batch = mixed_batch()
        weak, *strong = batch['inputs']['views']
        batch['inputs']['views'] = [weak, *(factor * view for view in strong)]
        losses = model.loss(**batch)
        sum(loss for name, loss in losses.items() if 'loss' in name).backward()
        return {name: value.clone() for name, value in model.named_buffers() if 'running' in name}
    plain, fresh = statistics(), dict(build(detector, **settings).named_buffers())
    assert plain and all(not torch.equal(value, fresh[name]) for name, value in plain.items())
    for other in (statistics(5), statistics(feature_weight=0.5)):
        assert all(torch.equal(value, other[name]) for name, value in plain.items())
