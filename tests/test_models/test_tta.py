"""Flipped and scaled views are undone and averaged once, as probabilities."""

from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config, ConfigDict
from mmengine.dataset import Compose, pseudo_collate
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample
from torch.nn import functional as F

from schanger_mm.apis.scoring import augment
from schanger_mm.checkpoints.convert import network
from schanger_mm.models import BiTemporalPreProcessor, ChangeTTAModel
from schanger_mm.registry import MODELS

HEIGHT, WIDTH = 20, 28
PIPELINE = [dict(type='LoadBiTemporalImages'), dict(type='LoadChangeLabel'), dict(type='PackBiTemporalInputs')]
FLIPS = ((), (-1,), (-2,), (-2, -1))


def even(images):
    """Logits of each pixel alone: a flip of the input is a flip of the output."""
    return (images[:, :1] - images[:, 3:4]) * 4


def uneven(images):
    """Logits that depend on the place in the picture, differently in each direction."""
    down = torch.linspace(-1, 2, images.shape[-2]).view(-1, 1)
    right = torch.linspace(-3, 1, images.shape[-1])
    return even(images) + down + right


def both_channels(images):
    """Logits of two classes."""
    logits = uneven(images)
    return torch.cat([logits.cos(), logits * 0.7], dim=1)


@pytest.fixture
def sample(tmp_path):
    rng = np.random.default_rng(0)
    paths = [str(tmp_path / f'{name}.png') for name in ('A', 'B', 'label')]
    for path in paths[:2]:
        cv2.imwrite(path, rng.integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8))
    label = np.zeros((HEIGHT, WIDTH), np.uint8)
    label[2:5, 3:11] = 255
    cv2.imwrite(paths[2], label)
    return dict(img_path=paths[:2], seg_map_path=paths[2], name='city/tile', seg_fields=[])


def build(logits, channels=1, threshold=0.5):
    """Make a real detector whose network is replaced by a function of the normalised images."""
    model = network((4, 4, 6, 8, 10, 12), 2).eval()
    model.data_preprocessor = BiTemporalPreProcessor([128.0] * 6, [64.0] * 6)
    model.encode_decode = lambda inputs, metas: logits(inputs)
    model.test_cfg = ConfigDict(mode='whole')
    model.out_channels, model.decode_head.threshold = channels, threshold
    return model


def batch(sample, pipeline, copies=1):
    return pseudo_collate([Compose(pipeline)(dict(sample)) for _ in range(copies)])


def with_views(scales):
    """Return the test pipeline that --tta makes."""
    cfg = Config(dict(model=dict(), test_dataloader=dict(dataset=dict(type='x', pipeline=PIPELINE))))
    augment(cfg, scales)
    return cfg.test_dataloader.dataset.pipeline


def predict(model, sample, scales=None, copies=1):
    with torch.no_grad():
        if scales is None:
            return model.test_step(batch(sample, PIPELINE, copies))
        return ChangeTTAModel(model).test_step(batch(sample, with_views(scales), copies))


def by_hand(logits, sample):
    """Average the class probabilities over the flips, written out."""
    packed = Compose(PIPELINE)(dict(sample))
    images = (packed['inputs'].float().view(2, 3, HEIGHT, WIDTH).flip(1).reshape(1, 6, HEIGHT, WIDTH) - 128) / 64
    views = [logits(images.flip(flip)).flip(flip)[0] for flip in FLIPS]
    return torch.stack([v.sigmoid() if len(v) == 1 else v.softmax(0) for v in views]).mean(0)


def test_an_equivariant_network_predicts_the_same(sample):
    (plain,), (merged,) = predict(build(even), sample), predict(build(even), sample, [1.0])
    torch.testing.assert_close(merged.seg_logits.data, plain.seg_logits.data, rtol=0, atol=1e-6)
    assert torch.equal(merged.pred_sem_seg.data, plain.pred_sem_seg.data)
    assert 0.2 < plain.pred_sem_seg.data.mean() < 0.8


def test_probabilities_are_the_mean_over_the_flips(sample):
    (merged,), expected = predict(build(uneven), sample, [1.0]), by_hand(uneven, sample)
    torch.testing.assert_close(merged.seg_logits.data, expected, rtol=0, atol=1e-6)
    assert torch.equal(merged.pred_sem_seg.data, (expected > 0.5).float())
    (plain,) = predict(build(uneven), sample)
    assert (plain.seg_logits.data - expected).abs().max() > 0.1
    assert 0.1 < merged.pred_sem_seg.data.mean() < 0.9  # a second sigmoid would make it 1


def test_two_channels_are_averaged_as_softmax(sample):
    (merged,), expected = predict(build(both_channels, 2), sample, [1.0]), by_hand(both_channels, sample)
    torch.testing.assert_close(merged.seg_logits.data.softmax(0), expected, rtol=0, atol=1e-6)
    assert merged.pred_sem_seg.data.shape == (1, HEIGHT, WIDTH)
    assert torch.equal(merged.pred_sem_seg.data[0], expected.argmax(0))
    assert 0.1 < expected.argmax(0).float().mean() < 0.9


