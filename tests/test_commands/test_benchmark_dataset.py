"""tools/benchmark_dataset.py, typed as a user types it."""

import pytest

from schanger_mm.demo.scenes import DemoSizes, write_demo_set


@pytest.fixture
def benchmark(run, root, tmp_path):
    """Run the tool in a folder with a tiny drawn set in ``data``."""
    write_demo_set(tmp_path / 'data', DemoSizes(pretrain_train=1, pretrain_val=1, train=3, val=1, test=1), 64)

    def call(*words, fails=0):
        return run('tools/benchmark_dataset.py', root / 'configs/schanger/demo.py', *words, '--cfg-options',
                   'train_dataloader.dataset.data_root=data', cwd=tmp_path, fails=fails)
    return call


def test_speed_of_the_training_pipeline(benchmark, tmp_path):
    text = benchmark('--samples', '3', '--rounds', '2')
    assert '2 rounds of 3 samples' in text
    assert not list((tmp_path / 'work_dirs').iterdir())


def test_mistakes_are_one_line(benchmark):
    assert benchmark('--samples', '0', fails=2) == 'error: --samples 0: expected 1 or more.\n'
