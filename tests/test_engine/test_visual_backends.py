"""Backends of the visualizer by name, with stand-ins for their packages."""

import importlib
import json
import sys
import types

import pytest
from mmengine.config import Config

from schanger_mm.engine.visual_backends import BACKENDS, add_backends, check_backends
from schanger_mm.utils.errors import MissingPackageError, SettingError

WANDB = '''
import os
from types import SimpleNamespace

class UsageError(Exception):
    __module__ = 'wandb.errors'

logged = []
silent = os.environ.get('WANDB_ERROR_REPORTING')
config = SimpleNamespace(update=lambda *args, **kwargs: None)
run = SimpleNamespace(dir='.', log_code=lambda name: None)

def init(dir):
    if 'refused' in dir:
        raise UsageError('api_key not configured (no-tty)')

def log(scalars, commit=True):
    logged.append(scalars)

def join():
    pass
'''
MLFLOW = '''
import os

logged = []
silent = os.environ.get('MLFLOW_DISABLE_TELEMETRY')

class MlflowException(Exception):
    pass

def log_metrics(scalars, step):
    logged.append(scalars)

def nothing(*args, **kwargs):
    pass

set_tracking_uri = get_experiment_by_name = create_experiment = set_experiment = log_params = log_text = nothing
log_artifact = end_run = nothing
'''


class SummaryWriter:
    """What mmengine uses of TensorBoard's."""

    logged = []

    def __init__(self, folder):
        self.folder = folder

    def add_text(self, name, text):
        pass

    def add_scalar(self, name, value, step):
        self.logged.append({name: value})

    def close(self):
        pass


@pytest.fixture
def packages(tmp_path, monkeypatch):
    """Stand-ins for the packages, which keep what is logged."""
    folder = tmp_path / 'packages'
    folder.mkdir()
    for name, text in dict(wandb=WANDB, mlflow=MLFLOW, tensorboard='').items():
        (folder / f'{name}.py').write_text(text)
        monkeypatch.delitem(sys.modules, name, raising=False)
    for variable in ('WANDB_ERROR_REPORTING', 'MLFLOW_DISABLE_TELEMETRY'):
        monkeypatch.setenv(variable, 'x')  # so that it is put back
        monkeypatch.delenv(variable)
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setattr(sys, 'dont_write_bytecode', True)
    SummaryWriter.logged = []
    board = types.ModuleType('torch.utils.tensorboard')
    board.SummaryWriter = SummaryWriter
    monkeypatch.setitem(sys.modules, 'torch.utils.tensorboard', board)
    importlib.invalidate_caches()
    yield folder
    for name in BACKENDS:
        sys.modules.pop(name, None)


def kinds(cfg):
    return [backend['type'] for backend in cfg.visualizer.vis_backends]


def test_backends_are_added_once_to_those_of_the_config(packages):
    cfg = Config(dict(visualizer=dict(type='ChangeVisualizer', vis_backends=[
        dict(type='LocalVisBackend'), dict(type='WandbVisBackend', init_kwargs=dict(project='mine'))])))
    add_backends(cfg, ['tensorboard', 'wandb', 'tensorboard'])
    assert kinds(cfg) == ['LocalVisBackend', 'WandbVisBackend', 'TensorboardVisBackend']
    assert cfg.visualizer.vis_backends[1].init_kwargs.project == 'mine'
    for empty in ({}, dict(visualizer=dict(type='ChangeVisualizer', vis_backends=None))):
        cfg = Config(empty)
        add_backends(cfg, ['mlflow'])
        assert kinds(cfg) == ['MLflowVisBackend'] and cfg.visualizer.type == 'ChangeVisualizer'


def test_a_training_logs_to_all_of_them(packages, toy_runner, tmp_path):
    cfg = Config(dict(visualizer=dict(type='schanger_mm.ChangeVisualizer',
                                      vis_backends=[dict(type='LocalVisBackend')])))
    add_backends(cfg, [*BACKENDS])
    runner = toy_runner(iters=2, val_interval=2, visualizer=cfg.visualizer,
                        default_hooks=dict(logger=dict(type='LoggerHook', interval=1)))
    check_backends(runner.visualizer)
    runner.visualizer.add_config(Config(dict(work_dir=runner.work_dir)))  # as a Runner with a config does
    runner.train()
    import mlflow
    import wandb
    (file, ) = (tmp_path / 'run').glob('*/vis_data/scalars.json')
    assert len([json.loads(line) for line in file.read_text().splitlines()]) == 3
    for logged in (SummaryWriter.logged, wandb.logged, mlflow.logged):
        names = {name for scalars in logged for name in scalars}
        assert {'loss', 'changed/F1'} <= names
        assert sum('loss' in scalars for scalars in logged) == 2
    assert (wandb.silent, mlflow.silent) == ('false', 'true')


def test_a_missing_package_is_one_line(packages, tmp_path, monkeypatch):
    (packages / 'mlflow.py').unlink()
    (tmp_path / 'here/mlflow').mkdir(parents=True)  # a folder of runs, not a package
    monkeypatch.syspath_prepend(str(tmp_path / 'here'))
    importlib.invalidate_caches()
    with pytest.raises(MissingPackageError) as caught:
        add_backends(Config({}), ['tensorboard', 'mlflow'])
    assert str(caught.value) == '--vis mlflow: the package is not installed: pip install mlflow'


def test_a_package_that_refuses_to_start_is_one_line(packages, toy_runner):
    cfg = Config(dict(visualizer=dict(type='schanger_mm.ChangeVisualizer')))
    add_backends(cfg, ['wandb'])
    runner = toy_runner(visualizer=cfg.visualizer, name='refused')
    with pytest.raises(SettingError) as caught:
        check_backends(runner.visualizer)
    assert str(caught.value) == ('visualizer.vis_backends: WandbVisBackend does not start: api_key not configured '
                                 '(no-tty)')
