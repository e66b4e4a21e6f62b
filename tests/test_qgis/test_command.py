"""Starting, following and ending the command, without QGIS."""

import os
import subprocess
import sys
import threading
import time

import pytest
from schanger_changes import command

ANSWERS = '''
import json, sys
print('[1/2] a: 3 changes: out/a', flush=True)
print(json.dumps(dict(fraction=0.5, megapixels_per_second=0.25, seconds_left=12, message='ä')), file=sys.stderr)
print(json.dumps(dict(message='warning: a shift')), file=sys.stderr)
print('{"not": "progress"}', file=sys.stderr)
print('error: a.tif: expected 3 bands,\\nfound 4', file=sys.stderr)
sys.exit(2)
'''
WAITS = '''
import json, signal, subprocess, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)  # background jobs ignore it
child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'], stderr=subprocess.DEVNULL)
try:
    print(child.pid, flush=True)
    print(json.dumps(dict(fraction=0.25, message='scene')), file=sys.stderr, flush=True)
    time.sleep(60)
except KeyboardInterrupt:
    print('interrupted: 3 of 9 blocks are kept', file=sys.stderr, flush=True)
    sys.exit(130)
'''
DEAF = "import signal, sys, time; signal.signal(signal.SIGINT, signal.SIG_IGN); print(1, flush=True); time.sleep(60)"


def run(tmp_path, code, cancelled=lambda: False, **options):
    progress, said = [], []
    try:
        outcome = command.run([sys.executable, '-c', code], tmp_path, progress.append, said.append, cancelled,
                              **options)
    except command.Cancelled:
        outcome = None
    return outcome, progress, said


def test_progress_warnings_results_and_errors_are_told_apart(tmp_path):
    outcome, progress, said = run(tmp_path, ANSWERS)
    assert (outcome.status, outcome.printed) == (2, ['[1/2] a: 3 changes: out/a'])
    assert outcome.error == 'a.tif: expected 3 bands,\nfound 4'
    assert [command.describe(table) for table in progress] == ['50%, 0.25 MP/s, 12 s left, ä', 'warning: a shift']
    assert '{"not": "progress"}' in said


def test_without_an_error_line_the_last_lines_are_the_message(tmp_path):
    outcome, _, _ = run(tmp_path, 'import sys; sys.exit("no more ideas")')
    assert outcome.error == 'schanger ended with status 1: no more ideas'
    outcome, _, _ = run(tmp_path, 'import os; os._exit(7)')
    assert outcome.error == 'schanger ended with status 7: it printed nothing'


def is_running(pid):
    """Say whether a process runs; one that has ended and waits to be fetched does not."""
    try:
        with open(f'/proc/{pid}/stat', encoding='utf-8') as file:
            return file.read().rpartition(')')[2].split()[0] != 'Z'
    except FileNotFoundError:
        return False


@pytest.mark.skipif(not os.path.isdir('/proc/self'), reason='looks into /proc')
def test_cancelling_ends_the_command_and_its_children_and_keeps_its_last_words(tmp_path):
    started = threading.Event()
    progress, said = [], []
    with pytest.raises(command.Cancelled):
        command.run([sys.executable, '-c', WAITS], tmp_path, lambda table: (progress.append(table), started.set()),
                    said.append, started.is_set)
    assert progress == [dict(fraction=0.25, message='scene')]
    child, words = sorted(said, key=lambda line: not line.isdigit())  # two streams, in any order
    assert words == 'interrupted: 3 of 9 blocks are kept'
    deadline = time.monotonic() + 5
    while is_running(child) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not is_running(child)


@pytest.mark.skipif(os.name == 'nt', reason='signals of POSIX')
def test_a_command_that_does_not_listen_is_killed(tmp_path):
    seen = []
    began = time.monotonic()
    with pytest.raises(command.Cancelled):
        command.run([sys.executable, '-c', DEAF], tmp_path, seen.append, seen.append, lambda: bool(seen), patience=0.5)
    assert 0.5 <= time.monotonic() - began < 20


@pytest.mark.skipif(os.name == 'nt', reason='signals of POSIX')
def test_an_exception_of_the_caller_ends_the_command_too(tmp_path):
    processes = []

    def fail(line):
        if line.isdigit():
            processes.append(int(line))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        command.run([sys.executable, '-c', 'import os, time; print(os.getpid(), flush=True); time.sleep(60)'], tmp_path,
                    print, fail, lambda: False, patience=1)
    with pytest.raises(ProcessLookupError):
        os.kill(processes[0], 0)


def test_windows_without_a_console_terminates(monkeypatch):
    calls = []

    class Process:
        pid = 1

        def send_signal(self, number):
            raise OSError('no console')

        def poll(self):
            return None

        def terminate(self):
            calls.append('terminate')

        def wait(self, seconds=None):
            if seconds is not None:
                raise subprocess.TimeoutExpired('schanger', seconds)

    monkeypatch.setattr(command, 'WINDOWS', True)
    monkeypatch.setattr(command.signal, 'CTRL_BREAK_EVENT', 1, raising=False)
    monkeypatch.setattr(command.subprocess, 'run', lambda words, **options: calls.append(words[0]))
    command.stop(Process(), 0.1)
    assert calls == ['terminate', 'taskkill']


def test_the_libraries_of_qgis_are_not_those_of_the_command(monkeypatch):
    monkeypatch.setenv('PYTHONHOME', '/qgis')
    monkeypatch.setenv('PROJ_LIB', '/qgis/proj')
    monkeypatch.setenv('SCHANGER_KEPT', 'yes')
    found = command.own_environment()
    assert not {'PYTHONHOME', 'PROJ_LIB'} & set(found) and found['SCHANGER_KEPT'] == 'yes'
