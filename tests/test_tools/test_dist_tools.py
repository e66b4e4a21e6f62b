"""Several processes, started as a user starts them."""

import csv
import json
import os
import runpy
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from PIL import Image

from schanger_mm.apis import load_config
from schanger_mm.demo.scenes import DemoSizes, write_demo_set
from schanger_mm.registry import MODELS

ROOT = Path(__file__).parents[2]
ENV = {**{name: value for name, value in os.environ.items() if name not in ('PYTHONPATH', 'PORT', 'NNODES')},
       'PYTHON': sys.executable, 'OMP_NUM_THREADS': '1', 'MKL_NUM_THREADS': '1'}
CONFIG = 'configs/schanger/demo.py'
LIMIT = 600  # seconds; far more than it takes


def run(*words, env=ENV, status=0):
    result = subprocess.run(list(map(str, words)), cwd=ROOT, env=env, capture_output=True, text=True, timeout=LIMIT)
    assert result.returncode == status, (result.stdout + result.stderr)[-3000:]
    return result


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    root = tmp_path_factory.mktemp('demo') / 'data'
    write_demo_set(root, DemoSizes(pretrain_train=1, pretrain_val=1, train=4, val=1, test=5), image_size=64)
    return root


@pytest.fixture(scope='module')
def checkpoint(tmp_path_factory):
    """Random weights that find something everywhere."""
    torch.manual_seed(0)
    network = MODELS.build({'_scope_': 'schanger_mm', **load_config(ROOT / CONFIG).model})
    path = tmp_path_factory.mktemp('weights') / 'random.pth'
    torch.save({'state_dict': network.state_dict()}, path)
    return path


@pytest.mark.long
@pytest.mark.skipif(torch.cuda.is_available() and torch.cuda.device_count() < 2, reason='two processes, two GPUs')
def test_two_processes_score_like_one(data, checkpoint, tmp_path):
    """Five images, two per step: the sixth, which fills the last step up, counts nowhere."""
    def words(name):
        return ['--work-dir', tmp_path / name, '--out', tmp_path / f'{name}_out', '--worst', 3, '--batch-size', 2,
                '--cfg-options', f'test_dataloader.dataset.data_root={data}']

    run(sys.executable, 'tools/test.py', CONFIG, checkpoint, *words('one'), env={**ENV, 'PYTHONPATH': str(ROOT)})
    two = run('tools/dist_test.sh', CONFIG, checkpoint, 2, *words('two'))
    assert (two.stdout + two.stderr).count('the drawn scenes, test: 5 images') == 1

    def content(name):
        folder = tmp_path / f'{name}_out'
        report = json.loads((folder / 'report.json').read_text())
        with open(folder / 'per_image.csv', newline='') as file:
            rows = list(csv.reader(file))
        pictures = {path.relative_to(folder).as_posix(): list(Image.open(path).getdata())
                    for path in folder.rglob('*.png')}
        files = sorted(path.relative_to(folder).as_posix() for path in folder.rglob('*'))
        return {key: report[key] for key in ('scores', 'confusion', 'images', 'protocol')}, rows, pictures, files

    one, two = content('one'), content('two')
    assert one == two
    assert one[0]['images'] == 5 and len(one[1]) == 6 and one[0]['confusion']['TP'] > 0
    assert sum(name.startswith('worst/') for name in one[2]) == 3
    suffixes = [sorted(path.suffix for path in (tmp_path / name).rglob('*.*')) for name in ('one', 'two')]
    assert suffixes[0] == suffixes[1]  # one log, one config
    assert not (ROOT / '.dist_test').exists()


@pytest.mark.long
@pytest.mark.skipif(torch.cuda.is_available() and torch.cuda.device_count() < 2, reason='two processes, two GPUs')
def test_a_killed_process_ends_the_job_and_is_named(data, tmp_path):
    options = ['--work-dir', tmp_path / 'work', '--cfg-options', 'load_from=None', 'train_dataloader.batch_size=1',
               'train_dataloader.num_workers=0', 'default_hooks.logger.interval=1', 'train_cfg.val_interval=1000',
               'default_hooks.checkpoint.interval=1000',
               *(f'{split}_dataloader.dataset.data_root={data}' for split in ('train', 'val'))]
    with open(tmp_path / 'said', 'w+') as said:
        job = subprocess.Popen(['tools/dist_train.sh', CONFIG, '2', *map(str, options)], cwd=ROOT, env=ENV, stdout=said,
                               stderr=subprocess.STDOUT, start_new_session=True)
        try:
            wait_for(lambda: 'Iter(train)' in (tmp_path / 'said').read_text() or job.poll() is not None)
            workers = {told['RANK']: pid for pid, told in children(job.pid)}
            assert sorted(workers) == ['0', '1'], (tmp_path / 'said').read_text()[-3000:]
            os.kill(workers['1'], signal.SIGKILL)
            assert job.wait(timeout=120) == 128 + signal.SIGKILL
            wait_for(lambda: not any(Path(f'/proc/{pid}').exists() for pid in workers.values()))
        finally:
            if job.poll() is None:
                os.killpg(job.pid, signal.SIGKILL)
    lines = (tmp_path / 'said').read_text().splitlines()
    assert lines[-1].startswith(f'error: process 1 (pid {workers["1"]}) was ended by SIGKILL')
    assert '--resume' in lines[-1] and 'Traceback' not in '\n'.join(lines)


def wait_for(condition):
    end = time.monotonic() + LIMIT
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.1)


def children(parent):
    """Return process id and environment of the processes that torchrun has numbered."""
    found = []
    for folder in Path('/proc').iterdir():
        try:
            if folder.name.isdigit() and int((folder / 'stat').read_text().rpartition(')')[2].split()[1]) == parent:
                pairs = (folder / 'environ').read_text().split('\0')
                found.append((int(folder.name), dict(pair.split('=', 1) for pair in pairs if '=' in pair)))
        except OSError:  # it has ended
            continue
    return [(pid, told) for pid, told in found if 'RANK' in told]


