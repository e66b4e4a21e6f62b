"""Damaged files end in a right answer or in an error of ours that names them; see fuzz.py."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
SOAK = 21_000
pytest.importorskip('resource')
pytest.importorskip('rasterio')


def fuzz(root, *words, seconds):
    env = {**os.environ, 'PYTHONPATH': str(root), 'OMP_NUM_THREADS': '1'}
    done = subprocess.run([sys.executable, HERE / 'fuzz.py', *map(str, words)], env=env, text=True, timeout=seconds,
                          capture_output=True)
    assert done.returncode == 0, done.stdout + done.stderr[-3000:]
    return done.stdout


def counted(text):
    rows = re.findall(r'^(\w+): (\d+) cases in \d+ s, (\d+) read, (\d+) refused, 0 hangs, 0 crashes, 0 other', text,
                      re.MULTILINE)
    return {name: tuple(map(int, numbers)) for name, *numbers in rows}


def test_a_few_hundred_damaged_files(root, monkeypatch, tmp_path):
    monkeypatch.setenv('FUZZ_OUT', str(tmp_path))
    counts = counted(fuzz(root, 'run', 400, seconds=900))
    assert len(counts) == 9 and sum(cases for cases, _, _ in counts.values()) >= 400
    assert all(refused for _, _, refused in counts.values()), counts
    assert sum(read for _, read, _ in counts.values()) > 40, counts


def test_what_went_wrong_once(root):
    cases, = re.findall(r'found: (\d+) cases', fuzz(root, 'found', seconds=600))
    assert int(cases) == sum(path.is_file() for path in (HERE / 'found').rglob('*')) >= 4


@pytest.mark.long
def test_thousands_of_damaged_files(root):
    """The full run: SOAK=1, over 20,000 files; findings are kept in fuzz_findings/ and named with their number."""
    total = SOAK if os.environ.get('SOAK') else 2000
    counts = counted(fuzz(root, 'run', total, 400, seconds=3600))
    assert sum(cases for cases, _, _ in counts.values()) >= total


HANG = '''
import time, sys
sys.path.insert(0, {here!r})
import fuzz, targets
import os, ctypes
from pathlib import Path


def make(folder):
    folder.mkdir()
    (folder / 'damaged.bin').write_bytes(b'abc')
    return ['damaged.bin']


def read(folder, name, before):
    number = len(list(folder.parent.glob('seen*')))
    (folder.parent / f'seen{{number}}').touch()
    if number == 1:
        time.sleep(1000)
    if number == 2:
        ctypes.string_at(0)
    if number == 3:
        raise KeyError('not ours')
    if number == 4:
        bytearray(1 << 40)
    if number == 5:
        targets.read_label('/elsewhere/x.png')


fuzz.SECONDS = 3
fuzz.TARGETS.clear()
fuzz.TARGETS['one'] = targets.Target(make, read, 1)
print(fuzz.run(8, 0, Path({tmp!r})))
'''


def test_hangs_crashes_and_strange_errors_are_found(root, tmp_path):
    """Of the harness itself: it must be able to fail."""
    env = {**os.environ, 'PYTHONPATH': str(root), 'FUZZ_OUT': str(tmp_path / 'out')}
    (tmp_path / 'runs').mkdir()
    program = HANG.format(here=str(HERE), tmp=str(tmp_path / 'runs'))
    done = subprocess.run([sys.executable, '-c', program], env=env, text=True, capture_output=True, timeout=600)
    text = done.stdout
    said = '3 read, 0 refused, 1 hangs, 1 crashes, 3 other findings'
    assert 'one: 8 cases in' in text and said in text, text + done.stderr
    for part in ('FINDING one 1, kept in', 'hang, status', 'crash, status', 'KeyError', 'MemoryError',
                 'neither the file nor its folder is named: /elsewhere/x.png: no such file'):
        assert part in text, part
    assert text.endswith('5\n') and len(list((tmp_path / 'out').rglob('damaged.bin'))) == 5
