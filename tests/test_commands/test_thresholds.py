"""tools/analysis_tools/confusion.py, typed as a user types it."""

import json

import pytest

from schanger_mm.checkpoints.convert import network, write_weights
from schanger_mm.demo.scenes import DemoSizes, write_demo_set

DEMO = 'configs/schanger/demo.py'


@pytest.fixture(scope='module')
def checkpoint(tmp_path_factory):
    folder = tmp_path_factory.mktemp('sweep')
    write_demo_set(folder / 'data', DemoSizes(pretrain_train=1, pretrain_val=1, train=1, val=2, test=2), image_size=64)
    write_weights(folder / 'random.pth', network((8, 8, 12, 16, 20, 24), 2).state_dict())
    return folder / 'random.pth'


@pytest.fixture(scope='module')
def sweep(checkpoint, run):
    def call(work_dir, *words, split='val', fails=0):
        return run('tools/analysis_tools/confusion.py', DEMO, checkpoint, '--split', split, '--work-dir', work_dir,
                   *words, '--cfg-options', f'{split}_dataloader.dataset.data_root={checkpoint.parent / "data"}',
                   f'{split}_dataloader.num_workers=0', fails=fails)
    return call


def test_confusion_sweeps_val_and_writes_into_the_work_directory(sweep, tmp_path):
    text = sweep(tmp_path, '--bins', 100)
    assert 'average precision' in text and 'to use it: --cfg-options model.decode_head.threshold=' in text
    assert 'warning' not in text
    folder = tmp_path / 'threshold_sweep_val'
    assert sorted(path.name for path in folder.iterdir()) == ['pr_curve.png', 'sweep.csv', 'sweep.json']
    content = json.loads((folder / 'sweep.json').read_text())
    assert sum(content['at_0.5']['confusion'].values()) == 2 * 64 * 64 and content['split'] == 'val'
    assert len((folder / 'sweep.csv').read_text().splitlines()) == 102
    assert 'exists already; nothing was written' in sweep(tmp_path, fails=2)


def test_confusion_warns_of_thresholds_chosen_on_test(sweep, tmp_path):
    text = sweep(tmp_path, '--out', tmp_path / 'out', split='test')
    assert 'warning: the threshold was swept over the TEST split' in text and 'to use it' not in text
    assert 'must not be reported' in json.loads((tmp_path / 'out/sweep.json').read_text())['warning']


def test_confusion_refuses_bins_without_one_half(sweep, tmp_path):
    assert 'bins=7; expected an even number' in sweep(tmp_path, '--bins', 7, fails=2)