@pytest.mark.long
@pytest.mark.skipif(torch.cuda.is_available(), reason='GPUs may be fewer than processes, another mistake')
@pytest.mark.parametrize('script, words, said', [
    ('test', [CONFIG, 'none.pth', 2], 'error: no checkpoint none.pth'),
    ('train', [CONFIG, 2, '--cfg-options', 'load_from=None', 'train_dataloader.dataset.data_root=/nowhere'],
     'error: DemoDataset: no folder /nowhere'),
])
def test_a_mistake_is_said_once(script, words, said, tmp_path):
    words = [*words, '--work-dir', tmp_path]
    error = run(f'tools/dist_{script}.sh', *words, status=2).stderr
    assert error.count(said) == 1 and error.count('error:') == 1 and 'Traceback' not in error


@pytest.mark.parametrize('script, words', [('dist_train', [CONFIG]), ('dist_test', [CONFIG, '1']),
                                           ('slurm_train', ['part', 'job']), ('slurm_test', ['part', 'job', CONFIG])])
def test_too_few_words_get_the_usage(script, words):
    assert f'tools/{script}.sh' in run(f'tools/{script}.sh', *words, status=2).stderr
    text = (ROOT / f'tools/{script}.sh').read_text()
    assert all(line.startswith('#') for line in text.splitlines()[:3]) and 'set -euo pipefail' in text


@pytest.mark.parametrize('number', ['two', '0', '-1', ''])
def test_the_number_of_processes_is_checked(number):
    assert f"error: PROCESSES is '{number}'" in run('tools/dist_train.sh', CONFIG, number, status=2).stderr


@pytest.fixture
def recorder(tmp_path):
    """Programs that write down what they are called with."""
    def record(name):
        program = tmp_path / name
        program.write_text('#!/bin/sh\nfor word; do echo "$word"; done\n'
                           'echo "PYTHONPATH=$PYTHONPATH"\necho "MASTER_PORT=$MASTER_PORT"\n')
        program.chmod(0o755)
        return program
    return record


def test_dist_scripts_hand_ports_and_machines_to_torchrun(recorder):
    env = {**ENV, 'PYTHON': str(recorder('python'))}
    lines = run('tools/dist_train.sh', 'a config.py', 3, '--max-iters', 5, env=env).stdout.splitlines()
    assert lines[:-2] == [f'{ROOT}/tools/dist_launch.py', '--standalone', '--nproc-per-node', '3',
                          f'{ROOT}/tools/train.py', 'a config.py', '--launcher', 'pytorch', '--max-iters', '5']
    assert lines[-2] == f'PYTHONPATH={ROOT}'
    env.update(NNODES='2', NODE_RANK='1', MASTER_ADDR='host', PORT='1234', PYTHONPATH='/mine')
    lines = run('tools/dist_test.sh', 'c.py', 'w.pth', 2, '--out', 'o', env=env).stdout.splitlines()
    assert lines[1:-2] == ['--nnodes', '2', '--node-rank', '1', '--master-addr', 'host', '--master-port', '1234',
                           '--nproc-per-node', '2', f'{ROOT}/tools/test.py', 'c.py', 'w.pth', '--launcher', 'pytorch',
                           '--out', 'o']
    assert lines[-2] == f'PYTHONPATH={ROOT}:/mine'


def test_slurm_scripts_ask_for_one_task_per_gpu(recorder, tmp_path):
    recorder('srun')
    env = {**ENV, 'PATH': f'{tmp_path}:{ENV["PATH"]}', 'PYTHON': 'python'}
    lines = run('tools/slurm_train.sh', 'part', 'a job', 'c.py', '--resume', env=env).stdout.splitlines()
    assert lines[:-2] == ['-p', 'part', '--job-name=a job', '--gres=gpu:8', '--ntasks=8', '--ntasks-per-node=8',
                          '--cpus-per-task=5', '--kill-on-bad-exit=1', 'python', '-u', f'{ROOT}/tools/train.py', 'c.py',
                          '--launcher', 'slurm', '--resume']
    assert 20000 <= int(lines[-1].removeprefix('MASTER_PORT=')) < 40000
    env.update(GPUS='2', CPUS_PER_TASK='3', SRUN_ARGS='--qos high --time=1:00', MASTER_PORT='77')
    lines = run('tools/slurm_test.sh', 'part', 'job', 'c.py', 'w.pth', env=env).stdout.splitlines()
    assert lines[3:-2] == ['--gres=gpu:2', '--ntasks=2', '--ntasks-per-node=2', '--cpus-per-task=3',
                           '--kill-on-bad-exit=1', '--qos', 'high', '--time=1:00', 'python', '-u',
                           f'{ROOT}/tools/test.py', 'c.py', 'w.pth', '--launcher', 'slurm']
    assert lines[-1] == 'MASTER_PORT=77'
    env['GPUS_PER_NODE'] = '0'
    lines = run('tools/slurm_train.sh', 'part', 'job', 'c.py', env=env).stdout.splitlines()
    assert '--ntasks=2' in lines and not any('gpu' in line or 'per-node' in line for line in lines)


def test_where_the_cores_of_a_process_are_not_known_all_count(monkeypatch):
    """On macOS."""
    available_cores = runpy.run_path(str(ROOT / 'tools/dist_launch.py'))['available_cores']
    assert 1 <= available_cores() <= os.cpu_count()
    monkeypatch.delattr(os, 'sched_getaffinity', raising=False)
    assert available_cores() == os.cpu_count()
