"""Training in two processes: killed and resumed, with as many or with another number of them."""

import json
import os
import subprocess
import sys
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from mmengine.dataset import InfiniteSampler

from schanger_mm.demo.scenes import DemoSizes, write_demo_set

pytestmark = pytest.mark.long
PAIRS = 6


@pytest.fixture(scope='module')
def report(tmp_path_factory):
    out = tmp_path_factory.mktemp('distributed')
    write_demo_set(out / 'data', DemoSizes(pretrain_train=1, pretrain_val=1, train=PAIRS, val=3, test=1), image_size=64)
    run = subprocess.run([sys.executable, Path(__file__).with_name('distributed_trainings.py'), out / 'data', out],
                         env={**os.environ, 'OMP_NUM_THREADS': '1', 'MKL_NUM_THREADS': '1'},
                         capture_output=True, text=True, timeout=900)
    assert run.returncode == 0, run.stderr[-3000:]
    return json.loads(run.stdout.splitlines()[-1])


def test_the_other_process_ends_when_one_is_killed(report):
    assert report['codes']['killed'] == [3, -9] and report['lost'] == 1
    assert all(code == 0 for name, codes in report['codes'].items() if name != 'killed' for code in codes)


def test_two_processes_killed_and_resumed_are_two_that_never_stopped(report):
    """Bit for bit, with a batch norm that each process has for itself."""
    straight, killed = report['losses']
    assert report['found'] == [] and report['said_exact'] == []
    assert straight == killed and [len(process) for process in straight] == [12, 12]
    assert straight[0] != straight[1]


def test_another_number_of_processes_goes_on_where_they_stopped(report):
    for name in ('two_to_one', 'smaller'):
        assert [report[name][key] for key in ('iter', 'steps', 'averaged')] == [12, [12], 12]
        assert 'the number of processes was 2 and is 1, and each has random numbers' in report[name]['said'][0]
    assert report['straight']['entry']['drawn'] == report['two_to_one']['entry']['drawn'] == 12 * 4
    assert report['smaller']['entry']['drawn'] == 6 * 4 + 6 * 2
    assert len(report['two_to_one']['said']) == 1
    assert 'a batch over all processes was 4 samples and is 2' in report['smaller']['said'][0]
    assert 'continues after the 24 samples that were drawn' in report['smaller']['said'][1]


def test_no_sample_is_left_out_or_comes_twice(report):
    order = [f'{index:04d}' for index in islice(InfiniteSampler(range(PAIRS), seed=36), 60)]
    draws = report['draws']
    assert draws['straight'] == order[:48]
    assert draws['two_to_one'] == order[24:48]
    assert draws['smaller'] == order[24:36]
    assert draws['more'] == order[36:48]  # two, one from 24, two from 36
    assert draws['smaller_again'] == order[30:42]  # two, one with half the batch from 24, two from 30


def test_sync_bn_takes_the_statistics_of_the_joint_batch(report):
    """As the Runner sets it from the config, on the CPU."""
    found = {name: np.concatenate([np.ravel(values) for values in both])
             for name, both in report['statistics'].items()}
    assert found['joint'].shape == (16, )  # mean and variance of 8 channels
    np.testing.assert_allclose(found['synced'], found['joint'], rtol=1e-5, atol=1e-6)
    assert np.abs(found['apart'] - found['joint']).max() > 1e-3


def test_only_the_first_process_writes_checkpoints(report):
    assert report['files'] == ['best_changed_F1_iter_12.pth', 'iter_12.pth', 'iter_3.pth', 'iter_6.pth', 'iter_9.pth']
