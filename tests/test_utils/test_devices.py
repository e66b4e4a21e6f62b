import os
import subprocess
import sys

import pytest
import torch

from schanger_mm.utils import devices as memory
from schanger_mm.utils.devices import count_cores, find_device, parse_device
from schanger_mm.utils.errors import SettingError


@pytest.mark.parametrize('name', ['cpu', 'cuda', 'cuda:7', torch.device('cuda', 2)])
def test_devices_are_named_without_looking_for_them(name):
    assert parse_device(name) == (torch.device(name).type, torch.device(name).index)


@pytest.mark.parametrize('name', ['mps', 'xla', 'meta', 'hpu', 'cuda:x', 'gpu', ''])
def test_other_devices_are_refused(name):
    for read in parse_device, lambda name: find_device(name, 'predict on'):
        with pytest.raises(SettingError, match=f'^--device {name}: expected cpu, cuda or cuda:N.$'):
            read(name)


def test_a_gpu_that_is_not_there_is_refused(monkeypatch):
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)
    with pytest.raises(SettingError, match='--device cuda:0: no GPU was found; omit it to predict on the CPU'):
        find_device('cuda:0', 'predict on')
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: True)
    monkeypatch.setattr(torch.cuda, 'device_count', lambda: 2)
    with pytest.raises(SettingError, match='--device cuda:2: expected a number below 2, the number of GPUs'):
        find_device('cuda:2', 'predict on')
    assert find_device('cuda:1', 'predict on').index == 1


def test_threads_are_what_the_environment_says_or_the_physical_cores(monkeypatch):
    monkeypatch.setenv('OMP_NUM_THREADS', '3')
    assert count_cores() == 3
    for nothing in ('', '0', 'x'):
        monkeypatch.setenv('OMP_NUM_THREADS', nothing)
        assert 1 <= count_cores() <= os.cpu_count()
    monkeypatch.delattr(os, 'sched_getaffinity', raising=False)
    assert count_cores() == os.cpu_count()


LOOK = '''
import sys, torch
from schanger_mm.utils.devices import FOR_INFERENCE, keep_freed_memory

def resident():
    return int(next(line for line in open('/proc/self/status') if line.startswith('VmRSS')).split()[1]) >> 10

if sys.argv[1] != 'default':
    assert keep_freed_memory(None if sys.argv[1] == 'all' else FOR_INFERENCE)
before = resident()
x = [torch.ones(size * 2**18) for size in (16, 16, 16, 200)]
del x
print(resident() - before)
'''


@pytest.mark.skipif(not sys.platform.startswith('linux'), reason='glibc')
@pytest.mark.parametrize('setting, least, most', [('default', 0, 60), ('inference', 40, 80), ('all', 240, 300)])
def test_freed_memory_stays_as_asked(setting, least, most):
    done = subprocess.run([sys.executable, '-c', LOOK, setting], capture_output=True, text=True, check=True)
    assert least <= int(done.stdout) <= most  # MiB of 48 in small blocks and 200 in one


def test_other_systems_are_left_alone(monkeypatch):
    monkeypatch.setattr(memory.sys, 'platform', 'darwin')
    assert memory.keep_freed_memory() is False
    monkeypatch.setattr(memory.sys, 'platform', 'linux')
    monkeypatch.setattr(memory.ctypes, 'CDLL', lambda name: object())
    assert memory.keep_freed_memory() is False
