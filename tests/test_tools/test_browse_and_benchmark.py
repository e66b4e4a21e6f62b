"""Timing and looking at a data set, typed as a user types it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from schanger_mm.datasets.synthetic import DemoSizes, write_demo_set

ROOT = Path(__file__).parents[2]
ENV = {**os.environ, 'PYTHONPATH': str(ROOT), 'OMP_NUM_THREADS': '1'}
CONFIG = ROOT / 'configs/schanger/demo.py'


@pytest.fixture
def run(tmp_path):
    """Run a tool in a folder with a tiny drawn set in ``data``."""
    write_demo_set(tmp_path / 'data', DemoSizes(pretrain_train=1, pretrain_val=1, train=3, val=1, test=1), 64)

    def call(tool, *words):
        result = subprocess.run(
            [sys.executable, str(ROOT / 'tools' / tool), str(CONFIG), *words, '--cfg-options',
             'train_dataloader.dataset.data_root=data'], cwd=tmp_path, env=ENV, capture_output=True, text=True)
        assert 'Traceback' not in result.stderr, result.stderr[-3000:]
        return result.returncode, result.stdout, result.stderr
    return call


def test_speed_of_the_training_pipeline(run, tmp_path):
    status, text, _ = run('benchmark_dataset.py', '--samples', '3', '--rounds', '2')
    assert status == 0 and '2 rounds of 3 samples' in text and 'identical: all 3 samples' in text
    assert not list((tmp_path / 'work_dirs').iterdir())


def test_pictures_go_to_the_work_directory_and_are_not_overwritten(run, tmp_path):
    status, text, _ = run('browse_dataset.py', '--number', '2', '--sheet', '--normalised')
    folder = tmp_path / 'work_dirs/demo/browse_train'
    assert status == 0 and 'wrote 3 pictures to work_dirs/demo/browse_train' in text and 'first date' in text
    assert len(list(folder.glob('*.png'))) == 3 and (folder / 'browse.png').is_file()
    status, _, error = run('browse_dataset.py', '--number', '2')
    assert status == 2 and error.startswith('error: work_dirs/demo/browse_train/') and '--overwrite' in error


@pytest.mark.parametrize(('words', 'message'), [
    (('benchmark_dataset.py', '--samples', '0'), 'error: --samples 0: expected 1 or more.'),
    (('browse_dataset.py', '--number', '-1'), 'error: --number -1: expected 1 or more.'),
])
def test_mistakes_are_one_line(run, words, message):
    status, _, error = run(*words)
    assert status == 2 and error.strip() == message
