"""Networks with a foundation backbone, from a checkpoint alone: only ours, which reads nothing while it is built."""

import socket
import sys

import numpy as np
import pytest
import torch
from mmengine.config import Config

from schanger_mm.deploy.model import SceneModel
from schanger_mm.deploy.model_files import open_named
from schanger_mm.geo.errors import SceneError
from schanger_mm.registry import MODELS
from schanger_mm.utils.errors import MissingPackageError, SettingError

WIDTHS = [8, 8, 12, 16, 20, 24]
VIT = dict(hidden_size=16, num_hidden_layers=4, num_attention_heads=2, mlp_ratio=2, image_size=56)
OURS = dict(type='DINOv2', arch=VIT, out_indices=[0, 1, 2, 3], stride=16,
            init_cfg=dict(type='Pretrained', checkpoint='hf://facebook/dinov2-base'))


def config(backbone=OURS):
    return Config(dict(
        model=dict(
            type='SiameseEncoderDecoder', backbone=backbone,
            neck=dict(type='PyramidAdapter', in_channels=[16] * 4, stride=16, arch=WIDTHS),
            decode_head=dict(type='SpatialConsistencyHead', arch=WIDTHS, temporal_fusion=dict(type='TFM')),
            train_cfg=dict(), test_cfg=dict(mode='whole')),
        data_preprocessor=dict(type='BiTemporalPreProcessor', mean=[127.5] * 6, std=[60.] * 6, bgr_to_rgb=True),
        default_scope='schanger_mm'))


def save(path, cfg, state=None):
    torch.save(dict(meta=dict(cfg=cfg.pretty_text), state_dict=state or {'a': torch.ones(1)}), path)
    return str(path)


@pytest.fixture
def trained(tmp_path):
    pytest.importorskip('transformers', reason='needs the extra [dino]')
    cfg = config()
    network = MODELS.build(dict(cfg.model, data_preprocessor=cfg.data_preprocessor))
    return save(tmp_path / 'trained.pth', cfg, network.state_dict())


def test_dinov2_predicts_from_its_checkpoint_without_asking_the_hub(trained, monkeypatch):
    """Its config names weights on the hub, which the checkpoint replaces."""
    def refuse(*words):
        raise AssertionError('a connection was opened')

    monkeypatch.setattr(socket.socket, 'connect', refuse)
    pair = 255 * np.random.default_rng(0).random((1, 2, 3, 40, 70), np.float32)
    found = SceneModel.load(trained).predict(pair)
    assert found.shape == (1, 40, 70) and found.std() > 1e-4
    named = open_named(trained)  # as schanger export does
    plain = SceneModel(named.cfg, named.checkpoint, named.config_name, plain=True)
    np.testing.assert_allclose(plain.predict(pair), found, atol=1e-5)


@pytest.mark.parametrize('backbone', [
    dict(type='mmseg.TIMMBackbone', model_name='resnet18', checkpoint_path='/etc/passwd'),
    dict(type='mmpretrain.ConvNeXt', arch='atto')])
def test_others_need_the_config_on_the_command_line(backbone, tmp_path, mmpretrain):
    with pytest.raises(SceneError, match=f'asks for {backbone["type"]}, .*name a config as MODEL and this file with '
                                         '--weights, if you trust it'):
        SceneModel.load(save(tmp_path / 'other.pth', config(backbone)))


def test_a_checkpoint_cannot_choose_what_transformers_runs(tmp_path):
    arch = dict(VIT, attn_implementation='someone/kernel')
    with pytest.raises((SceneError, SettingError), match="the setting 'attn_implementation'"):
        SceneModel.load(save(tmp_path / 'bad.pth', config(dict(OURS, arch=arch))))


def test_a_checkpoint_cannot_ask_for_more_memory_than_it_has_weights(tmp_path):
    pytest.importorskip('transformers', reason='needs the extra [dino]')
    arch = dict(VIT, hidden_size=1 << 14, num_hidden_layers=1000)
    with pytest.raises(SceneError, match='the network is far larger than the file'):
        SceneModel.load(save(tmp_path / 'large.pth', config(dict(OURS, arch=arch))))


def test_without_transformers_the_message_names_the_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, 'transformers', None)
    with pytest.raises(MissingPackageError, match=r'pip install "schanger-mm\[dino\]"'):
        SceneModel.load(save(tmp_path / 'trained.pth', config()))
