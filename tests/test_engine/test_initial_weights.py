"""Pre-trained weights that a config names: loaded where they fit, refused in words where not."""

import sys
import types
import urllib.error

import pytest
import torch
from mmengine.runner import checkpoint as mmengine_checkpoint
from torch import nn

from schanger_mm.apis import ConfigError, build_runner
from schanger_mm.commands.cli import report_errors
from schanger_mm.engine.initial_weights import check_pretrained
from schanger_mm.registry import MODELS

KEY = 'model.backbone.init_cfg'
BLOCKS = {'layer1': (64, 64, 1), 'layer2': (64, 128, 2), 'layer3': (128, 256, 2), 'layer4': (256, 512, 2)}


def torchvision_resnet18():
    """Entries by the names and shapes of torchvision's ResNet-18, at random."""
    state = {'conv1.weight': 0.02 * torch.randn(64, 3, 7, 7)}

    def norm(name, width):
        state.update({f'{name}.weight': torch.rand(width), f'{name}.bias': 0.02 * torch.randn(width),
                      f'{name}.running_mean': 0.02 * torch.randn(width), f'{name}.running_var': 1 + torch.rand(width),
                      f'{name}.num_batches_tracked': torch.tensor(7)})

    norm('bn1', 64)
    for layer, (c_in, c_out, stride) in BLOCKS.items():
        for block in range(2):
            name = f'{layer}.{block}'
            state[f'{name}.conv1.weight'] = 0.02 * torch.randn(c_out, c_out if block else c_in, 3, 3)
            norm(f'{name}.bn1', c_out)
            state[f'{name}.conv2.weight'] = 0.02 * torch.randn(c_out, c_out, 3, 3)
            norm(f'{name}.bn2', c_out)
            if stride == 2 and not block:
                state[f'{name}.downsample.0.weight'] = 0.02 * torch.randn(c_out, c_in, 1, 1)
                norm(f'{name}.downsample.1', c_out)
    state.update({'fc.weight': 0.02 * torch.randn(1000, 512), 'fc.bias': 0.02 * torch.randn(1000)})
    return state


def detector(checkpoint, width=64, **init_cfg):
    return MODELS.build(dict(
        type='SaDL', neck=dict(type='TopDownFPN', in_channels=[width * 2**i for i in range(4)], out_channels=8),
        backbone=dict(type='mmseg.ResNet', depth=18, stem_channels=width, base_channels=width,
                      init_cfg=dict(type='Pretrained', checkpoint=checkpoint, **init_cfg)),
        projector=dict(type='PointMLP', in_channels=8, hidden_channels=8, out_channels=8),
        predictor=dict(type='PointMLP', in_channels=8, hidden_channels=8, out_channels=8),
        views=dict(type='TwoViews')))


@pytest.fixture
def config(small, root, tmp_path):
    """A downstream config from ImageNet weights, and what they are."""
    def read(checkpoint):
        cfg = small(root / 'configs/sadl/fpn-cd_r18_levir_imagenet.py', tmp_path / 'work')
        assert cfg.model.backbone.init_cfg.checkpoint == 'torchvision://resnet18'
        cfg.model.backbone.init_cfg.checkpoint = checkpoint
        return cfg
    return read


def test_a_file_of_torchvisions_weights_fills_the_whole_encoder(tmp_path):
    state = torchvision_resnet18()
    torch.save(state, tmp_path / 'resnet18.pth')
    model = detector(str(tmp_path / 'resnet18.pth'))
    check_pretrained(model)
    model.init_weights()  # as the Runner does after the check
    backbone = model.backbone.state_dict()
    assert len(backbone) == 120 and set(state) - set(backbone) == {'fc.weight', 'fc.bias'}
    assert [name for name in backbone if not torch.equal(backbone[name], state[name])] == []


def test_a_missing_file_is_one_error_before_the_first_iteration(config, tmp_path, capsys):
    runner = build_runner(config(str(tmp_path / 'resnet18.pth')))
    assert report_errors(runner.train) == 2
    assert capsys.readouterr().err.splitlines()[-1] == (
        f'error: {KEY}.checkpoint={tmp_path}/resnet18.pth: no such file. Use a local file with --cfg-options '
        f'{KEY}.checkpoint=FILE, or start from random weights by {KEY}=None.')
    assert runner.iter == 0 and not list(tmp_path.glob('work/*.pth'))


def test_a_test_needs_no_initial_weights(config, tmp_path):
    cfg = config(str(tmp_path / 'nowhere.pth'))
    assert 0 <= build_runner(cfg).test()['changed/OA'] <= 100


def test_without_torchvision_the_error_names_three_ways_out(monkeypatch):
    monkeypatch.setitem(sys.modules, 'torchvision', None)
    with pytest.raises(ConfigError) as error:
        check_pretrained(detector('torchvision://resnet18'))
    assert str(error.value) == (
        f'{KEY}.checkpoint: torchvision://resnet18: needs torchvision, which is not installed: pip install '
        f'torchvision. Use a local file with --cfg-options {KEY}.checkpoint=FILE, or start from random weights by '
        f'{KEY}=None.')


