"""Networks that are measured: found by name, built alike everywhere."""

import pytest
import torch

from schanger_mm.apis.config import ConfigError
from schanger_mm.benchmark.subject import (
    Subject,
    channels,
    dates,
    plain_features,
    random_inputs,
    random_labels,
    subjects_of,
)

TINY = '4,4,6,8,10,12'
SEGMENTOR = """
norm_cfg = dict(type='SyncBN')
model = dict(
    type='EncoderDecoder', data_preprocessor=dict(type='SegDataPreProcessor', size=(64, 64)),
    backbone=dict(type='ResNet', depth=18, norm_cfg=norm_cfg, init_cfg=dict(type='Pretrained', checkpoint='nowhere')),
    decode_head=dict(type='FCNHead', in_channels=512, channels=8, num_classes=3, norm_cfg=norm_cfg,
                     loss_decode=dict(type='CrossEntropyLoss')),
    train_cfg=dict(), test_cfg=dict(mode='whole'))
default_scope = 'mmseg'
"""


@pytest.fixture
def segmentor(tmp_path):
    (tmp_path / 'fcn.py').write_text(SEGMENTOR)
    return str(tmp_path / 'fcn.py')


@torch.no_grad()
def test_random_weights_follow_the_seed_and_their_probabilities_vary():
    a, b, other = (Subject.of_arch(TINY).build_with_weights(seed) for seed in (0, 0, 1))
    x = random_inputs(a, 1, 64, seed=0)
    one, again, another = (model(x, mode='tensor') for model in (a, b, other))
    assert torch.equal(one, again) and not torch.allclose(one, another)
    assert one.sigmoid().std() > 0.1
    assert not any(module.training for module in a.modules())


@pytest.mark.parametrize('config', ['schanger/demo.py', 'schanger/ablations/difference.py', 'sadl/fpn-cd_r18_levir.py'])
@torch.no_grad()
def test_plain_form_computes_what_the_detector_does(root, config):
    model = Subject.of_config(str(root / 'configs' / config)).build_with_weights(0)
    x = random_inputs(model, 1, 64, seed=0)
    plain = model.decode_head(plain_features(model, x))
    torch.testing.assert_close(plain, model(x, mode='tensor'), rtol=0, atol=1e-4)


def test_other_networks_come_by_config_without_synchronised_norms_or_downloads(segmentor):
    subject = Subject.of_config(segmentor)
    assert subject.scope == 'mmseg' and subject.name == segmentor
    model = subject.build_with_weights(0)
    assert not any(isinstance(module, torch.nn.SyncBatchNorm) for module in model.modules())
    assert (dates(model), channels(model)) == (1, 3)
    labels = torch.stack([sample.gt_sem_seg.data for sample in random_labels(model, 2, 32, 0)])
    assert labels.shape == (2, 1, 32, 32) and labels.unique().tolist() == [0, 1, 2]


def test_without_names_both_sizes_are_measured(segmentor):
    assert [subject.arch for subject in subjects_of([], None)] == ['base', 'small']
    assert [subject.name for subject in subjects_of([segmentor], None)] == [segmentor]
    assert [subject.arch for subject in subjects_of([segmentor], [TINY])] == [None, (4, 4, 6, 8, 10, 12)]


def test_checkpoint_must_fill_the_one_network(tmp_path):
    file = str(tmp_path / 'weights.pth')
    state = Subject.of_arch(TINY).build_with_weights(3).state_dict()
    torch.save(dict(state_dict=state), file)
    subject, = subjects_of([], [TINY], file)
    assert all(torch.equal(value, state[name]) for name, value in subject.build_with_weights(0).state_dict().items())
    with pytest.raises(ValueError, match='fits one network and there are 2'):
        subjects_of([], None, file)
    with pytest.raises(ValueError, match=r'backbone.stem.conv.weight is \(4, 3, 3, 3\) instead of \(5, 3, 3, 3\), and'):
        subjects_of([], ['5,4,6,8,10,12'], file)
    del state['decode_head.conv_seg.bias']
    torch.save(dict(state_dict=state | dict(more=torch.ones(1))), file)
    with pytest.raises(ValueError, match='decode_head.conv_seg.bias is missing, and 1 more'):
        subjects_of([], [TINY], file)


@pytest.mark.parametrize('text', ['huge', '1,2,3', '0,1,1,1,1,1'])
def test_unknown_sizes_are_refused(text):
    with pytest.raises(ValueError, match='six positive widths'):
        Subject.of_arch(text)


def test_config_without_a_detector_is_refused(root):
    with pytest.raises(ConfigError, match='no model with a decode_head'):
        Subject.of_config(str(root / 'configs/sadl/sadl_r18-fpn_inria.py'))
