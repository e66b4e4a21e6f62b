"""The DINOv2 backbone, as tiny random networks: nothing is downloaded."""

import copy
import json
import re
import sys

import pytest
import torch
from mmengine.runner import load_checkpoint
from safetensors.torch import load_file, save_file

from schanger_mm.config.loading import ConfigError
from schanger_mm.engine.initial_weights import check_pretrained
from schanger_mm.models import DINOv2
from schanger_mm.registry import MODELS
from schanger_mm.utils.errors import MissingPackageError, SettingError

TINY = dict(hidden_size=16, num_hidden_layers=3, num_attention_heads=2, mlp_ratio=2, image_size=56)


def tiny(**options):
    torch.manual_seed(0)
    return DINOv2(TINY, **{'out_indices': (0, 2), **options}).eval()


def test_without_transformers_one_line_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, 'transformers', None)
    with pytest.raises(MissingPackageError, match=re.escape(
            'The DINOv2 backbone needs transformers, which is not installed: pip install "schanger-mm[dino]"')):
        DINOv2('small')


@pytest.mark.parametrize('options, message', [
    (dict(arch='giant'), "arch='giant'; expected one of small, base, large, or a dict"),
    (dict(arch=dict(attn_implementation='someone/kernel')), "the setting 'attn_implementation'; expected some of"),
    (dict(arch=dict(hidden_act='x')), "the setting 'hidden_act'"),
    (dict(arch=dict(hidden_size='x')), "arch.hidden_size='x'; expected a whole number above 0"),
    (dict(arch=dict(patch_size=True)), 'arch.patch_size=True; expected a whole number above 0'),
    (dict(arch=dict(drop_path_rate=-1)), 'arch.drop_path_rate=-1; expected a number, 0 or more'),
    (dict(arch=dict(qkv_bias=1)), 'arch.qkv_bias=1; expected True or False'),
    (dict(arch=dict(hidden_size=100)), 'arch.hidden_size=100; expected a multiple of num_attention_heads, 12'),
    (dict(arch=dict(image_size=224, patch_size=15)), 'arch.image_size=224; expected a multiple of patch_size, 15'),
])
def test_unknown_settings_are_refused_before_transformers_is_asked(options, message):
    """Also those with which transformers would fetch code from the hub."""
    with pytest.raises(SettingError, match=message):
        DINOv2(**options)


@pytest.fixture(scope='module')
def transformers():
    return pytest.importorskip('transformers', reason='needs the extra [dino]')


@pytest.mark.parametrize('options, message', [
    (dict(arch=TINY, out_indices=(0, 3)), r'out_indices=\(0, 3\); expected blocks from 0 to 2'),
    (dict(arch=TINY, out_indices=()), 'expected blocks from 0 to 2'),
    (dict(arch=TINY, out_indices=(0, ), stride=0), 'stride=0; expected pixels'),
])
def test_blocks_and_strides_that_do_not_exist_are_refused(transformers, options, message):
    with pytest.raises(SettingError, match=message):
        DINOv2(**options)


