import pytest
import torch
from mmengine.config import ConfigDict
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample

from schanger_mm.checkpoints.convert import network
from schanger_mm.registry import MODELS

ARCH = (4, 4, 6, 8, 10, 12)


@pytest.fixture
def siamese():
    return network(ARCH, 2).eval()


def predict(model, x, **test_cfg):
    model.test_cfg = ConfigDict(test_cfg)
    with torch.no_grad():
        return model(x, mode='predict')


def test_a_pair_runs_one_backbone_twice_date_a_first(siamese):
    a, b = torch.randn(2, 1, 3, 32, 32).unbind()
    with torch.no_grad():
        levels = siamese.extract_feat(torch.cat([a, b], 1))
        alone = [siamese.backbone(x) for x in (a, b)]
    for level, from_a, from_b in zip(levels, *alone):
        torch.testing.assert_close(level, (from_a, from_b))


def test_a_head_of_somebody_else_gets_the_dates_on_channels(siamese):
    class Other(torch.nn.Module):
        def forward(self, inputs):
            return [level.shape[1] for level in inputs]

    siamese.decode_head = Other()
    assert siamese(torch.randn(1, 6, 32, 32), mode='tensor') == [2 * width for width in ARCH[1:]]


@pytest.mark.parametrize('size', [(16, 16), (17, 31), (40, 100), (5, 3)])
def test_any_size_is_padded_and_cropped_back(siamese, size):
    (sample, ) = predict(siamese, torch.randn(1, 6, *size), mode='whole')
    assert sample.pred_sem_seg.data.shape == (1, *size)
    assert sample.seg_logits.data.min() >= 0 and sample.seg_logits.data.max() <= 1


def test_padding_does_not_touch_sizes_that_fit(siamese):
    x = torch.randn(1, 6, 48, 32)
    (sample, ) = predict(siamese, x, mode='whole')
    with torch.no_grad():
        torch.testing.assert_close(sample.seg_logits.data, siamese(x, mode='tensor').sigmoid()[0])


def test_tiles_of_a_large_image_are_predicted_on_their_own(siamese):
    x = torch.randn(1, 6, 64, 96)
    (sample, ) = predict(siamese, x, mode='slide', crop_size=(32, 32), stride=(32, 32))
    tile = x[:, :, 32:, 64:]
    with torch.no_grad():
        alone = siamese(tile, mode='tensor').sigmoid()[0]
    torch.testing.assert_close(sample.seg_logits.data[:, 32:, 64:], alone)


def test_batches_of_tiles_equal_single_images(siamese):
    x = torch.randn(3, 6, 40, 32)
    together = predict(siamese, x, mode='slide', crop_size=(32, 32), stride=(32, 32))
    for i, sample in enumerate(together):
        (alone, ) = predict(siamese, x[i:i + 1], mode='slide', crop_size=(32, 32), stride=(32, 32))
        torch.testing.assert_close(sample.seg_logits.data, alone.seg_logits.data, rtol=1e-4, atol=1e-5)


def test_threshold_is_strict(siamese):
    torch.nn.init.zeros_(siamese.decode_head.conv_seg.weight)
    torch.nn.init.zeros_(siamese.decode_head.conv_seg.bias)
    (sample, ) = predict(siamese, torch.randn(1, 6, 16, 16), mode='whole')
    assert (sample.seg_logits.data == 0.5).all()
    assert not sample.pred_sem_seg.data.any()


def test_early_fusion_through_a_neck():
    model = MODELS.build(
        dict(
            type='SiameseEncoderDecoder',
            backbone=dict(type='SCN', arch=ARCH),
            neck=dict(type='TFM', in_channels=ARCH[1:]),
            decode_head=dict(type='SpatialConsistencyHead', arch=ARCH)))
    assert model(torch.randn(2, 6, 32, 32), mode='tensor').shape == (2, 1, 32, 32)
    new = {k.split('.')[0] for k in model.state_dict()} - {'backbone', 'decode_head'}
    assert new == {'neck'}
    assert model.decode_head.state_dict().keys() == network(ARCH, 1).decode_head.state_dict().keys()


def test_single_images():
    model = network(ARCH, 1).eval()
    (sample, ) = predict(model, torch.randn(1, 3, 20, 20), mode='whole')
    assert sample.pred_sem_seg.data.shape == (1, 20, 20)


@pytest.mark.parametrize('shape, said', [
    ((0, 6, 32, 32), r'batch of shape \(0, 6, 32, 32\); expected .* one image or more'),
    ((6, 32, 32), r'batch of shape \(6, 32, 32\); expected \(N, channels, height, width\)'),
    ((1, 3, 32, 32), 'got 3 channels; expected 6, date A first, then date B'),
    ((1, 4, 32, 32), 'got 4 channels; expected 6'),
    ((1, 5, 32, 32), 'got 5 channels; expected 6'),
    ((2, 8, 32, 32), 'got 8 channels; expected 6'),
])
@pytest.mark.parametrize('form', ['plain', 'inference', 'bf16', 'compiled'])
def test_what_is_no_batch_of_pairs_is_refused(siamese, form, shape, said):
    siamese.test_cfg = ConfigDict(mode='whole')
    if form in ('inference', 'bf16'):
        siamese = siamese.for_inference('bf16' if form == 'bf16' else 'fp32')
    elif form == 'compiled':
        siamese = torch.compile(siamese, backend='eager')
    for mode in ('tensor', 'predict'):
        if mode == 'tensor' or form != 'compiled':
            with pytest.raises(ValueError, match=said), torch.no_grad():
                siamese(torch.zeros(shape), mode=mode)


