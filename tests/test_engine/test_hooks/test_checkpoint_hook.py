"""Checkpoints are whole or not there."""

import errno
import json
import math
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from schanger_mm.engine.hooks.checkpoint_hook import DurableBackend, SaveError
from schanger_mm.evaluation import ChangeMetric

KILLS = 50 if os.environ.get('SOAK') else 6


def saver(**kwargs):
    return dict(checkpoint=dict(type='schanger_mm.AtomicCheckpointHook', by_epoch=False, **{'interval': 1, **kwargs}))


def names(folder, pattern='*.pth'):
    return sorted(path.name for path in folder.glob(pattern))


def watch(monkeypatch, check):
    """Call ``check`` after every rename and every removal of a file."""
    def checked(call):
        def wrapped(*args, **kwargs):
            call(*args, **kwargs)
            check()
        return wrapped

    monkeypatch.setattr(os, 'replace', checked(os.replace))
    monkeypatch.setattr(os, 'unlink', checked(os.unlink))


def test_whatever_moment_it_stops_there_is_a_whole_checkpoint_and_the_pointer_names_one(
        toy_runner, tmp_path, monkeypatch):
    folder, seen = tmp_path / 'run', []

    def check():
        states = [torch.load(path, weights_only=False) for path in folder.glob('*.pth')]
        if (folder / 'last_checkpoint').exists():
            named = Path((folder / 'last_checkpoint').read_text())
            seen.append((named.name, len(names(folder, 'iter_*.pth')), len(names(folder, 'best_*.pth'))))
            assert named.is_file() and len(states) >= min(len(seen), 2)
        if seen and seen[-1][2]:
            best.add(tuple(names(folder, 'best_*.pth')))
            assert names(folder, 'best_*.pth')

    best, scores = set(), iter(range(1, 9))
    monkeypatch.setattr(ChangeMetric, 'compute_metrics', lambda *args: dict(F1=next(scores)))
    watch(monkeypatch, check)
    toy_runner(iters=6, val_interval=1, default_hooks=saver(
        max_keep_ckpts=2, save_best='changed/F1', rule='greater')).train()
    monkeypatch.undo()
    pointed = [name for name, *_ in seen]
    assert pointed == sorted(pointed) and pointed[-1] == 'iter_6.pth'
    assert {count for _, count, _ in seen} == {1, 2, 3}  # for a moment one more than are kept
    assert {len(found) for found in best} >= {1, 2}  # the former best stays until the next is whole
    assert names(folder, 'iter_*.pth') == ['iter_5.pth', 'iter_6.pth'] and len(names(folder, 'best_*.pth')) == 1
    assert not list(folder.glob('.*'))


@pytest.mark.parametrize('write', [2, 3, 4, 5])
def test_a_full_disk_keeps_what_was_there_and_says_so(toy_runner, tmp_path, monkeypatch, write):
    calls = []

    def fsync(descriptor):
        if not os.path.isdir(f'/proc/self/fd/{descriptor}'):
            calls.append(descriptor)
        if len(calls) >= write:
            raise OSError(errno.ENOSPC, 'No space left on device')

    monkeypatch.setattr(os, 'fsync', fsync)
    said = r'no space left: it takes 0\.\d MiB and [\d.]+ MiB are free.*--resume'
    with pytest.raises(SaveError, match=said) as error:
        toy_runner(iters=4, val_interval=9, default_hooks=saver(max_keep_ckpts=1)).train()
    folder = tmp_path / 'run'
    whole = names(folder)
    assert whole and all(torch.load(folder / name, weights_only=False)['state_dict'] for name in whole)
    if write > 2:
        assert Path((folder / 'last_checkpoint').read_text()).name in whole
    assert str(folder) in str(error.value) and not list(folder.glob('.*'))


def test_other_failures_name_the_file_too(tmp_path):
    (tmp_path / 'a').write_text('a file where a folder should be')
    with pytest.raises(SaveError, match=r'a/b\.pth could not be written'):
        DurableBackend().put(b'x', tmp_path / 'a' / 'b.pth')


