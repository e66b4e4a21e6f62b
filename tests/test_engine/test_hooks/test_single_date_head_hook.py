"""A class starts from the head that pre-training has made, in a training from ``load_from``."""

from types import SimpleNamespace

import pytest
import torch
from mmengine.runner import IterBasedTrainLoop

from schanger_mm.checkpoints.convert import network
from schanger_mm.engine.hooks import LoadReportHook, SingleDateHeadHook, load_report_hook, single_date_head_hook
from schanger_mm.registry import HOOKS, MODELS
from schanger_mm.utils.errors import SettingError

ARCH = (4, 4, 6, 8, 10, 12)


@pytest.fixture
def said(monkeypatch):
    lines = []
    for module in (load_report_hook, single_date_head_hook):
        monkeypatch.setattr(module, 'print_log', lambda text, **kw: lines.append(text))
    return lines


def runner(semantic=True, resume=False):
    head = dict(type='SpatialConsistencyHead', arch=ARCH, temporal_fusion=dict(type='TFM'))
    if semantic:
        head['semantic'] = dict(num_classes=3)
    model = MODELS.build(dict(type='SiameseEncoderDecoder', backbone=dict(type='SCN', arch=ARCH), decode_head=head))
    return SimpleNamespace(model=model, _resume=resume, _has_loaded=False, _load_from='weights.pth',
                           _train_loop=IterBasedTrainLoop.__new__(IterBasedTrainLoop))


def load(run, state, class_index=2):
    checkpoint = dict(state_dict=dict(state))
    SingleDateHeadHook(class_index).after_load_checkpoint(run, checkpoint)
    LoadReportHook(['decode_head.attention_fusion', 'decode_head.side_fusion', 'decode_head.semantic']
                   ).after_load_checkpoint(run, checkpoint)
    run.model.load_state_dict(checkpoint['state_dict'])


def test_the_class_gets_the_pretrained_head_and_the_others_stay_new(said):
    hook = HOOKS.build(dict(type='SingleDateHeadHook', class_index=2))
    assert type(hook) is SingleDateHeadHook
    state, run = network(ARCH, 1).state_dict(), runner()
    new = {name: value.clone() for name, value in run.model.decode_head.semantic.state_dict().items()}
    load(run, state)
    maps = run.model.decode_head.semantic
    for level in range(5):
        assert torch.equal(maps.side_convs[level].weight[2], state[f'decode_head.side_convs.{level}.weight'][0])
        assert torch.equal(maps.side_convs[level].weight[:2], new[f'side_convs.{level}.weight'][:2])
    assert torch.equal(maps.fuse.weight[2], state['decode_head.conv_seg.weight'][0])
    assert said[0] == 'class 2 starts from the head of the single-date network'
    assert said[1].endswith('; new: decode_head.attention_fusion (20 entries), decode_head.side_fusion (20 entries); '
                            'left: none')


def test_weights_of_a_change_network_or_with_classes_stay_as_they_are(said):
    for state in (network(ARCH, 2).state_dict(), runner().model.state_dict()):
        before = dict(state)
        SingleDateHeadHook(2).after_load_checkpoint(runner(), dict(state_dict=state))
        assert state.keys() == before.keys()
    assert said == ['SingleDateHeadHook: the initial weights are not those of a single-date network; no class takes '
                    'over its head'] * 2


def test_a_resumed_training_is_left_alone():
    state = network(ARCH, 1).state_dict()
    SingleDateHeadHook(2).after_load_checkpoint(runner(resume=True), dict(state_dict=state))
    assert not any('semantic' in name for name in state)


@pytest.mark.parametrize('semantic, index, message', [
    (False, 0, 'SpatialConsistencyHead has no classes; set'),
    (True, 3, 'SingleDateHeadHook: class 3: expected 0 to 2')])
def test_a_head_that_cannot_take_it(semantic, index, message):
    with pytest.raises(SettingError, match=message):
        load(runner(semantic), network(ARCH, 1).state_dict(), index)