def test_bands_are_those_of_the_backbone():
    with pytest.raises(ValueError, match='got 6 channels; expected 3 of one date, since num_dates=1'):
        network(ARCH, 1)(torch.zeros(1, 6, 32, 32))

    class Any(torch.nn.Module):
        def forward(self, x):
            return [x]

    MODELS.register_module(module=Any, force=True)
    head = dict(type='SpatialConsistencyHead', arch=ARCH, temporal_fusion=dict(type='TFM'))
    four = MODELS.build(dict(type='SiameseEncoderDecoder', decode_head=head,
                             backbone=dict(type='SCN', arch=ARCH, in_channels=4))).eval()
    assert four(torch.zeros(1, 8, 32, 32)).shape == (1, 1, 32, 32)
    unknown = MODELS.build(dict(type='SiameseEncoderDecoder', backbone=dict(type='Any'), decode_head=head))
    assert unknown.bands is None and unknown.extract_feat(torch.zeros(1, 14, 32, 32))[0][0].shape[1] == 7
    with pytest.raises(ValueError, match='got 5 channels; expected an even number, date A first'):
        unknown.extract_feat(torch.zeros(1, 5, 32, 32))


@pytest.mark.parametrize('backbone', [
    dict(type='mmseg.ResNetV1c', depth=18),
    dict(type='mmseg.UNet', base_channels=8, upsample_cfg=dict(type='mmseg.DeconvModule'))])
def test_backbones_of_mmseg_take_any_number_of_bands(backbone):
    channels = [64, 128, 256, 512] if 'depth' in backbone else [128, 64, 32, 16, 8]
    model = MODELS.build(dict(
        type='SiameseEncoderDecoder', size_divisor=32, backbone=dict(backbone, in_channels=4),
        neck=dict(type='TFM', in_channels=channels),
        decode_head=dict(type='mmseg.FCNHead', in_channels=channels[-1], in_index=len(channels) - 1, channels=8,
                         num_classes=2, out_channels=1, threshold=0.5, align_corners=False,
                         loss_decode=dict(type='BCEDiceLoss')),
        data_preprocessor=dict(type='BiTemporalPreProcessor', mean=[9.0] * 8, std=[3.0] * 8, bgr_to_rgb=False)))
    sample = SegDataSample(gt_sem_seg=PixelData(data=torch.ones(1, 64, 64, dtype=torch.long)))
    batch = model.data_preprocessor(dict(inputs=[255 * torch.rand(8, 64, 64)] * 2, data_samples=[sample] * 2), True)
    loss, _ = model.parse_losses(model(**batch, mode='loss'))
    loss.backward()
    first = next(model.backbone.parameters())
    assert model.bands == 4 and first.shape[1] == 4 and first.grad.abs().sum(dim=(0, 2, 3)).min() > 0
    assert model.eval()(batch['inputs'], mode='tensor').shape[:2] == (2, 1)


def test_other_numbers_of_dates_are_refused():
    with pytest.raises(ValueError, match='num_dates=3; expected 2'):
        network(ARCH, 3)


def test_bfloat16_autocast_stays_close(siamese):
    """Mixed precision: same decisions but for a few pixels near the threshold."""
    x = torch.randn(1, 6, 32, 32)
    with torch.no_grad():
        full = siamese(x, mode='tensor').sigmoid()
        with torch.autocast('cpu', torch.bfloat16):
            half = siamese(x, mode='tensor').float().sigmoid()
    assert (full - half).abs().max() < 0.05


def test_a_backbone_says_what_sides_it_needs():
    head = dict(type='SpatialConsistencyHead', arch=ARCH, temporal_fusion=dict(type='TFM'))
    net = MODELS.build(dict(type='SiameseEncoderDecoder', decode_head=head, test_cfg=dict(mode='whole'),
                            backbone=dict(type='SCN', arch=ARCH, stride=2))).eval()
    assert net.size_divisor == 32
    x = torch.randn(1, 6, 40, 70)
    (plain, ), (fast, ) = predict(net, x, mode='whole'), predict(net.for_inference(), x, mode='whole')
    assert plain.seg_logits.data.shape == (1, 40, 70)
    torch.testing.assert_close(fast.seg_logits.data, plain.seg_logits.data, atol=1e-5, rtol=0)


def test_coarser_maps_lie_on_the_pixels_that_they_cover():
    """A step between two cells of a map with stride 4 ends up between the pixels, also far from the middle."""
    net = MODELS.build(dict(
        type='SiameseEncoderDecoder', backbone=dict(type='SCN', arch=ARCH, stride=4), test_cfg=dict(mode='whole'),
        decode_head=dict(type='SpatialConsistencyHead', arch=ARCH, temporal_fusion=dict(type='TFM'))))
    step = torch.where(torch.arange(16) < 3, -4.0, 4.0).expand(1, 1, 16, 16)
    found = net.decode_head.predict_by_feat(step, [dict(img_shape=torch.Size((64, 64)))])
    assert found[0, 0, 32, 11] < 0 < found[0, 0, 32, 12] and found[0, 0, 32, 11] == -found[0, 0, 32, 12]
    sample = SegDataSample(gt_sem_seg=PixelData(data=(torch.arange(64) >= 12).long().expand(1, 64, 64)))
    near, far = (net.decode_head.loss_by_feat([100 * one], [sample])['loss_bce_dice']
                 for one in (step, step.roll(1, -1)))
    assert near < far
