"""What a launcher must have told a process, and how a mistake is said once."""

import json
import os
from types import SimpleNamespace

import pytest
import torch
from mmengine.config import Config

from schanger_mm.apis import ConfigError, load_config
from schanger_mm.commands import cli, config_show
from schanger_mm.commands.cli import report_errors
from schanger_mm.engine import processes
from schanger_mm.engine.processes import TOLD, check_launcher, connect


@pytest.fixture(autouse=True)
def _nobody_told_anything(monkeypatch):
    for name in (*(name for names in TOLD.values() for name in names), 'MASTER_ADDR', 'MASTER_PORT', cli.ERROR_FILE):
        monkeypatch.delenv(name, raising=False)


def tell(monkeypatch, launcher, *values):
    for name, value in zip(TOLD[launcher], values, strict=True):
        monkeypatch.setenv(name, str(value))


@pytest.mark.parametrize('launcher', TOLD)
def test_a_launcher_that_did_not_start_the_process_is_refused(launcher, monkeypatch):
    with pytest.raises(ConfigError, match=f'--launcher {launcher}: {", ".join(TOLD[launcher])} not set.*start with'):
        check_launcher(launcher)
    tell(monkeypatch, launcher, 0, 1, 0)
    check_launcher(launcher)


def test_more_processes_than_gpus_are_refused(monkeypatch):
    monkeypatch.setattr(processes, 'torch', SimpleNamespace(
        cuda=SimpleNamespace(is_available=lambda: True, device_count=lambda: 2)))
    tell(monkeypatch, 'pytorch', 6, 8, 1)
    check_launcher('pytorch')
    tell(monkeypatch, 'pytorch', 6, 8, 2)
    with pytest.raises(ConfigError, match='process 2 of this machine has no GPU, of which there are 2'):
        check_launcher('pytorch')


def test_no_gpu_and_no_gloo_is_refused(monkeypatch):
    tell(monkeypatch, 'pytorch', 0, 1, 0)
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)
    monkeypatch.setattr(processes.distributed, 'is_gloo_available', lambda: False)
    with pytest.raises(ConfigError, match='no gloo to connect'):
        check_launcher('pytorch')


@pytest.fixture
def joined(monkeypatch):
    """What the process group was asked to be."""
    asked = {}
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)
    monkeypatch.setattr(processes.distributed, 'init_process_group',
                        lambda backend, timeout: asked.update(backend=backend, timeout=timeout.total_seconds()))
    for name in TOLD['pytorch']:
        monkeypatch.setenv(name, 'before')  # so that it is put back
    monkeypatch.setenv('MASTER_PORT', '1234')
    return asked


def test_slurm_tasks_meet_at_the_first_host(joined, monkeypatch, tmp_path):
    (tmp_path / 'scontrol').write_text('#!/bin/sh\n[ "$3" = "node[4-5]" ] && printf "node4\\nnode5\\n"\n')
    (tmp_path / 'scontrol').chmod(0o755)
    monkeypatch.setenv('PATH', f'{tmp_path}:/usr/bin:/bin')
    monkeypatch.setenv('MASTER_ADDR', '')
    monkeypatch.delenv('MASTER_ADDR')
    monkeypatch.setenv('SLURM_NODELIST', 'node[4-5]')
    tell(monkeypatch, 'slurm', 3, 4, 1)
    cfg = Config(dict(launcher='slurm', env_cfg=dict(dist_cfg=dict(backend='nccl', timeout=90))))
    connect(cfg)
    told = [os.environ[name] for name in ('RANK', 'WORLD_SIZE', 'LOCAL_RANK', 'MASTER_ADDR')]
    assert told == ['3', '4', '1', 'node4']
    assert joined == dict(backend='gloo', timeout=90.0)
    assert cfg.model_wrapper_cfg.type == 'schanger_mm.CPUDataParallel'
    os.environ.pop('MASTER_ADDR')
    monkeypatch.setenv('PATH', '/nowhere')
    with pytest.raises(ConfigError, match='set MASTER_ADDR to the host of process 0'):
        connect(cfg)


def test_mpi_needs_an_address(joined, monkeypatch):
    tell(monkeypatch, 'mpi', 0, 2, 0)
    with pytest.raises(ConfigError, match='--launcher mpi: MASTER_ADDR is not set'):
        connect(Config(dict(launcher='mpi')))
    assert not joined


def test_one_process_is_left_alone(joined):
    cfg = Config(dict(launcher='none'))
    connect(cfg)
    assert not joined and 'model_wrapper_cfg' not in cfg


def mistake():
    load_config('none.py')


def test_under_torchrun_a_mistake_goes_to_its_error_file(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv(cli.ERROR_FILE, str(tmp_path / 'error.json'))
    assert report_errors(mistake) == 2 and capsys.readouterr().err == ''
    content = json.loads((tmp_path / 'error.json').read_text())
    assert content['message'].startswith('error: no config file none.py') and content['timestamp'] > 1e9


@pytest.mark.parametrize(('number', 'waited'), [(None, []), ('0', []), ('2', [cli.PATIENCE])])
def test_elsewhere_all_but_the_first_wait_for_the_end(number, waited, monkeypatch, capsys):
    pauses = []
    monkeypatch.setattr(cli.time, 'sleep', pauses.append)
    if number is not None:
        monkeypatch.setenv('SLURM_PROCID', number)
    assert report_errors(mistake) == 2
    assert pauses == waited and capsys.readouterr().err.startswith('error: no config file none.py')


@pytest.mark.parametrize('text, status', [('[gloo/transport/tcp/pair.cc:537] Connection closed by peer', cli.LOST),
                                          ('tensor sizes do not match', None)])
def test_only_a_lost_connection_is_taken_for_one(text, status, capsys):
    def main():
        raise RuntimeError(text)

    if status is None:
        with pytest.raises(RuntimeError):
            report_errors(main)
    else:
        assert report_errors(main) == status
        assert capsys.readouterr().err.startswith('error: the connection to another process is lost')


@pytest.mark.parametrize(('number', 'said'), [('0', 1), ('1', 0)])
def test_wrong_arguments_are_said_by_the_first_process_only(number, said, monkeypatch, capsys):
    monkeypatch.setenv('RANK', number)
    with pytest.raises(SystemExit) as stop:
        cli.run(config_show, ['--wrong'])
    assert stop.value.code == 2 and capsys.readouterr().err.count('arguments are required: config') == said
