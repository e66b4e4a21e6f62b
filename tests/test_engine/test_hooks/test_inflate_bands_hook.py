"""A network of any number of bands starts from weights for colour images."""

from types import SimpleNamespace

import pytest
import torch
from mmengine.runner import IterBasedTrainLoop
from torch.nn import functional as F

from schanger_mm.engine.hooks import InflateBandsHook, LoadReportHook, inflate_bands_hook, load_report_hook
from schanger_mm.registry import HOOKS, MODELS
from schanger_mm.utils.errors import SettingError

ARCH = (4, 4, 6, 8, 10, 12)


@pytest.fixture
def said(monkeypatch):
    lines = []
    for module in (load_report_hook, inflate_bands_hook):
        monkeypatch.setattr(module, 'print_log', lambda text, **kw: lines.append(text))
    return lines


def network(bands, arch=ARCH):
    torch.manual_seed(bands)
    return MODELS.build(dict(
        type='SiameseEncoderDecoder', backbone=dict(type='SCN', arch=arch, in_channels=bands),
        decode_head=dict(type='SpatialConsistencyHead', arch=arch, temporal_fusion=dict(type='TFM')),
        data_preprocessor=dict(type='BiTemporalPreProcessor', mean=[0.] * 2 * bands, std=[1.] * 2 * bands,
                               bgr_to_rgb=False))).eval()


def load(hook, model, state):
    run = SimpleNamespace(model=model, _resume=False, _has_loaded=False, _load_from='weights.pth',
                          _train_loop=IterBasedTrainLoop.__new__(IterBasedTrainLoop))
    checkpoint = dict(state_dict=dict(state))
    hook.after_load_checkpoint(run, checkpoint)
    LoadReportHook().after_load_checkpoint(run, checkpoint)
    model.load_state_dict(checkpoint['state_dict'])


def stem_of(state):
    return next(name for name, value in state.items() if value.ndim == 4)


def logits(model, dates):
    with torch.no_grad():
        return model.encode_decode(torch.cat(dates, 1), [dict(img_shape=dates[0].shape[-2:])] * len(dates[0]))


@pytest.mark.parametrize('bands', [4, 13])
def test_with_zeros_the_network_computes_what_it_did_with_the_colours(said, bands):
    hook = HOOKS.build(dict(type='InflateBandsHook', rgb=(4, 3, 2), others='zero'))
    colour, wide = network(3), network(bands)
    load(hook, wide, colour.state_dict())
    torch.manual_seed(0)
    dates = [torch.randn(2, bands, 32, 32) for _ in range(2)]
    torch.testing.assert_close(logits(wide, dates), logits(colour, [date[:, [3, 2, 1]] for date in dates]),
                               rtol=0, atol=1e-6)
    assert said[0].endswith(f'takes {bands} bands: red, green, blue are (4, 3, 2), the others start from 0')
    entries = len(colour.state_dict())
    assert f'{entries} of {entries} entries taken' in said[1]


@pytest.mark.parametrize(('rgb', 'bands'), [((4, 3, 2), 13), ((3, 2, 1), 4), (None, 1), (None, 2)])
def test_with_means_a_grey_image_gives_the_same_response(said, rgb, bands):
    colour, wide = network(3), network(bands)
    load(InflateBandsHook(rgb), wide, colour.state_dict())
    torch.manual_seed(0)
    grey = torch.randn(2, 1, 12, 12)
    name = stem_of(colour.state_dict())
    old, new = colour.state_dict()[name], wide.state_dict()[name]
    torch.testing.assert_close(F.conv2d(grey.repeat(1, bands, 1, 1), new), F.conv2d(grey.repeat(1, 3, 1, 1), old))
    if rgb is not None:
        torch.testing.assert_close(new[:, [band - 1 for band in rgb]], old * 3 / bands)
        other = next(band for band in range(bands) if band + 1 not in rgb)
        torch.testing.assert_close(new[:, other], old.mean(1) * 3 / bands)


def test_weights_of_the_same_bands_and_a_resumed_training_stay(said):
    state = network(4).state_dict()
    wide = network(4)
    load(InflateBandsHook((3, 2, 1)), wide, {name: value + 1 for name, value in state.items()})
    assert torch.equal(wide.state_dict()[stem_of(state)], state[stem_of(state)] + 1)
    assert 'they stay as they are' in said[0]
    checkpoint = dict(state_dict=dict(network(3).state_dict()))
    run = SimpleNamespace(model=network(4), _resume=True, _train_loop=None)
    InflateBandsHook((3, 2, 1)).after_load_checkpoint(run, checkpoint)
    assert checkpoint['state_dict'][stem_of(state)].shape[1] == 3


def test_other_weights_and_settings_are_named():
    with pytest.raises(SettingError, match='found none, but other shapes that differ'):
        load(InflateBandsHook((3, 2, 1)), network(4), network(4, (8, 4, 6, 8, 10, 12)).state_dict())
    with pytest.raises(SettingError, match=r'rgb=\(6, 3, 2\): the network has 4 bands'):
        load(InflateBandsHook((6, 3, 2)), network(4), network(3).state_dict())
    for settings in (dict(rgb=(1, 2)), dict(rgb=(0, 1, 2)), dict(rgb=(1, 1, 2)), dict(others='zero'),
                     dict(rgb=(3, 2, 1), others='random')):
        with pytest.raises(SettingError, match=r'InflateBandsHook: expected rgb='):
            InflateBandsHook(**settings)