def test_a_start_removes_what_a_killed_run_left_and_nothing_else(toy_runner, tmp_path):
    folder = tmp_path / 'run'
    folder.mkdir()
    for name in ('.iter_3.pth.77.partial', '.best_changed_F1_iter_2.pth.77.partial', '.last_checkpoint.77.partial',
                 '.other.png.77.partial', 'iter_900.pth'):
        (folder / name).write_text('half')
    toy_runner(iters=1, default_hooks=saver()).train()
    assert names(folder, '.*') == ['.other.png.77.partial']
    assert names(folder) == ['iter_1.pth', 'iter_900.pth']


def test_a_start_removes_what_a_killed_run_had_no_time_to_remove(toy_runner, tmp_path, monkeypatch):
    class Killed(BaseException):
        pass

    def killed(*args, **kwargs):
        raise Killed

    runner = toy_runner(iters=4, val_interval=9, default_hooks=saver(max_keep_ckpts=2))
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(Path, 'unlink', lambda path, missing_ok=False: killed() if path.suffix == '.pth' else None)
        runner.train()
    folder = tmp_path / 'run'
    assert names(folder) == ['iter_1.pth', 'iter_2.pth', 'iter_3.pth']
    toy_runner(iters=3, val_interval=9, default_hooks=saver(max_keep_ckpts=2), resume=True,
               load_from=str(folder / 'iter_3.pth'), experiment_name=f'{folder}_resumed').train()
    assert names(folder) == ['iter_2.pth', 'iter_3.pth']


@pytest.mark.long
@pytest.mark.stack
def test_killed_at_random_moments_a_run_ends_as_if_it_never_was(fakes, tmp_path):
    """SIGKILL while starting, training, writing; 6 times, and 50 by ``make test-soak``."""
    script = Path(__file__).parents[1] / 'killed_trainings.py'
    run = subprocess.run([sys.executable, script, 'soak', fakes('DemoDataset'), tmp_path, str(KILLS), '1'],
                         env={**os.environ, 'OMP_NUM_THREADS': '1'}, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr[-3000:]
    report = json.loads(run.stdout.splitlines()[-1])
    print(report)
    assert report['problems'] == [] and report['kills'] == KILLS
    assert report['half_written'] >= KILLS // 6


NAN = float('nan')


@pytest.mark.parametrize(('scores', 'kept'), [
    ([0.0, NAN, 0.0], 2),  # false alarms, none, false alarms, where nothing is to be found
    ([NAN, NAN, NAN], 3),
    ([NAN, 0.0, 0.0], 1),
    ([0.0, 0.0, 0.0], 1),
    ([NAN, 40.0, NAN], 2),
    ([40.0, NAN, 50.0], 3),
    ([10.0, 30.0, 20.0], 2),
])
def test_the_best_checkpoint_where_scores_are_undefined(toy_runner, tmp_path, monkeypatch, scores, kept):
    coming = iter(scores)
    monkeypatch.setattr(ChangeMetric, 'compute_metrics', lambda self, results: dict(F1=next(coming)))
    toy_runner(iters=3, val_interval=1, default_hooks=saver(save_best='changed/F1', rule='greater')).train()
    assert names(tmp_path / 'run', 'best_*.pth') == [f'best_changed_F1_iter_{kept}.pth']


def test_a_network_without_false_alarms_replaces_one_with_them(toy_runner, tmp_path, toy_net):
    """A validation split without a changed pixel: the untrained network finds some, the last one none."""
    runner = toy_runner(iters=3, val_interval=1, default_hooks=saver(save_best='changed/F1', rule='greater'))
    for _, truth, _ in runner.val_dataloader.dataset.items:
        truth[:] = 0
    with torch.no_grad():
        runner.model.head.bias.fill_(0.05)
    runner.train()
    content = torch.load(next((tmp_path / 'run').glob('best_*.pth')), weights_only=False)
    assert math.isnan(content['message_hub']['runtime_info']['best_score'])
