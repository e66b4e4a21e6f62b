"""The command line of tools/compare.py."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from schanger_mm.commands import cli, compare
from schanger_mm.demo.scenes import DemoSizes, write_demo_set
from schanger_mm.experiments import arms
from schanger_mm.experiments.budget import Budget
from schanger_mm.experiments.compare import Comparison
from schanger_mm.experiments.compare_data import Data
from schanger_mm.utils.files import read_table

ROOT = Path(__file__).parents[2]
FOLDERS = ['--train', 'data/train', '--val', 'data/val']


@pytest.fixture
def typed(monkeypatch, tmp_path):
    """Return a function that types the command in this process; nothing is run."""
    monkeypatch.chdir(tmp_path)

    def type_command(*words):
        made = []
        monkeypatch.setattr(Comparison, 'run', lambda comparison: made.append(comparison))
        return cli.run(compare, words), made
    return type_command


def test_without_options_it_trains_two_starts_for_two_core_hours_each(typed, tmp_path):
    status, (made, ) = typed(*FOLDERS)
    assert status == 0 and made == Comparison(
        ROOT, ROOT / 'configs/few_labels', Path('compare_out'), Data(tmp_path / 'data/train', tmp_path / 'data/val'),
        (arms.Arm('scratch'), arms.Arm('supervised')), Budget(120, 30), (36, ), 1, 19)


def test_every_option_arrives(typed, tmp_path):
    status, (made, ) = typed(
        *FOLDERS, *'--images i --masks m --before 1 --after 2 --label l --label-threshold 128 --arms scratch upernet:4 '
        '--labelled 3 all --iters 9 --pretrain-iters 5 --seeds 4 7 --threads 2 --nice 5 --configs c --out o'.split())
    assert status == 0 and made == Comparison(
        ROOT, Path('c'), Path('o'), Data(tmp_path / 'data/train', tmp_path / 'data/val', tmp_path / 'i', tmp_path / 'm',
                                         '1', '2', 'l', 128),
        (arms.Arm('scratch', 3), arms.Arm('scratch'), arms.Arm('upernet', 4)), Budget(120, 30, 9, 5), (4, 7), 2, 5)


@pytest.mark.parametrize('words, message', [
    (['--arms', 'unet'], 'error: --arms unet: expected NAME'), (['--seeds', 'x'], 'error: --seeds x'),
    (['--minutes', '0'], 'error: --minutes 0.0: expected'), (['--out', 'text'], 'error: --out text: this is a file')])
def test_mistakes_are_one_line(words, message, typed, capsys):
    Path('text').write_text('mine')
    assert typed(*FOLDERS, *words)[0] == 2
    error = capsys.readouterr().err
    assert error.startswith(message) and error.count('\n') == 1


def test_names_of_arms_are_those_of_the_package():
    assert (compare.STARTS, compare.PEERS, compare.ARMS) == (tuple(arms.STARTS), arms.PEERS, arms.ARMS)


TINY = """
_base_ = '{root}/configs/few_labels/{name}.py'
arch = (8, 8, 12, 16, 20, 24)
{model}
train_pipeline = _base_.train_pipeline
{crop} = (32, 32)
train_dataloader = dict(batch_size=2, dataset=dict(pipeline=train_pipeline))
train_cfg = dict({cfg})
default_hooks = dict(checkpoint=dict(interval=1), logger=dict(interval=1))
"""


@pytest.mark.long
def test_killed_at_any_moment_and_continued_it_ends_with_the_same_numbers(tmp_path):
    """Three trainings of a tiny network on drawn pairs of 32 px, as processes, killed with all they started."""
    sizes = DemoSizes(pretrain_train=4, pretrain_val=1, train=4, val=2, test=1)
    write_demo_set(tmp_path / 'data', sizes, seed=1, image_size=32)
    configs = tmp_path / 'configs'
    configs.mkdir()
    (configs / 'finetune_schanger.py').write_text(TINY.format(
        root=ROOT, name='finetune_schanger', cfg='val_interval=2',
        crop="train_pipeline[2]['transforms'][0]['crop_size']",
        model="model = dict(backbone=dict(arch=arch), decode_head=dict(arch=arch), "
              "test_cfg=dict(_delete_=True, mode='whole'))"))
    (configs / 'supervised_schanger.py').write_text(TINY.format(
        root=ROOT, name='supervised_schanger', crop="train_pipeline[2]['crop_size']", cfg='',
        model='model = dict(backbone=dict(arch=arch), decode_head=dict(arch=arch))'))
    data = tmp_path / 'data'
    words = [sys.executable, 'tools/compare.py', '--train', data / 'train', '--val', data / 'val', '--images',
             data / 'pretrain/train/images', '--masks', data / 'pretrain/train/masks', '--configs', configs, '--arms',
             'scratch:2', 'supervised:2', '--iters', '10', '--pretrain-iters', '6', '--nice', '0']
    env = {**os.environ, 'PYTHONPATH': str(ROOT), 'OMP_NUM_THREADS': '1', 'CUDA_VISIBLE_DEVICES': ''}

    def start(out):
        return subprocess.Popen([*map(str, words), '--out', str(tmp_path / out)], cwd=ROOT, env=env,
                                start_new_session=True, stdout=subprocess.DEVNULL)

    def kill_when(file):
        process = start('killed')
        for _ in range(3000):
            if file.exists() or process.poll() is not None:
                break
            time.sleep(0.05)
        os.killpg(process.pid, signal.SIGKILL)
        return process.wait()

    assert start('whole').wait() == 0
    seed = tmp_path / 'killed/seed_36'
    kills = [kill_when(seed / file) for file in (
        'scratch_2/iter_4.pth', 'pretrain_supervised_schanger/iter_3.pth', 'supervised_2/iter_9.pth')]
    assert kills == 3 * [-signal.SIGKILL] and not (tmp_path / 'killed/seed_36/supervised_2/done').exists()
    assert start('killed').wait() == 0
    one, two = (read_table(tmp_path / out / 'results.json')['arms'] for out in ('whole', 'killed'))
    for name in ('arm', 'labelled', 'iterations', 'scores', 'steps', 'f1'):
        assert [arm[name] for arm in one] == [arm[name] for arm in two], name
    assert [(arm['iterations'], arm['steps'], arm['pretraining']['iterations']) for arm in one] == [
        (10, [2, 4, 6, 8, 10], []), (10, [2, 4, 6, 8, 10], [6])]
    for arm in two:  # lost iterations do not count, whatever the kills cost
        assert arm['core_minutes'] == sorted(arm['core_minutes']) and 0 < arm['core_minutes'][0]
        assert len(arm['pictures']) == 2 and (tmp_path / 'killed' / arm['pictures'][0]).is_file()
    shutil.rmtree(tmp_path / 'data')  # a finished comparison needs no training again, only its folders
    assert start('killed').wait() == 2
