"""Losses that are NaN or Inf: nothing of them reaches weights, statistics or checkpoints."""

import copy
import errno
import json
from functools import partial
from pathlib import Path

import pytest
import torch
from mmengine.hooks import Hook
from mmengine.optim.optimizer import amp_optimizer_wrapper

from schanger_mm.apis import build_runner, set_on_nan
from schanger_mm.engine import failed_batch
from schanger_mm.engine.failed_batch import read_batch
from schanger_mm.engine.hooks.bad_loss_hook import BadLossError, BadLossHook

CONFIGS = Path(__file__).parents[3] / 'configs'


class Poison(Hook):
    """Spoils chosen iterations, counted from 1: their input, their loss, or their gradients only."""

    def __init__(self, *iterations, what='input', value=float('nan')):
        self.iterations, self.what, self.value = iterations, what, value

    def before_train(self, runner):
        self.loss_value = 0.0
        network, self.factor = runner.model, 0.0
        parse = network.parse_losses

        def parse_losses(losses):
            total, log = parse(losses)
            if self.what == 'loss':
                total = log['loss'] = total + self.factor
            elif self.what == 'gradients' and self.factor:
                total.register_hook(lambda gradient: gradient * self.factor)
            return total, log
        network.parse_losses = parse_losses

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        spoilt = runner.iter + 1 in self.iterations
        self.factor = self.value if spoilt else 0.0
        if spoilt and self.what == 'input':
            data_batch['inputs'] = [torch.full_like(image, self.value, dtype=torch.float32)
                                    for image in data_batch['inputs']]


def default_hooks(interval=1, **kwargs):
    return dict(checkpoint=dict(type='schanger_mm.AtomicCheckpointHook', by_epoch=False, interval=interval,
                                max_keep_ckpts=2),
                bad_loss=dict(type='schanger_mm.BadLossHook', **kwargs))


def train(toy_runner, *hooks, iters=5, interval=1, name='run', optim=None, experiment_name=None, **kwargs):
    names = dict(experiment_name=experiment_name) if experiment_name else {}
    runner = toy_runner(iters=iters, val_interval=9, hooks=hooks, name=name, **names,
                        default_hooks=default_hooks(interval, **kwargs))
    if optim:
        runner.optim_wrapper = optim
    runner.train()
    return runner


def files(folder):
    return sorted(path.name for path in folder.glob('*.pth'))


def finite(runner):
    return all(value.isfinite().all() for value in runner.model.state_dict().values())


@pytest.mark.parametrize('what, value, said', [
    ('input', float('nan'), r'iteration 4: the loss is nan; .*NaN or Inf already in every input'),
    ('loss', float('inf'), r'iteration 4: the loss is inf; .*two.png \(labels hold 0, 1\)\. '),
    ('loss', float('nan'), 'iteration 4: the loss is nan; '),
    ('gradients', float('inf'), r'iteration 4: the loss is 0\.\d+, but its gradients are not finite; '),
])
def test_a_bad_iteration_stops_before_the_step_and_the_newest_checkpoint_stays(what, value, said, toy_runner, tmp_path):
    runner = toy_runner(iters=6, val_interval=9, hooks=[Poison(4, what=what, value=value)],
                        default_hooks=default_hooks())
    with pytest.raises(BadLossError, match=said) as stopped:
        runner.train()
    message = str(stopped.value)
    assert '\n' not in message and '--resume' in message and '--on-nan skip' in message
    run = tmp_path / 'run'
    assert files(run) == ['iter_2.pth', 'iter_3.pth'] and (run / 'last_checkpoint').read_text().endswith('iter_3.pth')
    saved = torch.load(run / 'iter_3.pth', weights_only=False)['state_dict']
    for key, weight in runner.model.named_parameters():
        assert torch.equal(weight, saved[key])

    # InfiniteSampler without shuffling, three pairs, two per batch: iteration 4 has the first and the second
    for name in ('one', 'two'):
        for date in 'AB':
            assert str(tmp_path / date / f'{name}.png') in message
    assert 'three.png' not in message and str(run / 'failures' / 'iter_4') in message
    record = json.loads((run / 'failures/iter_4/batch.json').read_text())
    assert record['iteration'] == 4
    assert record['samples'][0]['img_path'] == [str(tmp_path / date / 'one.png') for date in 'AB']


