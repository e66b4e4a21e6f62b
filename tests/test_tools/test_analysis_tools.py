"""The analysis commands, typed as a user types them."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from schanger_mm.apis.convert import network, write_weights
from schanger_mm.datasets.synthetic import DemoSizes, write_demo_set

ROOT = Path(__file__).parents[2]
ENV = {**os.environ, 'PYTHONPATH': str(ROOT), 'OMP_NUM_THREADS': '1'}
DEMO = 'configs/schanger/demo.py'


def run(tool, *words, fails=False):
    command = [sys.executable, f'tools/analysis_tools/{tool}.py', *map(str, words)]
    result = subprocess.run(command, cwd=ROOT, env=ENV, capture_output=True, text=True)
    assert result.returncode == (2 if fails else 0), result.stdout[-2000:] + result.stderr[-2000:]
    if fails:
        assert 'Traceback' not in result.stderr
    return result.stderr if fails else result.stdout


def test_get_flops_prints_the_table():
    text = run('get_flops', DEMO, '--shape', 60, 64, '--cfg-options', 'model.decode_head.arch=small',
               'model.backbone.arch=small')
    assert 'one pair of 60 x 64 px, padded to 64 x 64' in text and '607,305' in text


def test_print_config_prints_a_config_that_says_the_same(tmp_path):
    out = tmp_path / 'whole.py'
    words = [DEMO, '--cfg-options', 'train_cfg.max_iters=7']
    assert run('print_config', *words, '--out', out) == ''
    text = run('print_config', out)
    assert text == out.read_text() and 'max_iters=7' in text and '_base_ =' not in text
    assert 'whole.py exists; name another place or pass --overwrite' in run('print_config', *words, '--out', out,
                                                                            fails=True)
    assert "did you mean 'train_cfg'" in run('print_config', DEMO, '--cfg-options', 'trian_cfg.max_iters=7', fails=True)


def test_analyze_logs_draws_and_lists(tmp_path):
    log = tmp_path / 'work/2026/vis_data/scalars.json'
    log.parent.mkdir(parents=True)
    log.write_text('{"loss": 2.0, "step": 1}\n{"changed/F1": 51.5, "step": 2}\n')
    text = run('analyze_logs', tmp_path / 'work', '--out', tmp_path / 'c.png', '--csv', tmp_path / 'c.csv')
    assert '51.5' in text and (tmp_path / 'c.png').read_bytes()[:4] == b'\x89PNG'
    assert (tmp_path / 'c.csv').read_text().splitlines()[2] == 'work,changed/F1,2,51.5'
    error = run('analyze_logs', tmp_path / 'work', '--keys', 'mIoU', '--out', tmp_path / 'd.png', fails=True)
    assert error == 'error: --keys mIoU: not in the logs of work, which hold: changed/F1, loss.\n'


@pytest.fixture(scope='module')
def checkpoint(tmp_path_factory):
    folder = tmp_path_factory.mktemp('sweep')
    write_demo_set(folder / 'data', DemoSizes(pretrain_train=1, pretrain_val=1, train=1, val=2, test=2), image_size=64)
    write_weights(folder / 'random.pth', network((8, 8, 12, 16, 20, 24), 2).state_dict())
    return folder / 'random.pth'


def sweep(checkpoint, work_dir, *words, split='val', fails=False):
    return run('confusion', DEMO, checkpoint, '--split', split, '--work-dir', work_dir, *words, '--cfg-options',
               f'{split}_dataloader.dataset.data_root={checkpoint.parent / "data"}',
               f'{split}_dataloader.num_workers=0', fails=fails)


def test_confusion_sweeps_val_and_writes_into_the_work_directory(checkpoint, tmp_path):
    text = sweep(checkpoint, tmp_path, '--bins', 100)
    assert 'average precision' in text and 'to use it: --cfg-options model.decode_head.threshold=' in text
    assert 'warning' not in text
    folder = tmp_path / 'threshold_sweep_val'
    assert sorted(path.name for path in folder.iterdir()) == ['pr_curve.png', 'sweep.csv', 'sweep.json']
    content = json.loads((folder / 'sweep.json').read_text())
    assert sum(content['at_0.5']['confusion'].values()) == 2 * 64 * 64 and content['split'] == 'val'
    assert len((folder / 'sweep.csv').read_text().splitlines()) == 102
    assert 'exists; name another place or pass --overwrite' in sweep(checkpoint, tmp_path, fails=True)


def test_confusion_warns_of_thresholds_chosen_on_test(checkpoint, tmp_path):
    text = sweep(checkpoint, tmp_path, '--out', tmp_path / 'out', split='test')
    assert 'warning: the threshold was swept over the TEST split' in text and 'to use it' not in text
    assert 'must not be reported' in json.loads((tmp_path / 'out/sweep.json').read_text())['warning']


def test_confusion_refuses_bins_without_one_half(checkpoint, tmp_path):
    assert 'bins=7; expected an even number' in sweep(checkpoint, tmp_path, '--bins', 7, fails=True)