@pytest.mark.parametrize('size', [(56, 56), (28, 70)])
@pytest.mark.parametrize('norm', [True, False])
def test_maps_are_those_of_transformers(transformers, size, norm):
    own = tiny(norm=norm)
    theirs = transformers.Dinov2Backbone(transformers.Dinov2Config(
        **TINY, out_indices=[1, 3], apply_layernorm=norm)).eval()
    theirs.load_state_dict({name: value for name, value in zip(theirs.state_dict(), own.state_dict().values())})
    images = torch.randn(2, 3, *size)
    with torch.no_grad():
        found, expected = own(images), theirs(images).feature_maps
    assert [level.shape for level in found] == [(2, 16, size[0] // 14, size[1] // 14)] * 2
    for one, other in zip(found, expected):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize('stride, size, cells', [
    (None, (30, 45), (3, 4)), (16, (32, 48), (2, 3)), (16, (33, 48), (3, 3)), (7, (28, 42), (4, 6))])
def test_any_size_is_padded_inside_and_maps_cover_the_image(transformers, stride, size, cells):
    maps = tiny(stride=stride)(torch.randn(1, 3, *size))
    assert [level.shape[-2:] for level in maps] == [cells] * 2


def test_padding_repeats_the_border_and_is_cut_off(transformers):
    """Cells of a padded image lie where its pixels lie: a ramp over the patches stays a ramp over the image."""
    net = tiny(stride=16)
    padded = net._pad(torch.arange(32.).expand(1, 3, 32, 32), 3)
    assert padded.shape[-1] == 42 and padded[0, 0, 0, 31:].unique().tolist() == [31.]
    centres = torch.arange(3) * 14. + 7  # of the patches, in pixels
    found = net._cover(centres.expand(1, 1, 1, 3), 3, 32)
    torch.testing.assert_close(found.flatten(), torch.tensor([8., 24.]))


def test_names_are_those_that_transformers_writes_and_reads(transformers, tmp_path):
    config = transformers.Dinov2Config(**TINY)
    written = transformers.Dinov2Model(config)
    written.save_pretrained(tmp_path / 'theirs')
    file = tmp_path / 'theirs/model.safetensors'
    net = tiny()
    assert net.state_dict().keys() == load_file(file).keys()
    assert 'encoder.layer.0.attention.attention.query.weight' in net.state_dict()
    assert net.load_state_dict(load_file(file)).missing_keys == []
    assert torch.equal(net.encoder.layer[2].attention.q_proj.weight, written.encoder.layer[2].attention.q_proj.weight)

    save_file({name: value + 1 for name, value in net.state_dict().items()}, file, {'format': 'pt'})
    back, info = transformers.Dinov2Backbone.from_pretrained(tmp_path / 'theirs', output_loading_info=True)
    assert not info['missing_keys'] and not info['unexpected_keys'] and not info['mismatched_keys']
    assert torch.equal(back.encoder.layer[2].attention.o_proj.bias, net.encoder.layer[2].attention.o_proj.bias + 1)


def test_a_copy_inside_a_network_keeps_the_names(transformers):
    whole = torch.nn.ModuleDict(dict(backbone=tiny(), other=torch.nn.Linear(2, 2)))
    copied = copy.deepcopy(whole)
    names = list(copied.state_dict())
    assert sum('backbone.encoder.layer.1.attention.output.dense' in name for name in names) == 2
    assert not [name for name in names if 'q_proj' in name]
    state = {name: torch.full_like(value, 2) for name, value in whole.state_dict().items()}
    copied.load_state_dict(state)
    assert all(value.eq(2).all() for value in copied.parameters())
    assert list(state) == names  # the caller's dict is not changed


@pytest.mark.parametrize('source', ['file', 'hub'])
def test_init_cfg_reads_safetensors_of_a_file_or_of_the_hub(transformers, hub, source, tmp_path):
    model = transformers.Dinov2Model(transformers.Dinov2Config(**TINY))
    model.save_pretrained(tmp_path / 'made')
    files = {name: (tmp_path / 'made' / name).read_bytes() for name in ('model.safetensors', 'config.json')}
    assert json.loads(files['config.json'])['hidden_size'] == 16
    hub.add('org/dino', files)
    checkpoint = 'hf://org/dino' if source == 'hub' else str(tmp_path / 'made/model.safetensors')
    net = MODELS.build(dict(type='DINOv2', arch=TINY, out_indices=(0, 2),
                            init_cfg=dict(type='Pretrained', checkpoint=checkpoint)))
    net.init_weights()
    assert torch.equal(net.embeddings.position_embeddings, model.embeddings.position_embeddings)
    assert torch.equal(net.encoder.layer[1].attention.v_proj.weight, model.encoder.layer[1].attention.v_proj.weight)
    assert '/api/agent-harnesses' not in hub.paths()


def test_weights_that_do_not_fit_stop_a_training_before_it_starts(transformers, tmp_path):
    net = DINOv2(TINY, out_indices=(0, ), init_cfg=dict(type='Pretrained', checkpoint=str(tmp_path / 'a.safetensors')))
    save_file(net.state_dict(), tmp_path / 'a.safetensors')
    check_pretrained(net)
    save_file({f'encoder.{name}': value for name, value in net.state_dict().items()}, tmp_path / 'a.safetensors')
    with pytest.raises(ConfigError, match='fills only 0 of 61 entries of DINOv2'):
        check_pretrained(net)


def test_pickles_are_not_read(transformers, hub):
    hub.add('org/old', {'pytorch_model.bin': b'cos\nsystem\n'})
    with pytest.raises(ValueError, match='pickles, which can run code and are not downloaded'):
        load_checkpoint(tiny(), 'hf://org/old')


def test_random_weights_are_transformers_own(transformers):
    net = tiny()
    before = copy.deepcopy(net.state_dict())
    net.init_weights()
    assert all(torch.equal(before[name], value) for name, value in net.state_dict().items())
    assert 0.01 < before['encoder.layer.0.mlp.fc1.weight'].std() < 0.03


def test_frozen_it_stays_in_eval_mode_and_learns_nothing(transformers):
    net = tiny(frozen=True).train()
    assert not any(part.training for part in net.modules())
    images = torch.randn(1, 3, 28, 28, requires_grad=True)
    assert not any(level.requires_grad for level in net(images))
    assert not any(parameter.requires_grad for parameter in net.parameters())


def test_fine_tuned_every_part_that_is_used_gets_a_gradient(transformers):
    net = tiny(out_indices=(0, 1)).train()
    assert net.encoder.layer[1].training
    sum(level.square().sum() for level in net(torch.randn(1, 3, 30, 28))).backward()
    without = {name for name, value in net.named_parameters() if value.grad is None}
    assert without == {name for name, value in net.named_parameters() if not value.requires_grad}
    assert without == {name for name in dict(net.named_parameters())
                       if 'mask_token' in name or name.startswith('encoder.layer.2.')}


def test_building_opens_no_file_and_no_connection(transformers, monkeypatch):
    import builtins
    import socket

    def refuse(*words, **options):
        raise AssertionError(f'asked for {words[:1]}')

    tiny()  # modules that are imported at first use
    monkeypatch.setattr(builtins, 'open', refuse)
    monkeypatch.setattr(socket.socket, 'connect', refuse)
    tiny()


def test_half_precision_keeps_its_type(transformers):
    net = tiny(stride=16)
    images = torch.randn(1, 3, 32, 48)
    with torch.no_grad():
        expected, found = net(images), net.bfloat16()(images.bfloat16())
    for one, other in zip(expected, found):
        assert other.dtype == torch.bfloat16 and (one - other.float()).abs().max() < 0.1
