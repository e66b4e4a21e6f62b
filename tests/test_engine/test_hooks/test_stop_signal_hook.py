"""Ctrl-C and SIGTERM: a checkpoint, an exit status, and a resumed run that is the one that never stopped."""

import os
import select
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest
import torch
from mmengine.hooks import Hook

from schanger_mm.apis import build_runner, resume_from, train
from schanger_mm.commands.cli import report_errors
from schanger_mm.engine.hooks.stop_signal_hook import Stopped
from schanger_mm.engine.resume import latest_checkpoint

CONFIGS = Path(__file__).parents[3] / 'configs'
PARTS = ('state_dict', 'ema_state_dict', 'optimizer', 'param_schedulers')


class Send(Hook):
    """Sends this process a signal in the middle of an iteration, counted from 1, or of the validation after it."""

    def __init__(self, iteration=None, number=signal.SIGINT, in_validation=False, times=1):
        self.iteration, self.number, self.in_validation, self.times = iteration, number, in_validation, times
        self.trained = []

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        if runner.iter + 1 == self.iteration and not self.in_validation:
            for _ in range(self.times):
                os.kill(os.getpid(), self.number)
                time.sleep(0.01)  # so that Python handles each

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        self.trained.append(runner.iter + 1)

    def before_val_iter(self, runner, batch_idx, data_batch=None):
        if self.in_validation and runner.iter == self.iteration and batch_idx == 0:
            os.kill(os.getpid(), self.number)