def test_the_copy_holds_inputs_labels_and_metainfo_and_gives_the_same_loss(toy_runner, toy_net, tmp_path):
    runner = toy_runner(iters=2, val_interval=9, hooks=[Poison(1, what='loss')], default_hooks=default_hooks())
    with pytest.raises(BadLossError):
        runner.train()
    batch = read_batch(tmp_path / 'run/failures/iter_1')
    wanted = [runner.train_dataloader.dataset[i] for i in (0, 1)]
    for image, sample, one in zip(batch['inputs'], batch['data_samples'], wanted, strict=True):
        assert torch.equal(image, one['inputs'])
        assert torch.equal(sample.gt_sem_seg.data, one['data_samples'].gt_sem_seg.data)
        assert sample.metainfo == one['data_samples'].metainfo
    torch.manual_seed(0)
    net = toy_net()
    plain = [net(**dict(inputs=[w['inputs'] for w in wanted], data_samples=[w['data_samples'] for w in wanted]),
                 mode='loss')['loss'], net(**batch, mode='loss')['loss']]
    assert torch.equal(*plain)
    for number in (2, 3):  # a second failure of the same iteration replaces nothing
        with pytest.raises(BadLossError, match=f'iter_1-{number}'):
            train(toy_runner, Poison(1, what='loss'), experiment_name=f'{tmp_path.name}_{number}')


def test_a_full_disk_costs_the_copy_and_nothing_else(toy_runner, tmp_path, monkeypatch):
    def full(path, tensors):
        path.touch()
        raise OSError(errno.ENOSPC, 'No space left on device')
    monkeypatch.setattr(failed_batch, 'write_safetensors', full)
    with pytest.raises(BadLossError, match=r'the loss is nan; .* No copy of the batch could be saved .*No space left'):
        train(toy_runner, Poison(2, what='loss'))
    assert files(tmp_path / 'run') == ['iter_1.pth'] and not list((tmp_path / 'run/failures').iterdir())


@pytest.mark.parametrize('what', ['input', 'loss', 'gradients'])
def test_skip_goes_on_as_if_the_update_had_not_been(what, toy_runner, tmp_path):
    skipped = train(toy_runner, Poison(2, 4, what=what), on_nan='skip')
    assert finite(skipped) and skipped.iter == 5
    assert skipped.message_hub.get_info('skipped_updates') == 2
    (log, ) = (tmp_path / 'run').glob('*/*.log')
    lines = [line for line in log.read_text().splitlines() if 'Update skipped' in line]
    assert len(lines) == 2 and '(1 in a row, 2 in total)' in lines[1]
    assert 'A/three.png' in lines[0] and 'A/one.png' in lines[0]
    history = skipped.message_hub.get_scalar('train/loss').data[0]
    assert len(history) == (5 if what == 'gradients' else 3) and all(map(torch.isfinite, map(torch.tensor, history)))

    class LeaveOut(Hook):  # the same by other means: weights and statistics of iterations 2 and 4 put back
        def before_train_iter(self, runner, batch_idx, data_batch=None):
            self.state = copy.deepcopy((runner.model.state_dict(), runner.optim_wrapper.state_dict()))

        def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
            if runner.iter + 1 in (2, 4):
                runner.model.load_state_dict(self.state[0])
                runner.optim_wrapper.load_state_dict(self.state[1])

    other = train(toy_runner, LeaveOut(), name='other')
    for key, value in other.model.state_dict().items():
        assert torch.equal(value, skipped.model.state_dict()[key]), key


def test_without_the_hook_the_weights_would_be_lost(toy_runner):
    """The test above can fail."""
    runner = toy_runner(iters=2, val_interval=9, hooks=[Poison(1)])
    runner.train()
    assert not finite(runner)


@pytest.mark.parametrize('limits, bad, stops_at, said', [
    (dict(max_in_row=2), (2, 3, 4), 4, r'3 updates skipped in a row, more than .*bad_loss\.max_in_row=2'),
    (dict(max_skipped=2), (1, 3, 5), 5, r'3 updates skipped in all, more than .*bad_loss\.max_skipped=2'),
])
def test_skipping_has_limits(limits, bad, stops_at, said, toy_runner, tmp_path):
    with pytest.raises(BadLossError, match=said) as stopped:
        train(toy_runner, Poison(*bad), iters=6, on_nan='skip', **limits)
    assert f'iteration {stops_at}: ' in str(stopped.value)
    assert (tmp_path / f'run/failures/iter_{stops_at}/batch.safetensors').is_file()


def test_what_was_left_out_before_a_resume_counts(toy_runner, tmp_path):
    train(toy_runner, Poison(1, 2), iters=3, on_nan='skip')
    runner = toy_runner(iters=6, val_interval=9, hooks=[Poison(5)], name='run', resume=True,
                        load_from=str(tmp_path / 'run/iter_3.pth'), experiment_name=f'{tmp_path}_again',
                        default_hooks=default_hooks(on_nan='skip', max_skipped=2))
    with pytest.raises(BadLossError, match='iteration 5: .* 3 updates skipped in all'):
        runner.train()


