"""What glibc does afterwards is seen from outside, in a process of its own."""

import subprocess
import sys

import pytest

from schanger_mm.apis import memory

LOOK = '''
import sys, torch
from schanger_mm.apis.memory import FOR_INFERENCE, keep_freed_memory

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