@pytest.fixture(autouse=True)
def _python_signals():
    """A shell that starts pytest in the background ignores SIGINT; and nothing here may change handlers."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    yield
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == handlers
    signal.signal(signal.SIGINT, before)


def run(toy_runner, tmp_path, name, *hooks, resume=False, iters=8, interval=3, val_interval=4, optim=None):
    kwargs = {}
    if resume:
        kwargs.update(resume=True, load_from=str(latest_checkpoint(tmp_path / name).path),
                      experiment_name=f'{tmp_path}_{name}_2')
    runner = toy_runner(
        iters=iters, val_interval=val_interval, name=name, sampler='schanger_mm.SeededInfiniteSampler', batch_size=1,
        randomness=dict(seed=3), hooks=[dict(type='EMAHook', momentum=0.2, interval=2, update_buffers=True), *hooks],
        param_scheduler=dict(type='PolyLR', power=0.9, begin=0, end=iters, by_epoch=False),
        default_hooks=dict(
            checkpoint=dict(type='schanger_mm.AtomicCheckpointHook', by_epoch=False, interval=interval,
                            max_keep_ckpts=2),
            exact_resume=dict(type='schanger_mm.ExactResumeHook'),
            stop_signal=dict(type='schanger_mm.StopSignalHook')), **kwargs)
    runner.optim_wrapper = optim or dict(optimizer=dict(type='AdamW', lr=0.05))
    torch.manual_seed(0)
    train(runner)
    return runner


def same(a, b):
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(same, a, b))
    return torch.equal(a, b) if isinstance(a, torch.Tensor) else a == b


def assert_same_end(one, other, name='iter_8.pth', parts=PARTS):
    a, b = (torch.load(folder / name, weights_only=False) for folder in (one, other))
    for part in parts:
        assert same(a[part], b[part]), part


@pytest.mark.parametrize('number, name, status', [(signal.SIGINT, 'Ctrl-C', 130), (signal.SIGTERM, 'SIGTERM', 143)])
def test_the_iteration_is_finished_and_saved_and_the_run_goes_on_exactly(number, name, status, toy_runner, tmp_path,
                                                                         capfd):
    run(toy_runner, tmp_path, 'straight')
    stop, rest = Send(5, number), Send()
    with pytest.raises(Stopped, match=f'{name}: stopped after iteration 5 and saved .*iter_5.pth.*--resume') as stopped:
        run(toy_runner, tmp_path, 'stopped', stop)
    assert stop.trained == [1, 2, 3, 4, 5] and stopped.value.status == status
    assert capfd.readouterr().err == f'\n{name}: finishing this iteration and saving; a second signal quits at once.\n'
    assert latest_checkpoint(tmp_path / 'stopped').path == tmp_path / 'stopped/iter_5.pth'
    run(toy_runner, tmp_path, 'stopped', rest, resume=True)
    assert rest.trained == [6, 7, 8]
    assert_same_end(tmp_path / 'straight', tmp_path / 'stopped')


def test_signals_that_come_together_are_one(toy_runner, tmp_path, capfd):
    """`timeout` sends SIGTERM to its child, and then to the group that the child is in."""
    with pytest.raises(Stopped, match='SIGTERM: stopped after iteration 2 and saved .*iter_2.pth'):
        run(toy_runner, tmp_path, 'run', Send(2, signal.SIGTERM, times=3))
    assert capfd.readouterr().err.count('a second signal quits at once') == 1


@pytest.mark.parametrize('reader', ['gone', 'asleep'])
def test_a_pipe_that_nobody_reads_holds_nothing_up(reader, toy_runner, tmp_path, capfd):
    """In `train.py 2>&1 | tee log` Ctrl-C ends tee as well."""
    read, write = os.pipe()
    os.set_blocking(write, False)
    with suppress(BlockingIOError):
        while os.write(write, bytes(4096)):
            pass
    os.set_blocking(write, True)
    if reader == 'gone':
        os.close(read)

    class Redirect(Send):
        def before_train_iter(self, runner, batch_idx, data_batch=None):
            if runner.iter + 1 == self.iteration:
                before = os.dup(2)
                os.dup2(write, 2)
                super().before_train_iter(runner, batch_idx)
                os.dup2(before, 2)
                os.close(before)

    with pytest.raises(Stopped, match='saved .*iter_2.pth'):
        run(toy_runner, tmp_path, 'run', Redirect(2))
    os.close(write)


def test_on_windows_it_is_said_and_saved_too(toy_runner, tmp_path, monkeypatch, capfd):
    """There `select` takes sockets only, and a pipe that wakes Python up is not made non-blocking by us."""
    wake, set_blocking = signal.set_wakeup_fd, os.set_blocking

    def any_pipe(number, **options):  # Windows asks this of sockets alone
        if number >= 0:
            set_blocking(number, False)
        return wake(number, **options)

    def sockets_only(*lists):
        raise OSError(10038, 'not a socket')
    monkeypatch.setattr(signal, 'set_wakeup_fd', any_pipe)
    monkeypatch.setattr(select, 'select', sockets_only)
    monkeypatch.delattr(os, 'set_blocking')
    monkeypatch.setattr(sys, 'platform', 'win32')
    with pytest.raises(Stopped, match='Ctrl-C: stopped after iteration 2 and saved .*iter_2.pth'):
        run(toy_runner, tmp_path, 'run', Send(2, signal.SIGINT))
    assert 'Ctrl-C: finishing this iteration and saving' in capfd.readouterr().err


def test_a_checkpoint_that_is_due_anyway_is_saved_once(toy_runner, tmp_path):
    with pytest.raises(Stopped, match='saved .*iter_3.pth'):
        run(toy_runner, tmp_path, 'run', Send(3))
    assert [path.name for path in (tmp_path / 'run').glob('*.pth')] == ['iter_3.pth']


def test_a_validation_is_not_waited_for_and_comes_first_after_the_resume(toy_runner, tmp_path):
    run(toy_runner, tmp_path, 'straight')
    with pytest.raises(Stopped, match='stopped after iteration 4 and saved .*iter_4.pth'):
        run(toy_runner, tmp_path, 'stopped', Send(4, in_validation=True))
    saved = torch.load(tmp_path / 'stopped/iter_4.pth', weights_only=False)
    assert saved['exact_resume']['validated'] is False
    runner = run(toy_runner, tmp_path, 'stopped', resume=True)
    assert len(runner.message_hub.get_scalar('val/changed/F1').data[0]) == 2  # after 4 and after 8
    assert_same_end(tmp_path / 'straight', tmp_path / 'stopped')


def test_an_accumulated_update_is_completed_first(toy_runner, tmp_path):
    optim = dict(optimizer=dict(type='SGD', lr=0.1), accumulative_counts=4)
    run(toy_runner, tmp_path, 'straight', optim=optim)
    with pytest.raises(Stopped, match='stopped after iteration 4 '):
        run(toy_runner, tmp_path, 'stopped', Send(2), optim=optim)
    run(toy_runner, tmp_path, 'stopped', resume=True, optim=optim)
    assert_same_end(tmp_path / 'straight', tmp_path / 'stopped')


def test_without_our_checkpoint_hook_it_says_that_nothing_was_saved(toy_runner):
    runner = toy_runner(hooks=[Send(1), dict(type='schanger_mm.StopSignalHook')])
    with pytest.raises(Stopped, match='stopped after iteration 1. Nothing was saved'):
        train(runner)


def test_the_tools_end_with_one_line_and_the_status_of_the_signal(capsys):
    def main():
        raise Stopped('SIGTERM: stopped.', 143)

    def interrupted():
        raise KeyboardInterrupt

    assert report_errors(main) == 143 and capsys.readouterr().err == 'SIGTERM: stopped.\n'
    assert report_errors(interrupted) == 130 and capsys.readouterr().err == 'interrupted\n'


def test_training_by_epochs_goes_on_within_an_epoch(small, fakes, tmp_path):
    """SaDL's own config, two iterations in each of its two epochs."""
    data = shutil.copytree(fakes('InriaDataset'), tmp_path / 'data')
    for folder in ('images', 'gt'):
        for index in range(2):
            shutil.copy(data / f'train/{folder}/{index}.png', data / f'train/{folder}/{index + 2}.png')
    (data / 'splits/train.txt').write_text('0\n1\n2\n3\n')

    def sadl(name, *hooks, resume=None):
        cfg = small(CONFIGS / 'sadl/sadl_r18-fpn_inria.py', tmp_path / name, lambda kind: str(data))
        cfg.model.backbone.update(init_cfg=None, stem_channels=8, base_channels=8)
        cfg.model.neck.update(in_channels=[8, 16, 32, 64], out_channels=16)
        cfg.model.projector.in_channels = 16
        cfg.default_hooks.checkpoint.interval = 1
        cfg.custom_hooks = []
        if resume:
            resume_from(cfg, resume)
        torch.manual_seed(0)
        runner = build_runner(cfg)
        for hook in hooks:
            runner.register_hook(hook)
        train(runner)
        return runner

    stop, rest = Send(3), Send()
    straight = sadl('straight')
    assert straight.iter == 4
    with pytest.raises(Stopped, match=r'after iteration 3 and saved .*iter_3\.pth'):
        sadl('stopped', stop)
    files = sorted(path.name for path in (tmp_path / 'stopped').glob('*.pth'))
    assert files == ['epoch_1.pth', 'iter_3.pth']
    sadl('stopped', rest, resume='auto')
    assert rest.trained == [4]
    assert_same_end(tmp_path / 'straight', tmp_path / 'stopped', 'epoch_2.pth',
                    ('state_dict', 'optimizer', 'param_schedulers'))
    for log in (tmp_path / 'stopped').glob('*/*.log'):
        assert 'bit for bit' not in log.read_text()


