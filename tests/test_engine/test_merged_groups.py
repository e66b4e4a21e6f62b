"""Parameter groups of equal settings are one, with the numbers of mmengine's groups of one parameter each."""

import copy

import pytest
import torch
from mmengine.optim import DefaultOptimWrapperConstructor, build_optim_wrapper
from torch import nn

from schanger_mm.engine.merged_groups import MergedGroupsConstructor

PARAMWISE = dict(flat_decay_mult=0.0, custom_keys={'head': dict(lr_mult=5.0)})
ADAMW = dict(type='AdamW', lr=1e-2, weight_decay=0.3)


def settings(wrapper, net):
    names = {id(parameter): name for name, parameter in net.named_parameters()}
    return {names[id(parameter)]: (group['lr'], group['weight_decay'])
            for group in wrapper.optimizer.param_groups for parameter in group['params']}


def build(net, constructor, **optimizer):
    return build_optim_wrapper(net, dict(
        type='OptimWrapper', optimizer={**ADAMW, **optimizer}, paramwise_cfg=copy.deepcopy(PARAMWISE),
        constructor=constructor))


def test_every_parameter_keeps_its_settings(toy_net):
    net = toy_net()
    single, merged = (build(net, kind) for kind in ('DefaultOptimWrapperConstructor',
                                                    'schanger_mm.MergedGroupsConstructor'))
    assert settings(merged, net) == settings(single, net)
    assert len(single.optimizer.param_groups) == 8 and len(merged.optimizer.param_groups) == 3
    assert merged.get_lr() == {'base_lr': [1e-2], 'lr': [1e-2, 1e-2, 5e-2]}


def test_without_paramwise_settings_there_is_one_group(toy_net):
    wrapper = MergedGroupsConstructor(dict(optimizer=ADAMW))(toy_net())
    assert len(wrapper.optimizer.param_groups) == 1 and wrapper.optimizer.param_groups[0]['fused']


@pytest.mark.parametrize('given, fused', [
    (dict(), True), (dict(fused=False), False), (dict(foreach=True), None), (dict(type='RMSprop'), None)])
def test_fused_where_torch_has_it_and_the_config_says_nothing(given, fused, toy_net):
    groups = build(toy_net(), 'schanger_mm.MergedGroupsConstructor', **given).optimizer.param_groups
    assert all(group.get('fused') is fused for group in groups)


def test_updates_are_those_of_single_groups():
    torch.manual_seed(0)
    nets = [nn.Sequential(nn.Conv2d(2, 3, 3, bias=False), nn.BatchNorm2d(3), nn.Conv2d(3, 1, 1))]
    nets.append(copy.deepcopy(nets[0]))
    paramwise = dict(flat_decay_mult=0.0)
    wrappers = [kind(dict(type='OptimWrapper', optimizer=ADAMW), paramwise)(net)
                for kind, net in zip((DefaultOptimWrapperConstructor, MergedGroupsConstructor), nets, strict=True)]
    for _ in range(5):
        x = torch.randn(2, 2, 6, 6)
        for net, wrapper in zip(nets, wrappers, strict=True):
            wrapper.update_params(net(x).square().mean())
    for ours, theirs in zip(*(net.parameters() for net in nets), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-7)


class Losses:
    def __init__(self):
        from mmengine.hooks import Hook
        values = self.values = []

        class Record(Hook):
            def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
                values.append(outputs['loss'].item())
        self.hook = Record()


def train(toy_runner, constructor, name, **kwargs):
    losses = Losses()
    optim = dict(type='OptimWrapper', optimizer=ADAMW, paramwise_cfg=copy.deepcopy(PARAMWISE), constructor=constructor)
    runner = toy_runner(
        iters=8, val_interval=99, name=name, hooks=[losses.hook], optim_wrapper=optim,
        param_scheduler=[dict(type='LinearLR', start_factor=1e-1, by_epoch=False, begin=0, end=3),
                         dict(type='CosineAnnealingLR', eta_min=1e-5, by_epoch=False, begin=3, end=8)],
        default_hooks=dict(checkpoint=dict(type='CheckpointHook', by_epoch=False, interval=4),
                           exact_resume=dict(type='schanger_mm.ExactResumeHook')), **kwargs)
    runner.train()
    return losses.values, runner


def test_a_checkpoint_with_a_group_per_parameter_resumes_to_the_same_losses(toy_runner, tmp_path):
    whole, before = train(toy_runner, 'DefaultOptimWrapperConstructor', 'whole')
    saved = torch.load(tmp_path / 'whole/iter_4.pth', weights_only=False)
    assert len(saved['optimizer']['param_groups']) == 8
    rest, runner = train(toy_runner, 'schanger_mm.MergedGroupsConstructor', 'rest', resume=True,
                         load_from=str(tmp_path / 'whole/iter_4.pth'))
    assert len(runner.optim_wrapper.optimizer.param_groups) == 3
    assert rest == pytest.approx(whole[4:], rel=1e-5)
    assert runner.optim_wrapper.get_lr()['lr'] == pytest.approx(
        [before.optim_wrapper.get_lr()['lr'][place] for place in (0, 1, 4)])
    assert all(group['fused'] for group in runner.optim_wrapper.optimizer.param_groups)
    weights = dict(before.model.named_parameters())
    for name, weight in runner.model.named_parameters():
        if name == 'encoder.0.bias':  # before a batch norm: its gradient is rounding, which AdamW scales up
            continue
        torch.testing.assert_close(weight, weights[name], rtol=1e-4, atol=1e-6)


def test_a_checkpoint_with_merged_groups_resumes_too(toy_runner, tmp_path):
    whole, _ = train(toy_runner, 'schanger_mm.MergedGroupsConstructor', 'whole')
    rest, _ = train(toy_runner, 'schanger_mm.MergedGroupsConstructor', 'rest', resume=True,
                    load_from=str(tmp_path / 'whole/iter_4.pth'))
    assert rest == whole[4:]
