"""The time of a training: what counts, what the log and the checkpoints hold, and what a resume continues with."""

import pytest
import torch
from mmengine.hooks import Hook

from schanger_mm.analysis.curves import read_runs
from schanger_mm.engine.hooks import training_time_hook

TIME = dict(type='schanger_mm.TrainingTimeHook')
SAVE = dict(checkpoint=dict(type='schanger_mm.AtomicCheckpointHook', by_epoch=False, interval=1),
            logger=dict(type='LoggerHook', interval=1, log_metric_by_epoch=False))


class Work(Hook):
    """Lets time pass: 60 s of the processor and 30 s of the clock for an iteration, ten times that for a validation."""

    priority = 'NORMAL'

    def __init__(self):
        self.cpu = self.clock = 1000.0

    def before_train_iter(self, runner, *args, **kwargs):
        self.cpu, self.clock = self.cpu + 60, self.clock + 30

    def before_val_iter(self, runner, *args, **kwargs):
        self.cpu, self.clock = self.cpu + 600, self.clock + 300


@pytest.fixture
def train(toy_runner, monkeypatch):
    """Return a function that trains four iterations, two between validations, while time passes."""
    def run(name, load_from=None, iters=4):
        work = Work()
        monkeypatch.setattr(training_time_hook, '_now', lambda: (work.cpu, work.clock))
        runner = toy_runner(iters=iters, val_interval=2, name=name, hooks=[TIME, work], default_hooks=dict(SAVE),
                            load_from=load_from and str(load_from), resume=load_from is not None)
        runner.train()
        return runner
    return run


def test_iterations_count_and_validations_do_not(train, tmp_path):
    train('run')
    (run, ) = read_runs([tmp_path / 'run'])
    both = [(1, 1.0), (2, 2.0), (3, 3.0), (4, 4.0)]
    assert dict(run.curves['core_minutes']) == dict(both)
    assert dict(run.curves['minutes']) == {step: minutes / 2 for step, minutes in both}
    assert [step for step, _ in run.curves['core_minutes']].count(2) == 2  # of the iteration, and of the validation
    saved = torch.load(tmp_path / 'run/iter_3.pth', weights_only=False)['training_time']
    assert saved == dict(cpu_seconds=180.0, seconds=90.0)


def test_a_resumed_run_continues_with_the_time_of_its_checkpoint(train, tmp_path):
    train('run', iters=3)
    train('again', load_from=tmp_path / 'run/iter_2.pth')  # its third iteration is done once more
    (run, ) = read_runs([tmp_path / 'again'])
    assert dict(run.curves['core_minutes']) == {3: 3.0, 4: 4.0}
    saved = torch.load(tmp_path / 'again/iter_4.pth', weights_only=False)['training_time']
    assert saved == dict(cpu_seconds=240.0, seconds=120.0)


def test_weights_that_are_only_loaded_bring_no_time(toy_runner, train, tmp_path, monkeypatch):
    train('run', iters=2)
    work = Work()
    monkeypatch.setattr(training_time_hook, '_now', lambda: (work.cpu, work.clock))
    toy_runner(iters=1, name='new', hooks=[TIME, work], default_hooks=dict(SAVE),
               load_from=str(tmp_path / 'run/iter_2.pth')).train()
    assert torch.load(tmp_path / 'new/iter_1.pth', weights_only=False)['training_time']['seconds'] == 30.0


def test_it_measures_the_processor_and_the_clock():
    cpu, clock = training_time_hook._now()
    sum(range(10**6))
    later = training_time_hook._now()
    assert 0 < later[0] - cpu < 5 and 0 < later[1] - clock < 60
