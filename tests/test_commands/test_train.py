"""tools/train.py, typed as a user types it, and what follows a training."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from schanger_mm.checkpoints import read_weights
from schanger_mm.demo.scenes import DemoSizes, write_demo_set

ROOT = Path(__file__).parents[2]
SIZES = DemoSizes(pretrain_train=4, pretrain_val=2, train=4, val=2, test=3)


def roots(data, *splits):
    return [f'{split}_dataloader.dataset.data_root={data}' for split in splits]


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    root = tmp_path_factory.mktemp('demo') / 'data'
    write_demo_set(root, SIZES, image_size=64)
    return root


@pytest.fixture(scope='module')
def pretrained(run, data, tmp_path_factory):
    work_dir = tmp_path_factory.mktemp('pretrain')
    text = run('tools/train.py', 'configs/schanger/pretrain_demo.py', '--work-dir', work_dir, '--max-iters', 2,
               '--cfg-options', *roots(data, 'train', 'val'))
    assert 'building/F1' in text
    return work_dir / 'iter_2.pth'


@pytest.fixture(scope='module')
def finetuned(run, data, pretrained, tmp_path_factory):
    work_dir = tmp_path_factory.mktemp('finetune')
    text = run('tools/train.py', 'configs/schanger/demo.py', '--work-dir', work_dir, '--max-iters', 4,
               '--cfg-options', *roots(data, 'train', 'val'), f'load_from={pretrained}')
    return work_dir, text


def test_fine_tuning_takes_everything_but_the_ten_fusions(finetuned):
    _, text = finetuned
    assert '598 of 638 entries taken; new: decode_head.attention_fusion (20 entries), ' \
           'decode_head.side_fusion (20 entries); left: none' in text
    assert 'paramwise_options' not in text and 'OneDL' not in text and 'Failed to search registry' not in text


def test_best_checkpoint_is_kept_by_f1(finetuned):
    work_dir, text = finetuned
    assert 'changed/F1' in text
    assert list(work_dir.glob('best_changed_F1_iter_*.pth'))


def test_resume_continues_where_the_checkpoint_stands(run, data, finetuned):
    work_dir, _ = finetuned
    text = run('tools/train.py', 'configs/schanger/demo.py', '--work-dir', work_dir, '--max-iters', 4, '--resume',
               work_dir / 'iter_3.pth', '--cfg-options', *roots(data, 'train', 'val'))
    assert 'iter: 3' in text and 'Iter(train) [4/4]' in text and 'Iter(train) [3/4]' not in text


def test_resume_with_another_length_is_refused(run, data, finetuned):
    work_dir, _ = finetuned
    error = run('tools/train.py', 'configs/schanger/demo.py', '--work-dir', work_dir, '--resume', '--max-iters', 6,
                '--cfg-options', *roots(data, 'train', 'val'), fails=2)
    assert 'started with train_cfg.max_iters=4, now it is 6' in error


def test_a_second_training_replaces_nothing_of_the_first(run, data, finetuned):
    work_dir, _ = finetuned
    before = {path: path.stat().st_mtime_ns for path in work_dir.glob('*.pth')}
    error = run('tools/train.py', 'configs/schanger/demo.py', '--work-dir', work_dir, '--max-iters', 4,
                '--cfg-options', *roots(data, 'train', 'val'), 'load_from=None', fails=2)
    assert 'of an earlier run, which this one would replace' in error and '--overwrite' in error
    assert before == {path: path.stat().st_mtime_ns for path in work_dir.glob('*.pth')}


def test_resume_from_a_damaged_file_is_refused(run, tmp_path):
    (tmp_path / 'broken.pth').write_bytes(b'not a checkpoint')
    error = run('tools/train.py', 'configs/schanger/demo.py', '--work-dir', tmp_path, '--resume',
                tmp_path / 'broken.pth', fails=2)
    assert 'broken.pth could not be read as plain weights' in error


def test_resume_without_a_checkpoint_starts_with_the_initial_weights(run, data, pretrained, tmp_path):
    text = run('tools/train.py', 'configs/schanger/demo.py', '--work-dir', tmp_path, '--resume', '--max-iters', 1,
               '--cfg-options', *roots(data, 'train', 'val'), f'load_from={pretrained}')
    assert 'no checkpoint in' in text and '598 of 638 entries taken' in text


def test_a_trained_network_converts_to_the_published_names_and_back(run, finetuned, tmp_path):
    work_dir, _ = finetuned
    best = next(work_dir.glob('best_changed_F1_iter_*.pth'))
    tool = 'tools/model_converters/schanger2mm.py'
    assert 'two dates, 638 entries' in run(tool, best, tmp_path / 'published.pth', '--back')
    run(tool, tmp_path / 'published.pth', tmp_path / 'ours.safetensors')
    ours, trained = load_file(tmp_path / 'ours.safetensors'), read_weights(best)
    assert ours.keys() == trained.keys() and all(torch.equal(ours[k], trained[k]) for k in ours)


@pytest.mark.parametrize('words, message', [
    (['configs/schanger/levir.py', '--cfg-options', 'load_from=None'],
     r'schanger demo'),
    (['configs/schanger/levir.py'], 'schanger demo'),
    (['configs/schanger/levir.py'], '`schanger convert`'),
    (['configs/schanger/demo.py', '--max-iters', '0'], 'needs a positive number'),
    (['configs/schanger/demo.py', '--cfg-options', 'load_from=None', 'model.backbone.arch=huge'],
     "expected one of ['base', 'small']"),
    (['configs/schanger/levir.py', '--cfg-options', 'trian_cfg.max_iters=3'], "did you mean 'train_cfg'"),
    (['configs/schanger/demo.py', '--cfg-options', 'load_from=None', 'model.backbone.archs=small'],
     "unexpected keyword argument 'archs'"),
    (['configs/schanger/demo.py', '--cfg-options', 'load_from=None', 'model.backbone.depth=3'], "'depth'"),
    (['configs/schanger/nowhere.py'], 'no config file'),
    (['levri'], 'no config levri: expected a file'),
    (['demo', '--vis', 'mlflow'], '--vis mlflow: the package is not installed: pip install mlflow'),
    (['configs/schanger/demo.py', '--resume', 'nowhere.pth'], 'no such file'),
])
def test_mistakes_end_in_one_clear_error(run, words, message, tmp_path):
    assert message in run('tools/train.py', *words[:1], '--work-dir', tmp_path, *words[1:], fails=2)


def test_on_nan_skip_can_be_typed(run, data, tmp_path):
    text = run('tools/train.py', 'configs/schanger/demo.py', '--work-dir', tmp_path, '--on-nan', 'skip',
               '--max-iters', 1, '--cfg-options', *roots(data, 'train', 'val'), 'load_from=None', 'val_cfg=None',
               'val_dataloader=None', 'val_evaluator=None', 'default_hooks.checkpoint.save_best=None',
               'data_preprocessor.std=[1e-38,1e-38,1e-38,1e-38,1e-38,1e-38]')  # inputs overflow
    assert 'Update skipped' in text and '(1 in a row, 1 in total)' in text


@pytest.mark.long
def test_compile_without_a_compiler_is_one_error(data, tmp_path):
    """In a process of its own: torch looks for the compiler once."""
    env = {**os.environ, 'PYTHONPATH': str(ROOT), 'OMP_NUM_THREADS': '1', 'CXX': '/nowhere/c++',
           'TORCHINDUCTOR_CACHE_DIR': str(tmp_path / 'cache')}
    words = ['tools/train.py', 'configs/schanger/demo.py', '--work-dir', tmp_path / 'work', '--cfg-options',
             'compile=True', *roots(data, 'train', 'val'), 'load_from=None']
    result = subprocess.run([sys.executable, *map(str, words)], cwd=ROOT, env=env, capture_output=True, text=True)
    error = result.stderr
    assert result.returncode == 2 and 'Traceback' not in error, error[-3000:]
    (line, ) = [line for line in error.splitlines() if line.startswith('error: ')]
    assert line.startswith('error: compile=True: PyTorch needs a working C++ compiler')
    assert '/nowhere/c++' in line and line.endswith('or omit compile.')


def test_mistakes_in_parts_that_are_built_late(run, data, pretrained, tmp_path):
    """Optimiser, data sets and weights are built by train(), in workers even; still one error in words."""
    train = ['tools/train.py', 'configs/schanger/demo.py', '--work-dir', tmp_path, '--max-iters', 1, '--cfg-options',
             *roots(data, 'train', 'val')]
    assert "unexpected keyword argument 'foo'" in run(*train, 'load_from=None', 'optim_wrapper.optimizer.foo=1',
                                                       fails=2)
    small = run(*train, f'load_from={pretrained}', 'model.backbone.arch=small', 'model.decode_head.arch=small',
                fails=2)
    assert 'A checkpoint of the other size?' in small


def test_a_damaged_file_is_named_though_a_worker_finds_it(run, tmp_path):
    write_demo_set(tmp_path / 'data', SIZES, image_size=64)
    for path in (tmp_path / 'data/train/A').iterdir():
        path.write_bytes(path.read_bytes()[:2000])
    error = run('tools/train.py', 'configs/schanger/demo.py', '--work-dir', tmp_path / 'w', '--max-iters', 1,
                '--cfg-options', *roots(tmp_path / 'data', 'train', 'val'), 'load_from=None', fails=2)
    assert str(tmp_path / 'data/train/A') in error and len(error.splitlines()[-1]) < 500


def test_missing_data_says_where_how_and_what_needs_none(run, tmp_path):
    error = run('tools/train.py', 'configs/schanger/levir.py', '--work-dir', tmp_path, '--cfg-options',
                'load_from=None', fails=2)
    assert str(ROOT / 'data/LEVIR-CD') in error
    assert 'justchenhao.github.io/LEVIR' in error and 'data_root=DIR' in error and 'schanger demo' in error


@pytest.mark.skipif(torch.cuda.is_available(), reason='this is about machines without a GPU')
def test_what_needs_a_gpu_is_refused_without_one(run, tmp_path):
    error = run('tools/train.py', 'configs/schanger/demo.py', '--amp', '--work-dir', tmp_path, fails=2)
    assert 'mixed precision needs a GPU' in error
    error = run('tools/train.py', 'configs/schanger/demo.py', '--launcher', 'pytorch', fails=2)
    assert 'RANK, WORLD_SIZE not set, so it has not started this process' in error and 'torchrun' in error
