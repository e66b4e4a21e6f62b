"""Losses reach the log as with mmengine's hook, read only when it is written."""

import pytest
import torch
from mmengine.hooks import Hook


class Watch(Hook):
    """Notes how many losses the message hub holds after each iteration."""

    priority = 'LOWEST'

    def __init__(self):
        self.held = []

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        scalars = runner.message_hub.log_scalars
        self.held.append(len(scalars['train/loss'].data[0]) if 'train/loss' in scalars else 0)


def train(toy_runner, kind, name, iters=11):
    watch = Watch()
    runner = toy_runner(iters=iters, val_interval=99, name=name, hooks=[watch], default_hooks=dict(
        runtime_info=dict(type=kind), logger=dict(type='LoggerHook', interval=4),
        checkpoint=dict(type='CheckpointHook', by_epoch=False, interval=6)))
    runner.train()
    return runner.message_hub.get_scalar('train/loss').data[0].tolist(), watch.held


def test_the_same_losses_are_handed_over_when_the_log_or_a_checkpoint_is_written(toy_runner, tmp_path):
    every, _ = train(toy_runner, 'RuntimeInfoHook', 'every')
    lazy, held = train(toy_runner, 'schanger_mm.LazyRuntimeInfoHook', 'lazy')
    assert lazy == every and len(lazy) == 11
    # 2: an epoch ends, where mmengine writes the log too
    assert held == [0, 2, 2, 4, 4, 6, 6, 8, 8, 8, 11]
    saved = torch.load(tmp_path / 'lazy/iter_6.pth', weights_only=False)
    assert saved['message_hub']['log_scalars']['train/loss'].data[0].tolist() == pytest.approx(every[:6])