def test_scales_are_undone(sample):
    slope = torch.linspace(-1, 2, HEIGHT).view(-1, 1) + torch.linspace(-3, 1, WIDTH).expand(1, 1, HEIGHT, WIDTH)
    sizes = []

    def sloping(images):
        sizes.append(tuple(images.shape[-2:]))
        return F.interpolate(slope, sizes[-1], mode='bilinear', align_corners=False)

    (merged,) = predict(build(sloping), sample, [0.5, 1.0, 1.5])
    assert sizes == [(20, 28)] * 4 + [(10, 14)] * 4 + [(30, 42)] * 4  # the image as it is comes first
    expected = torch.stack([slope[0].flip(flip).sigmoid() for flip in FLIPS]).mean(0)
    inner = (..., slice(2, -2), slice(2, -2))  # at the border, nothing beyond it is known
    torch.testing.assert_close(merged.seg_logits.data[inner], expected[inner], rtol=0, atol=1e-5)
    back = [F.interpolate(F.interpolate(slope, size, mode='bilinear'), (HEIGHT, WIDTH), mode='bilinear')[0].sigmoid()
            for size in ((20, 28), (10, 14), (30, 42))]
    everywhere = torch.stack([one.flip(flip) for one in back for flip in FLIPS]).mean(0)
    torch.testing.assert_close(merged.seg_logits.data, everywhere, rtol=0, atol=1e-5)


@pytest.mark.parametrize('scales', [[1.0], [0.75, 1.0, 1.25]])
def test_truth_and_metainfo_are_those_of_the_image_as_it_is(sample, scales):
    (merged,) = predict(build(even), sample, scales)
    truth = torch.zeros(1, HEIGHT, WIDTH, dtype=torch.int64)
    truth[0, 2:5, 3:11] = 1
    assert torch.equal(merged.gt_sem_seg.data, truth)
    assert merged.name == 'city/tile' and not merged.flip and merged.ori_shape == (HEIGHT, WIDTH)


def test_the_threshold_is_the_heads_and_strict(sample):
    assert not predict(build(lambda x: torch.zeros_like(x[:, :1])), sample, [1.0])[0].pred_sem_seg.data.any()
    (merged,), expected = predict(build(uneven, threshold=0.3), sample, [1.0]), by_hand(uneven, sample)
    assert torch.equal(merged.pred_sem_seg.data, (expected > 0.3).float())


def test_a_batch_is_merged_image_by_image(sample, tmp_path):
    other = dict(sample, img_path=sample['img_path'][::-1], name='other')
    pipeline = Compose(with_views([1.0]))
    together = ChangeTTAModel(build(uneven)).test_step(pseudo_collate([pipeline(dict(s)) for s in (sample, other)]))
    for merged, one in zip(together, (sample, other), strict=True):
        torch.testing.assert_close(merged.seg_logits.data, by_hand(uneven, one), rtol=0, atol=1e-6)
    assert [merged.name for merged in together] == ['city/tile', 'other']


def test_a_checkpoint_fits_with_and_without_the_wrapper():
    module = dict(type='SiameseEncoderDecoder', backbone=dict(type='SCN', arch='small'),
                  decode_head=dict(type='SpatialConsistencyHead', arch='small', temporal_fusion=dict(type='TFM')))
    wrapped = MODELS.build(dict(type='ChangeTTAModel', module=module))
    assert wrapped.state_dict().keys() == wrapped.module.state_dict().keys()
    assert len(wrapped.state_dict()) == 638


def test_class_probabilities_are_averaged_in_their_own_geometry():
    """Two views, the second flipped on both axes, of which mmseg undoes one: its field is flipped back here."""
    model = ChangeTTAModel.__new__(ChangeTTAModel)
    torch.nn.Module.__init__(model)
    model.module = SimpleNamespace(decode_head=SimpleNamespace(threshold=0.5))
    probability, logits = torch.rand(1, 4, 6), torch.randn(2, 3, 4, 6)
    views = []
    for flipped in (False, True):
        sample = SegDataSample(metainfo=dict(still_flipped=flipped))
        turned = (lambda x: x.flip(-1)) if flipped else (lambda x: x)
        sample.set_data(dict(seg_logits=PixelData(data=turned(probability)),
                             seg_logits_from=PixelData(data=turned(logits[int(flipped)])),
                             seg_logits_to=PixelData(data=turned(logits[0]))))
        views.append(sample)
    (merged, ) = model.merge_preds([views])
    mean = logits.softmax(dim=1).mean(dim=0)
    torch.testing.assert_close(merged.seg_logits_from.data.softmax(dim=0), mean)
    assert torch.equal(merged.pred_sem_seg_from.data, mean.argmax(dim=0, keepdim=True))
    assert torch.equal(merged.pred_sem_seg_to.data, logits[0].argmax(dim=0, keepdim=True))
    torch.testing.assert_close(merged.seg_logits.data, probability)
