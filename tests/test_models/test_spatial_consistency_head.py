import pytest
import torch
from mmengine.registry import DefaultScope
from mmengine.structures import PixelData
from mmseg.registry import MODELS as MMSEG_MODELS
from mmseg.structures import SegDataSample

from schanger_mm.registry import MODELS

ARCH = (4, 4, 6, 8, 10, 12)
TFM = dict(type='TFM')


def head(**kwargs):
    return MODELS.build(dict(type='SpatialConsistencyHead', arch=ARCH, **kwargs))


def pyramid(dates=2, size=32):
    return [torch.randn(2, dates * c, size >> i, size >> i) for i, c in enumerate(ARCH[1:])]


def samples(n=2, size=32):
    result = []
    for _ in range(n):
        sample = SegDataSample()
        sample.gt_sem_seg = PixelData(data=torch.randint(0, 2, (1, size, size)))
        result.append(sample)
    return result


@pytest.mark.parametrize('dates, fusion', [(2, TFM), (2, dict(type='TFM', mode='diff')), (1, None)])
def test_one_logit_and_six_maps_at_full_size(dates, fusion):
    net = head(temporal_fusion=fusion)
    maps = net.forward_maps(pyramid(dates))
    assert [tuple(m.shape) for m in maps] == [(2, 1, 32, 32)] * 6
    side = torch.cat(maps[1:], 1)
    torch.testing.assert_close(maps[0], net.conv_seg(side))
    net.eval()
    x = pyramid(dates)
    torch.testing.assert_close(net(x), net.forward_maps(x)[0])


def test_loss_holds_all_six_maps_against_the_label():
    net, x, batch = head(temporal_fusion=TFM, drop_rate=0.0), pyramid(), samples()
    losses = net.loss(x, batch, {})
    target = torch.cat([s.gt_sem_seg.data for s in batch])
    expected = net.loss_decode(torch.cat(net.forward_maps(x), 1), target)
    assert list(losses) == ['loss_bce_dice']
    torch.testing.assert_close(losses['loss_bce_dice'], expected)


def test_loss_on_the_final_map_alone():
    net, x, batch = head(temporal_fusion=TFM, drop_rate=0.0, deep_supervision=False), pyramid(), samples()
    target = torch.cat([s.gt_sem_seg.data for s in batch])
    expected = net.loss_decode(net(x), target)
    torch.testing.assert_close(net.loss(x, batch, {})['loss_bce_dice'], expected)


@pytest.mark.parametrize('setting, absent', [
    (dict(share_attention=False), ('attention_fusion', )),
    (dict(attention='small'), tuple(f'scams.{k}.attention.dilated' for k in range(5))),
    (dict(attention='none'), ('attention_fusion', *(f'scams.{k}.attention' for k in range(5)))),
])
def test_ablations_drop_their_part_and_nothing_else(setting, absent):
    whole = head(temporal_fusion=TFM).state_dict()
    left = head(temporal_fusion=TFM, **setting).state_dict()
    assert set(left) == {name for name in whole if not name.startswith(tuple(f'{part}.' for part in absent))}
    assert all(left[name].shape == whole[name].shape for name in left)


def test_attention_is_one_of_three():
    with pytest.raises(ValueError, match="attention='huge'; expected a config such as"):
        head(attention='huge')


def test_losses_of_mmseg_fit():
    net = head(
        temporal_fusion=TFM,
        loss_decode=[dict(type='mmseg.CrossEntropyLoss', use_sigmoid=True), dict(type='BCEDiceLoss')])
    losses = net.loss(pyramid(), samples(), {})
    assert set(losses) == {'loss_ce', 'loss_bce_dice'}
    assert all(v.isfinite() for v in losses.values())


def test_swapping_the_dates_of_a_difference_head_changes_signs_in_fusions():
    """Both dates share all weights: with equal dates their features stay equal."""
    net = head(temporal_fusion=dict(type='TFM', mode='diff')).eval()
    one = pyramid(1)
    same = [torch.cat([x, x], 1) for x in one]
    fused = net.forward_maps(same)
    bias = net.side_convs[0].bias
    torch.testing.assert_close(fused[1], bias.view(1, 1, 1, 1).expand(2, 1, 32, 32))


@pytest.mark.parametrize('inputs, fusion, message', [
    (pyramid(1), TFM, 'a level has 4 channels, expected 2 x 4'),
    (pyramid(2), None, r'a level has 8 channels, expected 1 x 4 \(without temporal_fusion'),
    (pyramid(2)[:4], TFM, 'needs 5 levels'),
    (pyramid(2)[:4] + [torch.randn(2, 24, 3, 3)], TFM, 'do not halve; pad the images to multiples of 16'),
])
def test_inputs_that_do_not_fit_are_refused(inputs, fusion, message):
    with pytest.raises(ValueError, match=message):
        head(temporal_fusion=fusion)(inputs)


def test_more_than_one_logit_is_refused():
    with pytest.raises(ValueError, match='out_channels=2; it makes one change logit'):
        head(out_channels=2)


def test_open_cds_siamese_detector_and_concatenating_neck():
    """The contract of Open-CD's SiamEncoderDecoder: a mandatory neck joins two pyramids, under a foreign scope."""
    with DefaultScope.overwrite_default_scope('mmseg'):
        backbone = MMSEG_MODELS.build(dict(type='schanger_mm.SCN', arch=ARCH))
        net = MMSEG_MODELS.build(
            dict(type='schanger_mm.SpatialConsistencyHead', arch=ARCH, temporal_fusion=dict(type='TFM')))
        neck = MMSEG_MODELS.build(dict(type='schanger_mm.TFM', in_channels=ARCH[1:]))
    a, b = (backbone(x) for x in torch.randn(2, 2, 3, 32, 32))
    concatenated = tuple(torch.cat(level, dim=1) for level in zip(a, b))  # FeatureFusionNeck(policy='concat')
    assert set(net.loss(concatenated, samples(), {})) == {'loss_bce_dice'}
    metas = [dict(img_shape=(32, 32), ori_shape=(32, 32), pad_shape=(32, 32))] * 2
    assert net.predict(concatenated, metas, {}).shape == (2, 1, 32, 32)
    assert (net.num_classes, net.out_channels, net.threshold, net.align_corners) == (2, 1, 0.5, False)
    single = head()
    assert single.predict(neck(a, b), metas, {}).shape == (2, 1, 32, 32)