def test_of_accumulated_gradients_the_whole_update_is_left_out(toy_runner, tmp_path):
    optim = dict(optimizer=dict(type='SGD', lr=0.2), accumulative_counts=2)
    weights = []

    class Watch(Hook):
        def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
            weights.append(runner.model.head.weight.detach().clone())

    runner = train(toy_runner, Poison(3), Watch(), iters=6, on_nan='skip', optim=optim)
    changed = [not torch.equal(a, b) for a, b in zip(weights, weights[1:])]
    assert changed == [True, False, False, False, True] and finite(runner)


@pytest.fixture
def scaler(monkeypatch):
    monkeypatch.setattr(amp_optimizer_wrapper, 'is_cuda_available', lambda: True)  # mmengine scales on GPUs only
    monkeypatch.setattr(amp_optimizer_wrapper, 'GradScaler', partial(torch.amp.GradScaler, 'cpu'))
    return dict(type='AmpOptimWrapper', dtype='bfloat16', optimizer=dict(type='SGD', lr=0.1),
                loss_scale=dict(init_scale=8.0, growth_interval=99))


def test_gradients_that_overflow_under_a_loss_scaler_are_its_business(scaler, toy_runner):
    runner = train(toy_runner, Poison(2, what='gradients', value=float('inf')), iters=3, optim=scaler)
    assert runner.iter == 3 and finite(runner)
    assert runner.optim_wrapper.loss_scaler.get_scale() == 4.0  # halved once


def test_a_bad_loss_under_a_loss_scaler_is_not(scaler, toy_runner):
    runner = train(toy_runner, Poison(2, what='loss'), iters=3, optim=scaler, on_nan='skip')
    assert finite(runner) and runner.message_hub.get_info('skipped_updates') == 1
    assert runner.optim_wrapper.loss_scaler.get_scale() == 8.0


def test_another_process_has_the_bad_part(toy_runner, monkeypatch):
    from schanger_mm.engine import update_gate
    monkeypatch.setattr(update_gate, 'get_world_size', lambda: 2)
    monkeypatch.setattr(update_gate, 'all_reduce', lambda bad, how: bad.fill_(1))
    with pytest.raises(BadLossError, match='iteration 1: an update of another process is not finite'):
        train(toy_runner)


def test_weights_or_statistics_that_are_not_finite_are_not_saved(toy_runner, tmp_path):
    class Break(Hook):
        def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
            if runner.iter == 2:
                runner.model.encoder[1].running_var[0] = float('inf')

    with pytest.raises(BadLossError, match=r'iteration 3: 1 weights or running .* encoder\.1\.running_var first'):
        train(toy_runner, Break())
    assert files(tmp_path / 'run') == ['iter_1.pth', 'iter_2.pth']


def test_wrong_settings_are_refused():
    with pytest.raises(ValueError, match="on_nan: expected 'stop' or 'skip', found 'go'"):
        BadLossHook('go')
    with pytest.raises(ValueError, match='max_in_row=0'):
        BadLossHook(max_in_row=0)


@pytest.mark.parametrize('config, arch', [
    ('schanger/demo.py', (8, 8, 12, 16, 20, 24)), ('sadl/sadl_r18-fpn_inria.py', None),
    ('sadl/fpn-cd_r18_levir.py', None)])
@pytest.mark.filterwarnings('error:Seems like')
def test_our_networks_survive_a_nan_in_the_input(config, arch, small, tmp_path):
    cfg = small(CONFIGS / config, tmp_path / 'run')
    cfg.model.backbone.init_cfg = None
    if arch:
        cfg.model.backbone.arch = cfg.model.decode_head.arch = arch
    cfg.val_cfg = cfg.val_dataloader = cfg.val_evaluator = None
    cfg.default_hooks.checkpoint.pop('save_best', None)
    cfg.custom_hooks = []
    set_on_nan(cfg, 'skip')
    runner = build_runner(cfg)
    runner.register_hook(Poison(1))
    runner.train()
    assert runner.iter == 2 and finite(runner) and runner.message_hub.get_info('skipped_updates') == 1
    assert files(tmp_path / 'run')
    means = [value for key, value in runner.model.state_dict().items() if key.endswith('running_mean')]
    assert means and any(value.abs().sum() > 0 for value in means)  # of the second batch


@pytest.mark.parametrize('config', [
    path for path in sorted(CONFIGS.glob('[!_]*/*.py')) if path.parent.name != 'opencd'  # which has hooks of its own
], ids=lambda path: path.stem)
def test_every_config_has_it(config):
    from mmengine.config import Config
    hooks = Config.fromfile(config).default_hooks
    assert hooks.bad_loss.type == 'BadLossHook' and hooks.bad_loss.on_nan == 'stop'
    assert hooks.stop_signal.type == 'StopSignalHook'
