"""Commands as processes: threads, priority, logs, and what happens to them when their parent is killed."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from schanger_mm.utils import children
from schanger_mm.utils.children import call, run_logged
from schanger_mm.utils.errors import CommandError

ROOT = Path(__file__).parents[2]
PRINTS = 'import os; print(os.nice(0), os.environ["OMP_NUM_THREADS"], os.getcwd())'


def test_a_command_runs_in_the_checkout_with_its_threads_and_priority(tmp_path):
    (tmp_path / 'repo').mkdir()
    before = os.nice(0)
    for nice in (None, 3):
        run_logged([sys.executable, '-c', PRINTS], tmp_path / 'repo', tmp_path / 'new/log', threads=2, nice=nice)
    plain, lower = (tmp_path / 'new/log').read_text().splitlines()  # the second was appended
    assert plain == f'{before} 2 {tmp_path}/repo' and lower == f'{min(19, before + 3)} 2 {tmp_path}/repo'
    assert os.nice(0) == before


def test_a_command_that_fails_shows_the_end_of_its_log(tmp_path, capsys):
    words = [sys.executable, '-c', 'print(*range(9), sep="\\n"); raise SystemExit(5)']
    with pytest.raises(CommandError) as error:
        run_logged(words, tmp_path, tmp_path / 'log', threads=1)
    assert error.value.status == 5
    assert capsys.readouterr().err == f'4\n5\n6\n7\n8\nthe whole log: {tmp_path}/log\n'


@pytest.mark.skipif(sys.platform != 'linux', reason='uses prctl')
@pytest.mark.parametrize('killed', [True, False])
def test_a_training_saves_when_its_parent_is_killed_or_interrupted(killed, tmp_path):
    child = ('import signal, sys, time\n'
             'def save(*_):\n    time.sleep(1); print("saved", flush=True); sys.exit()\n'
             'signal.signal(signal.SIGTERM, save), signal.signal(signal.SIGINT, save)\n'
             'print("begun", flush=True)\ntime.sleep(60)')
    parent = ('import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler)\n'
              'from pathlib import Path\nfrom schanger_mm.utils.children import call\n'
              f'call([sys.executable, "-c", {child!r}], Path("."), Path({str(tmp_path / "log")!r}), {{}}, nice=1)')
    log = tmp_path / 'log'
    process = subprocess.Popen([sys.executable, '-c', parent], start_new_session=True, stderr=subprocess.DEVNULL,
                               env={**os.environ, 'PYTHONPATH': str(ROOT)})

    def wait_for(word):
        for _ in range(300):
            if log.is_file() and word in log.read_text():
                return
            time.sleep(0.1)

    try:
        wait_for('begun')
        if killed:
            process.kill()
            wait_for('saved')
        else:
            os.killpg(process.pid, signal.SIGINT)  # as a terminal does
            assert process.wait(30) != 0
    finally:
        process.kill()
        process.wait()
    assert log.read_text() == 'begun\nsaved\n'


def test_call_returns_the_status(tmp_path):
    assert call([sys.executable, '-c', 'raise SystemExit(7)'], tmp_path, tmp_path / 'log', os.environ) == 7


@pytest.mark.parametrize('missing', ['prctl', 'nice'])
def test_elsewhere_a_command_is_a_plain_child(missing, tmp_path, monkeypatch):
    """On macOS there is no prctl; on Windows there is neither that nor a priority."""
    before = os.nice(0)
    seen = []
    monkeypatch.setattr(children.ctypes, 'CDLL', lambda name: seen.append('prctl'))
    if missing == 'prctl':
        monkeypatch.setattr(children.sys, 'platform', 'darwin')
    else:
        monkeypatch.setattr(children, 'PRIORITIES', False)
    run_logged([sys.executable, '-c', PRINTS], tmp_path, tmp_path / 'log', threads=1, nice=3)
    found = int((tmp_path / 'log').read_text().split()[0])
    assert seen == [] and found == (min(19, before + 3) if missing == 'prctl' else before)
