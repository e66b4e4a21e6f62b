import pytest
import torch

from schanger_mm.checkpoints.entries import summary
from schanger_mm.engine.hooks import LoadReportHook, load_report_hook
from schanger_mm.registry import HOOKS


@pytest.fixture
def said(monkeypatch):
    lines = []
    monkeypatch.setattr(load_report_hook, 'print_log', lambda text, **kw: lines.append(text))
    return lines


@pytest.fixture
def saved(tmp_path, toy_net):
    def save(state=None, **kwargs):
        path = tmp_path / 'weights.pth'
        torch.save(dict(state_dict=toy_net(**kwargs).state_dict() if state is None else state), path)
        return str(path)
    return save


def load(toy_runner, path, train=True, hook=None, **kwargs):
    runner = toy_runner(load_from=path, hooks=[hook or LoadReportHook()], iters=1, val_interval=1,
                        train=train, **kwargs)
    runner.train() if train else runner.test()
    return runner


def test_training_from_weights_says_what_was_taken_and_what_is_new(toy_runner, saved, said):
    path = saved(fusion=False)
    load(toy_runner, path, hook=HOOKS.build(dict(type='LoadReportHook', expected_new=['fusion'])))
    assert said == [
        f'initial weights from {path}: 9 of 11 entries taken; new: fusion (2 entries); left: none']


def test_entries_that_find_no_place_are_named(toy_runner, saved, said, toy_net):
    load(toy_runner, saved(), model=toy_net(fusion=False))
    assert said[0].endswith('9 of 9 entries taken; new: none; left: fusion (2 entries)')


def test_a_prefix_of_a_parallel_wrapper_does_not_matter(toy_runner, saved, said, toy_net):
    state = {f'module.{name}': value for name, value in toy_net().state_dict().items()}
    load(toy_runner, saved(state))
    assert '11 of 11 entries taken; new: none; left: none' in said[0]


def test_another_size_is_refused_with_both_shapes(toy_runner, saved):
    with pytest.raises(ValueError, match=r'other size\?.*encoder.0.weight: checkpoint \(8, 3, 1, 1\), '
                                         r'model \(4, 3, 1, 1\)'):
        load(toy_runner, saved(width=8))


def test_another_network_is_refused(toy_runner, saved):
    with pytest.raises(ValueError, match='looks like another network: only 1 of its 3 entries'):
        load(toy_runner, saved({'a.w': torch.zeros(1), 'b.w': torch.zeros(1), 'head.bias': torch.zeros(1)}))


def test_published_names_get_the_hint_to_convert(toy_runner, saved):
    with pytest.raises(ValueError, match='published SChanger files: convert it first'):
        load(toy_runner, saved({'encoder1.0.weight': torch.zeros(1)}))


@pytest.mark.parametrize('expected', [[], ['fus'], ['head']])
def test_only_what_is_expected_may_be_new(toy_runner, saved, expected):
    with pytest.raises(ValueError, match=r'does not hold fusion \(2 entries\); only .* may be new'):
        load(toy_runner, saved(fusion=False), hook=LoadReportHook(expected_new=expected))


def test_a_test_demands_all_entries(toy_runner, saved, said):
    with pytest.raises(ValueError, match=r'to be tested: 9 of 11 entries taken; new: fusion \(2 entries\)'):
        load(toy_runner, saved(fusion=False), train=False)
    load(toy_runner, saved(), train=False, name='second')
    assert said == []


def test_resuming_is_left_alone(toy_runner, tmp_path, said):
    saver = dict(type='CheckpointHook', by_epoch=False, interval=1)
    toy_runner(iters=1, default_hooks=dict(checkpoint=saver)).train()
    toy_runner(iters=2, hooks=[LoadReportHook(expected_new=[])], resume=True, name='more',
               load_from=str(tmp_path / 'run' / 'iter_1.pth')).train()
    assert said == []


def test_weights_loaded_by_hand_after_training_are_not_called_load_from(toy_runner, saved, said):
    first = saved()
    runner = load(toy_runner, first)
    runner.load_checkpoint(first)
    assert first in said[0] and said[1].startswith('initial weights from the checkpoint: 11 of 11')


def test_a_lone_string_is_not_a_list():
    with pytest.raises(ValueError, match='list of prefixes'):
        LoadReportHook(expected_new='fusion')


def test_entries_are_grouped_by_the_largest_module_they_fill():
    everything = ['head.a.w', 'head.a.b', 'head.b.0.w', 'head.b.1.w', 'stem.w']
    some = ['head.a.w', 'head.a.b', 'head.b.1.w']
    assert summary(some, everything) == 'head.a (2 entries), head.b.1 (1 entry)'
    assert summary(['stem.w'], ['stem.w', 'stem.b']) == 'stem.w'
    assert summary([], everything) == 'none'
    assert summary([f'm{i}.w' for i in range(13)], []).endswith('m9 (1 entry), ... and 3 more')
