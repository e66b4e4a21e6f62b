"""Memory that runs out, workers that are killed, files that cannot be read: what the user is told."""

import os
import re
import shutil
import signal

import numpy as np
import pytest
import torch
from mmengine.hooks import Hook

from schanger_mm.apis import build_runner, train
from schanger_mm.commands.cli import report_errors
from schanger_mm.engine.failures import MemoryFailure, WorkerFailure
from schanger_mm.registry import TRANSFORMS
from schanger_mm.utils.errors import SampleError

TINY = (8, 8, 12, 16, 20, 24)


class Fail(Hook):
    """Raises in an iteration, counted from 1, of training or validation."""

    def __init__(self, stage, iteration, error):
        self.stage, self.iteration, self.error = stage, iteration, error

    def _raise(self, stage, iteration):
        if stage == self.stage and iteration == self.iteration:
            raise self.error() if callable(self.error) else self.error

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        self._raise('train', runner.iter + 1)

    def before_val_iter(self, runner, batch_idx, data_batch=None):
        self._raise('val', batch_idx + 1)

    def before_test_iter(self, runner, batch_idx, data_batch=None):
        self._raise('test', batch_idx + 1)


@TRANSFORMS.register_module()
class Trip:
    """Fails on samples whose file name ends in ``name``."""

    def __init__(self, how, name='1.png'):
        self.how, self.name = how, name

    def __call__(self, results):
        paths = results['img_path']
        if (paths[0] if isinstance(paths, list) else paths).endswith(self.name):
            if self.how == 'killed':
                os.kill(os.getpid(), signal.SIGKILL)
            elif self.how == 'memory':
                np.zeros(2**60, np.uint8)
            elif self.how == 'torch memory':
                torch.empty(2**60)
            elif self.how == 'unforeseen':
                return {}['a key that nobody has']
            elif self.how == 'one-sided':
                results['img'][0] = results['img'][0][:8]
        return results


@pytest.fixture
def config(small, root, tmp_path):
    cfg = small(root / 'configs/schanger/demo.py', tmp_path / 'work')
    cfg.model.backbone.arch = cfg.model.decode_head.arch = TINY
    return cfg


def failing(cfg, how, workers):
    cfg.train_dataloader.num_workers = workers
    cfg.train_dataloader.dataset.pipeline.insert(2, dict(type='Trip', how=how))
    return build_runner(cfg)


def files_of(cfg, name, roles=('A', 'B', 'label')):
    return [os.path.join(cfg.train_dataloader.dataset.data_root, 'train', role, name) for role in roles]


CUDA = "CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 7.9 GiB\nmore lines"
CPU = "[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory: you tried to"


HELP = ('What helps in training, as --cfg-options: a smaller train_dataloader.batch_size with as much more '
        'optim_wrapper.accumulative_counts, model.backbone.with_cp=True model.decode_head.with_cp=True, a smaller '
        'crop_size in the pipeline; or --amp. In validation and tests: batch_size=1, or tiles '
        '(`schanger test --mode tiles`).')


def test_out_of_gpu_memory_names_iteration_shapes_and_files_and_says_what_helps(config):
    runner = build_runner(config)
    runner.register_hook(Fail('train', 2, torch.cuda.OutOfMemoryError(CUDA)))
    with pytest.raises(MemoryFailure) as failed:
        train(runner)
    message = str(failed.value)
    assert message.startswith('training, iteration 2: out of GPU memory with a batch of 2 of (6, 64, 64): ')
    assert message.endswith(f'({CUDA.splitlines()[0]}) {HELP}')
    for name in ('0.png', '1.png'):
        for path in files_of(config, name, 'AB'):
            assert path in message


@pytest.mark.parametrize('error', [RuntimeError(CPU), MemoryError('Unable to allocate 9 GiB'), MemoryError()])
def test_out_of_memory_without_a_gpu(error, config):
    runner = build_runner(config)
    runner.register_hook(Fail('train', 1, error))
    with pytest.raises(MemoryFailure, match=r'^training, iteration 1: out of memory with a batch of 2 of \(6, 64,'):
        train(runner)


def test_out_of_memory_in_a_validation(config):
    runner = build_runner(config)
    runner.register_hook(Fail('val', 1, RuntimeError(CPU)))
    with pytest.raises(MemoryFailure, match=r'^validation, iteration 1: out of memory .*0\.png.* or tiles'):
        train(runner)


def test_other_errors_are_left_alone(config):
    runner = build_runner(config)
    runner.register_hook(Fail('train', 1, RuntimeError('shapes do not match')))
    with pytest.raises(RuntimeError, match='^shapes do not match$'):
        train(runner)


@pytest.mark.parametrize('workers', [0, 2])
def test_an_unforeseen_error_while_reading_names_the_files(workers, config):
    with pytest.raises(SampleError) as failed:
        train(failing(config, 'unforeseen', workers))
    last = str(failed.value).strip().splitlines()[-1]
    assert last.endswith(f"sample {' + '.join(files_of(config, '1.png'))}: KeyError: 'a key that nobody has'")


@pytest.mark.parametrize('workers', [0, 2])
def test_a_damaged_file_is_one_line(workers, config, tmp_path, capsys):
    root = shutil.copytree(config.train_dataloader.dataset.data_root, tmp_path / 'data')
    config.train_dataloader.dataset.data_root = str(root)
    config.train_dataloader.num_workers = workers
    broken = root / 'train/A/1.png'
    broken.write_bytes(broken.read_bytes()[:-200])
    runner = build_runner(config)  # headers are sound
    assert report_errors(lambda: train(runner)) == 2
    (line, ) = capsys.readouterr().err.strip().splitlines()
    assert line.startswith(f'error: {broken}: truncated, corrupt')


@pytest.mark.parametrize('workers', [0, 1])
def test_a_mistake_that_a_transform_words_gets_the_files(workers, config, capsys):
    runner = failing(config, 'one-sided', workers)
    assert report_errors(lambda: train(runner)) == 2
    (line, ) = capsys.readouterr().err.strip().splitlines()
    assert line.startswith(f"error: sample {' + '.join(files_of(config, '1.png'))}: ")
    assert line.endswith('independently of the pixels and of earlier calls.')


def test_a_killed_worker_is_explained(config):
    with pytest.raises(WorkerFailure) as failed:
        train(failing(config, 'killed', 2))
    message = str(failed.value)
    # workers start with the loop, so one may be gone before the first iteration begins
    assert re.match(r'(training, iteration 1|before the first iteration): a worker process of train_dataloader '
                    r'\(pid [\d, ]+\) (is killed by signal: Killed|exited unexpectedly)\. Usually memory ran out, or '
                    r'the shared memory in /dev/shm is full .* from the newest checkpoint\.$', message), message


@pytest.mark.long
@pytest.mark.parametrize('how', ['memory', 'torch memory'])
def test_a_worker_that_runs_out_of_memory_says_so(how, config):
    with pytest.raises(MemoryFailure, match='^training, iteration 1: .*out of memory.*fewer num_workers') as failed:
        train(failing(config, how, 2))
    message = str(failed.value)
    assert '\n' not in message and all(path in message for path in files_of(config, '1.png', 'AB'))

