import pytest
import torch
from torch.nn import functional as F

from schanger_mm.models import MapDPTHead
from schanger_mm.registry import MODELS
from schanger_mm.utils.errors import SettingError


def head(**options):
    torch.manual_seed(0)
    return MapDPTHead(**{**dict(in_channels=[6] * 4, widths=(4, 6, 8, 10), channels=5, num_classes=2),
                         **options}).eval()


@pytest.mark.parametrize('size', [(4, 6), (5, 7), (1, 1)])
def test_logits_are_eight_times_the_maps_also_of_odd_sizes(size):
    logits = head()([torch.randn(2, 6, *size)] * 4)
    assert logits.shape == (2, 2, 8 * size[0], 8 * size[1])


def test_levels_are_scaled_and_merged_from_coarse_to_fine():
    """The same computation, written out with the head's own weights."""
    net = head()
    maps = [torch.randn(1, 6, 4, 4) for _ in range(4)]
    found = net(maps)

    def unit(part, x):
        return x + part.conv2(F.relu(part.conv1(F.relu(x))))

    levels = [lateral(scale(project(x))) for x, project, scale, lateral in zip(
        maps, net.projections, net.scalings, net.laterals)]
    assert [level.shape[-1] for level in levels] == [16, 8, 4, 2]
    running = None
    for level, merge in list(zip(levels, net.merges))[::-1]:
        running = level if running is None else running + unit(merge.skip, level)
        running = F.interpolate(unit(merge.refine, running), scale_factor=2, mode='bilinear')
        running = merge.out(running)
    torch.testing.assert_close(found, net.conv_seg(net.last(running)))


def test_each_map_reaches_the_logits_and_every_weight_learns():
    net = head().train()
    maps = [torch.randn(1, 6, 4, 4, requires_grad=True) for _ in range(4)]
    net(maps).square().sum().backward()
    assert all(x.grad.abs().sum() > 0 for x in maps)
    assert all(parameter.grad is not None for parameter in net.parameters())


def test_maps_are_chosen_by_in_index():
    net, maps = head(in_index=(1, 2, 3, 4)), [torch.randn(1, 6, 4, 4) for _ in range(5)]
    torch.testing.assert_close(net(maps), head()(maps[1:]))


def test_it_is_registered_and_takes_one_logit():
    net = MODELS.build(dict(type='MapDPTHead', in_channels=[6] * 4, num_classes=2, out_channels=1, threshold=0.5,
                            loss_decode=dict(type='schanger_mm.BCEDiceLoss')))
    assert net([torch.randn(1, 6, 2, 2)] * 4).shape == (1, 1, 16, 16)


@pytest.mark.parametrize('options, message', [
    (dict(in_channels=[6] * 3), r'in_channels=\[6, 6, 6\]; expected 4 values'),
    (dict(widths=(4, 6)), r'widths=\[4, 6\]; expected 4 values')])
def test_another_number_of_maps_is_refused(options, message):
    with pytest.raises(SettingError, match=message):
        head(**options)


def test_maps_that_are_missing_are_named():
    with pytest.raises(SettingError, match=r'in_index=\[0, 1, 2, 3\], but the backbone or neck returns 3 maps'):
        head()([torch.randn(1, 6, 2, 2)] * 3)
