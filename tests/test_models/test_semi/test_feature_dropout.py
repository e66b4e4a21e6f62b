import pytest
import torch
from torch import nn

from schanger_mm.models.semi.feature_dropout import complementary, dropped, find_fusions, independent
from schanger_mm.registry import MODELS
from schanger_mm.utils.errors import SettingError

ARCH = (4, 4, 6, 8, 10, 12)
SCHANGER = dict(
    type='SiameseEncoderDecoder', backbone=dict(type='SCN', arch=ARCH), test_cfg=dict(mode='whole'),
    decode_head=dict(type='SpatialConsistencyHead', arch=ARCH, temporal_fusion=dict(type='TFM')))
FCN = dict(type='mmseg.FCNHead', in_channels=8, in_index=0, channels=8, num_convs=1, concat_input=False, num_classes=2,
           norm_cfg=dict(type='BN'), loss_decode=dict(type='mmseg.CrossEntropyLoss', avg_non_ignore=True))
DIFFERENCE = dict(
    type='SiameseEncoderDecoder', backbone=dict(type='SCN', arch=ARCH), test_cfg=dict(mode='whole'), decode_head=FCN,
    neck=dict(type='FPNDifference', in_channels=ARCH[1:], out_channels=8))


def test_complementary_masks():
    """Doubled here, zero there; half of the pairs undropped; numpy's view of the published rule."""
    torch.manual_seed(0)
    pairs, channels = 6, 64
    drop = complementary(pairs)
    one, same, two = (drop(torch.ones(2 * pairs, count, 2, 3)).numpy()  # three maps of one pass
                      for count in (channels, channels, channels + 8))
    assert (one == same).all()  # a channel that is dropped at one level would live on in the others
    for found in (one, two):
        first, second = found[:pairs], found[pairs:]
        assert (first == first[:, :, :1, :1]).all() and ((first + second) == 2).all()
        spared = (first == 1).all((1, 2, 3))
        assert spared.sum() == 3 and set(first[~spared].ravel()) == {0, 2}
        assert 0.3 < (first[~spared][:, :, 0, 0] == 0).mean() < 0.7
    assert ((one == 1).all((1, 2, 3)) == (two == 1).all((1, 2, 3))).all()
    others = [tuple((complementary(pairs)(torch.ones(2 * pairs, 8, 1, 1)) == 1).all(1).flatten().tolist())
              for _ in range(8)]
    assert len(set(others)) > 1  # chosen anew each time
    assert (complementary(1)(torch.ones(2, 8, 1, 1)) != 1).all()
    with pytest.raises(SettingError, match='a map of 3 samples where the dates are fused; expected one per view, 4'):
        complementary(2)(torch.ones(3, 8, 1, 1))


def test_independent_dropout_is_dropout2d():
    features = torch.rand(4, 16, 3, 3)
    torch.manual_seed(1)
    found = independent(0.5)(features)
    torch.manual_seed(1)
    assert torch.equal(found, nn.Dropout2d(0.5).train()(features))


@pytest.mark.parametrize(('config', 'count'), [(SCHANGER, 10), (DIFFERENCE, 1)])
def test_features_are_dropped_where_the_dates_are_fused(config, count):
    network = MODELS.build(config).eval()
    network.init_weights()
    fusions = find_fusions(network)
    assert len(fusions) == count
    pair = torch.rand(2, 6, 32, 32)
    with torch.no_grad():
        plain = network(pair)
        with dropped(fusions, lambda features: features * 0):
            gone = network(pair)
        again = network(pair)
    assert torch.equal(plain, again) and not torch.equal(plain[0], plain[1])
    assert torch.equal(gone[0], gone[1])  # nothing of the pairs is left


def test_parts_are_named_and_mistakes_too():
    network = MODELS.build(SCHANGER)
    assert find_fusions(network, ['decode_head.side_fusion']) == list(network.decode_head.side_fusion.levels)
    assert find_fusions(network, 'decode_head.conv_seg') == [network.decode_head.conv_seg]
    with pytest.raises(SettingError, match=r"SiameseEncoderDecoder has no part neck; .*fusion=\['neck'\]"):
        find_fusions(network, 'neck')
    bare = MODELS.build(dict(DIFFERENCE, neck=None, decode_head=dict(FCN, in_channels=8)))
    with pytest.raises(SettingError, match='has no part that fuses'):
        find_fusions(bare)
    with pytest.raises(SettingError, match='Identity did not run, so nothing was dropped'):
        with dropped([nn.Identity()], independent(0.5)):
            pass
    with pytest.raises(SettingError, match='Identity returns str'):
        part = nn.Identity()
        with dropped([part], independent(0.5)):
            part('text')


def test_blocks_that_run_twice_cannot_be_dropped_in():
    config = dict(SCHANGER, decode_head=dict(SCHANGER['decode_head'], with_cp=True))
    network = MODELS.build(config)
    with pytest.raises(SettingError, match=r'with_cp=True.*set model\.decode_head\.with_cp=False or semi\.fusion='):
        find_fusions(network)
    assert len(find_fusions(network, ['decode_head.side_fusion'])) == 5
