"""Two processes with a part of the batch each have the gradients of one process with all of it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from schanger_mm.models.layers import SyncNorm, all_reduce_sum, on_the_cpu


def compare(out, *options):
    run = subprocess.run([sys.executable, Path(__file__).with_name('joint_batch.py'), out, *options],
                         env={**os.environ, 'OMP_NUM_THREADS': '1'}, capture_output=True, text=True, timeout=600)
    assert run.returncode == 0, run.stderr[-3000:]
    return json.loads(run.stdout.splitlines()[-1])


@pytest.mark.long
@pytest.mark.parametrize('options', [['sync'], ['sync', 'cp']])
def test_loss_gradients_and_statistics_are_those_of_the_joint_batch(options, tmp_path):
    """Every parameter, with 3 + 1 pairs, two dates, ignored pixels in one process; also where blocks run twice."""
    found = compare(tmp_path, *options)
    assert found['parameters'] == 425
    assert found['loss'] < 1e-12 and found['gradient'] < 1e-5 and found['statistics'] < 1e-5
    assert found['processes'] == 0.0  # the two of them agree bit for bit
    assert found['points'] < 1e-12  # a process without a single sample


@pytest.mark.long
def test_without_the_options_they_are_not(tmp_path):
    """The test above can fail."""
    found = compare(tmp_path)
    assert found['gradient'] > 1.0 and found['loss'] > 1e-4 and found['processes'] > 1e-4


@pytest.mark.parametrize('shape', [(3, 4, 5, 6), (7, 4)])
def test_one_process_has_plain_batch_norm(shape):
    kind = nn.BatchNorm2d if len(shape) == 4 else nn.BatchNorm1d
    plain = kind(4, eps=1e-3, momentum=0.2)
    ours = on_the_cpu(nn.SyncBatchNorm.convert_sync_batchnorm(nn.Sequential(kind(4, eps=1e-3, momentum=0.2))))
    assert type(ours[0]) is SyncNorm and ours.state_dict().keys() == nn.Sequential(plain).state_dict().keys()
    x = torch.randn(shape)
    for _ in range(2):
        torch.testing.assert_close(ours(x), plain(x), rtol=0, atol=0)
    torch.testing.assert_close(ours[0].running_var, plain.running_var, rtol=0, atol=0)
    assert all_reduce_sum(x) is x
    with pytest.raises(ValueError, match=r'SyncNorm: an input of shape \(4,\)'):
        ours(x.flatten()[:4])