def test_the_key_is_the_one_that_the_config_has(tmp_path):
    """mmseg's and Open-CD's detectors hand ``pretrained`` on to the backbone, which makes an init_cfg of it."""
    from mmengine.config import ConfigDict
    cfg = ConfigDict(type='mmseg.EncoderDecoder', pretrained=str(tmp_path / 'mit_b0.pth'), backbone=dict(
        type='mmseg.MixVisionTransformer', embed_dims=8, num_heads=[1, 1, 1, 1]),
        decode_head=dict(type='mmseg.SegformerHead', in_channels=[8] * 4, in_index=[0, 1, 2, 3], channels=8,
                         num_classes=2, loss_decode=dict(type='mmseg.CrossEntropyLoss')))
    with pytest.raises(ConfigError) as error:
        check_pretrained(MODELS.build(cfg), cfg)
    assert str(error.value) == (
        f'model.pretrained={tmp_path}/mit_b0.pth: no such file. Use a local file with --cfg-options '
        'model.pretrained=FILE, or start from random weights by model.pretrained=None.')


def test_torchvision_has_no_such_network(monkeypatch):
    monkeypatch.setitem(sys.modules, 'torchvision', types.ModuleType('torchvision'))
    monkeypatch.setattr(mmengine_checkpoint, 'get_torchvision_models', lambda: {'resnet18': 'https://nowhere/x.pth'})
    with pytest.raises(ConfigError, match="torchvision://resnet19: no weights of this name .* mean 'resnet18'"):
        check_pretrained(detector('torchvision://resnet19'))


@pytest.mark.parametrize('checkpoint', ['torchvision://resnet18', 'https://download.openmmlab.com/mmpretrain/r18.pth'])
@pytest.mark.parametrize('error', [urllib.error.URLError('no route'), TimeoutError('no route')])
def test_a_download_that_fails_is_one_error(checkpoint, error, monkeypatch, tmp_path):
    def fail(*args, **kwargs):
        raise error

    monkeypatch.setenv('TORCH_HOME', str(tmp_path))
    monkeypatch.setattr('torch.hub.download_url_to_file', fail)
    monkeypatch.setattr(mmengine_checkpoint, 'get_torchvision_models', lambda: {'resnet18': 'https://nowhere/x.pth'})
    with pytest.raises(ConfigError) as raised:
        check_pretrained(detector(checkpoint))
    assert 'could not be downloaded (no route)' in str(raised.value)
    assert str(raised.value).startswith(f'{KEY}.checkpoint: https://')
    assert f'{KEY}=None' in str(raised.value)


def test_a_damaged_file_is_named(tmp_path):
    (tmp_path / 'r18.pth').write_bytes(b'not weights')
    with pytest.raises(ConfigError, match=rf'{KEY}.checkpoint: .*r18.pth could not be read as plain weights'):
        check_pretrained(detector(str(tmp_path / 'r18.pth')))


def test_weights_of_another_width_are_refused_with_both_shapes(tmp_path):
    torch.save(torchvision_resnet18(), tmp_path / 'r18.pth')
    with pytest.raises(ConfigError, match=r'fills only 20 of 120 entries of ResNet; conv1.weight has shape '
                                          r'\(64, 3, 7, 7\), expected \(8, 3, 7, 7\)'):
        check_pretrained(detector(str(tmp_path / 'r18.pth'), width=8))


def test_a_longer_name_needs_its_prefix(tmp_path):
    """mmpretrain's and our own checkpoints say backbone.conv1; loaded as they are, they would fill nothing."""
    state = {f'backbone.{name}': value for name, value in torchvision_resnet18().items()}
    torch.save(dict(state_dict=state), tmp_path / 'whole.pth')
    with pytest.raises(ConfigError, match=r'fills only 0 of 120 .*it has backbone.conv1.weight, .*init_cfg.prefix'):
        check_pretrained(detector(str(tmp_path / 'whole.pth')))
    for prefix in ('backbone', 'backbone.'):
        check_pretrained(detector(str(tmp_path / 'whole.pth'), prefix=prefix))


def test_four_bands_may_differ_from_the_weights_in_the_first_layer(tmp_path):
    torch.save(torchvision_resnet18(), tmp_path / 'r18.pth')
    model = detector(str(tmp_path / 'r18.pth'))
    model.backbone.conv1 = nn.Conv2d(4, 64, 7)
    check_pretrained(model)


def test_models_that_name_no_weights_pass():
    model = detector('x')
    model.backbone.init_cfg = None
    model.neck.init_cfg = [dict(type='Xavier', layer='Conv2d')]
    check_pretrained(model)