@pytest.fixture
def start(fakes, tmp_path):
    """Start tools/train.py in a process group of its own, as a terminal does, and wait until it trains."""
    root = fakes('DemoDataset')

    def start(name, workers, *words, wait=True, iters=100_000):
        log = open(tmp_path / f'{name}.log', 'w')
        code = ('import runpy, signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); '
                'sys.argv = sys.argv[1:]; runpy.run_path(sys.argv[0], run_name="__main__")')
        options = [f'{split}_dataloader.dataset.data_root={root}' for split in ('train', 'val')]
        process = subprocess.Popen(
            [sys.executable, '-c', code, 'tools/train.py', 'configs/schanger/demo.py', '--work-dir', tmp_path / name,
             *words, '--cfg-options', 'load_from=None', *options, f'train_dataloader.num_workers={workers}',
             'train_dataloader.batch_size=2', f'train_cfg.max_iters={iters}', f'train_cfg.val_interval={iters}',
             'model.backbone.arch=8,8,12,16,20,24', 'model.decode_head.arch=8,8,12,16,20,24',
             'default_hooks.logger.interval=1', f'default_hooks.checkpoint.interval={iters}'],
            cwd=CONFIGS.parent, env={**os.environ, 'PYTHONPATH': str(CONFIGS.parent), 'OMP_NUM_THREADS': '1'},
            stdout=log, stderr=log, start_new_session=True)
        started.append(process)
        deadline = time.monotonic() + 240
        while wait and 'Iter(train) [     2/' not in text(name):
            assert process.poll() is None and time.monotonic() < deadline, text(name)[-3000:]
            time.sleep(0.05)
        return process

    def text(name):
        return (tmp_path / f'{name}.log').read_text()

    started = []
    yield start, text
    for process in started:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)


