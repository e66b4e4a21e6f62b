"""tools/browse_dataset.py, typed as a user types it."""

import pytest

from schanger_mm.demo.scenes import DemoSizes, write_demo_set


@pytest.fixture
def browse(run, root, tmp_path):
    """Run the tool in a folder with a tiny drawn set in ``data``."""
    write_demo_set(tmp_path / 'data', DemoSizes(pretrain_train=1, pretrain_val=1, train=3, val=1, test=1), 64)

    def call(*words, fails=0):
        return run('tools/browse_dataset.py', root / 'configs/schanger/demo.py', *words, '--cfg-options',
                   'train_dataloader.dataset.data_root=data', cwd=tmp_path, fails=fails)
    return call


def test_pictures_go_to_the_work_directory_and_are_not_overwritten(browse, tmp_path):
    text = browse('--number', '2', '--sheet', '--normalised')
    folder = tmp_path / 'work_dirs/demo/browse_train'
    assert 'wrote 3 pictures to work_dirs/demo/browse_train' in text and 'first date' in text
    assert len(list(folder.glob('*.png'))) == 3 and (folder / 'browse.png').is_file()
    error = browse('--number', '2', fails=2)
    assert error.startswith('error: work_dirs/demo/browse_train/') and '--overwrite' in error


def test_mistakes_are_one_line(browse):
    assert browse('--number', '-1', fails=2) == 'error: --number -1: expected 1 or more.\n'