@pytest.mark.long
@pytest.mark.parametrize('workers, number, status', [(0, signal.SIGINT, 130), (2, signal.SIGINT, 130),
                                                     (2, signal.SIGTERM, 143)])
def test_as_a_user_types_it(workers, number, status, start, tmp_path):
    """The signal goes to the process and its workers, as terminals and clusters send it."""
    begin, text = start
    process = begin('run', workers)
    os.killpg(process.pid, number)
    assert process.wait(timeout=120) == status, text('run')[-3000:]
    said = text('run')
    assert 'Traceback' not in said and 'Error' not in said and 'exited unexpectedly' not in said, said[-3000:]
    assert 'The same command with --resume continues from there.' in said.splitlines()[-1]
    (saved, ) = (tmp_path / 'run').glob('iter_*.pth')
    assert (tmp_path / 'run/last_checkpoint').read_text() == str(saved)


@pytest.mark.long
def test_the_second_one_quits_at_once_and_before_training_the_first(start, tmp_path):
    begin, text = start
    process = begin('run', 2)
    os.kill(process.pid, signal.SIGSTOP)  # so that both arrive while it does nothing
    for _ in range(2):
        time.sleep(1.1)  # more than what counts as one
        os.killpg(process.pid, signal.SIGINT)
        os.kill(process.pid, signal.SIGCONT)
        deadline = time.monotonic() + 60
        while 'a second signal quits at once' not in text('run') and time.monotonic() < deadline:
            time.sleep(0.001)
    assert process.wait(timeout=60) in (-signal.SIGINT, 130)
    early = begin('early', 0, wait=False)
    deadline = time.monotonic() + 120
    while not (tmp_path / 'early').exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    os.killpg(early.pid, signal.SIGINT)
    assert early.wait(timeout=120) == 130
    assert 'Traceback' not in text('early') and not list((tmp_path / 'early').glob('*.pth'))


@pytest.mark.long
def test_many_workers_and_two_signals_to_the_whole_group_in_a_pipe(start, tmp_path):
    begin, text = start
    process = begin('run', 6)
    for _ in range(2):
        os.killpg(process.pid, signal.SIGTERM)
        time.sleep(0.05)
    assert process.wait(timeout=60) == 143, text('run')[-3000:]
    with pytest.raises(ProcessLookupError):  # nobody of the group is left to hold a pipe open
        os.killpg(process.pid, 0)
    assert 'Traceback' not in text('run') and list((tmp_path / 'run').glob('iter_*.pth'))
