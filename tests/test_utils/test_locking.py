import json
import os
import re
import signal
import subprocess
import sys
import time

import pytest

from schanger_mm.utils import locking
from schanger_mm.utils.errors import LockedError, SettingError, UnwritableError
from schanger_mm.utils.locking import LOCK, is_vacant, locked
from schanger_mm.utils.names import list_stems

HOLD = ('import os, sys, time\nfrom schanger_mm.utils.locking import locked\n'
        'with locked(sys.argv[1]):\n'
        '    child = os.fork() if sys.argv[2] == "fork" else 1\n'
        '    os.write(1, b"held\\n" if child else b"child\\n")\n'
        '    time.sleep(60)\n')


@pytest.fixture
def holder():
    """Start a process that holds the lock of a folder."""
    def start(folder, how='alone'):
        process = subprocess.Popen([sys.executable, '-c', HOLD, str(folder), how], stdout=subprocess.PIPE, text=True,
                                   start_new_session=True)
        started.append(process)
        lines = [process.stdout.readline().strip() for _ in range(2 if how == 'fork' else 1)]
        assert 'held' in lines
        return process

    started = []
    yield start
    for process in started:
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        process.wait()
        process.stdout.close()


def test_another_process_is_refused_and_told_of_the_first(holder, tmp_path):
    folder = tmp_path / 'new/out'
    process = holder(folder)
    facts = json.loads((folder / f'{LOCK}.json').read_text())
    assert facts['pid'] == process.pid and facts['command'].endswith(f'-c {folder} alone')
    said = re.escape(f'{folder}: process {process.pid} on {facts["host"]}, since {facts["since"]} (-c {folder} alone), '
                     'is writing there. Wait until it has ended, or name another folder.')
    with pytest.raises(LockedError, match=f'^{said}$'), locked(folder):
        pass
    assert (folder / LOCK).exists() and list(folder.iterdir())  # the holder's files stay


@pytest.mark.parametrize('how', ['alone', 'fork'])
def test_a_kill_releases_it_and_what_is_left_blocks_nobody(how, holder, tmp_path):
    """Also where a worker, forked from the one that was killed, is still there."""
    process = holder(tmp_path / 'out', how)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert (tmp_path / 'out' / LOCK).exists() and is_vacant(tmp_path / 'out')
    with locked(tmp_path / 'out'):
        assert json.loads((tmp_path / f'out/{LOCK}.json').read_text())['pid'] == os.getpid()
    assert not list((tmp_path / 'out').iterdir())


def test_nothing_is_left_behind(tmp_path):
    with locked(tmp_path / 'a/b'):
        assert is_vacant(tmp_path / 'a/b')
    with locked(tmp_path / 'c', beside=True):
        assert sorted(path.name for path in tmp_path.iterdir()) == ['.c.lock', '.c.lock.json']
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(ZeroDivisionError), locked(tmp_path / 'd'):
        (tmp_path / 'd/result').touch()
        raise ZeroDivisionError
    assert [path.name for path in (tmp_path / 'd').iterdir()] == ['result'] and not is_vacant(tmp_path / 'd')


def test_folders_are_locked_one_by_one_and_again_after_the_end(tmp_path):
    for _ in range(2):
        with locked(tmp_path / 'a'), locked(tmp_path / 'b'), locked(tmp_path / 'a', beside=True):
            with pytest.raises(LockedError, match=f'process {os.getpid()} on'), locked(tmp_path / 'a'):
                pass
            with locked(tmp_path / 'a', hold=False):  # another process of the same run
                pass


def test_a_lock_is_neither_data_nor_a_result(tmp_path):
    (tmp_path / '1.png').touch()
    with locked(tmp_path):
        assert list(list_stems(str(tmp_path))) == ['1']


def test_a_file_and_a_folder_that_cannot_be_written(tmp_path, monkeypatch):
    (tmp_path / 'file').touch()
    with pytest.raises(SettingError, match='file: this is a file; expected a folder'), locked(tmp_path / 'file'):
        pass
    with pytest.raises(UnwritableError, match=r'file/below: cannot be written \(Not a directory: .*Give permission'):
        with locked(tmp_path / 'file/below'):
            pass

    def refuse(self):
        raise PermissionError(13, 'Permission denied', self.lock_file)

    monkeypatch.setattr(locking.FileLock, 'acquire', refuse)
    with pytest.raises(UnwritableError, match=r'out: cannot be written \(Permission denied: .*out/.schanger_mm.lock\)'):
        with locked(tmp_path / 'out'):
            pass


def test_a_file_system_without_locks_is_warned_of(tmp_path, monkeypatch, caplog):
    def refuse(self):
        raise OSError(38, 'Function not implemented')

    monkeypatch.setattr(locking.FileLock, 'acquire', refuse)
    with locked(tmp_path / 'out'):
        (tmp_path / 'out/result').touch()
    assert 'has no locks (Function not implemented)' in caplog.text


def test_many_that_take_turns_never_write_at_once(tmp_path):
    code = ('import os, sys, time\nfrom schanger_mm.utils.errors import LockedError\n'
            'from schanger_mm.utils.locking import locked\n'
            'for _ in range(40):\n'
            '    try:\n'
            '        with locked(sys.argv[1]):\n'
            '            file = open(sys.argv[1] + "/busy", "x"); time.sleep(0.001)\n'
            '            os.remove(file.name)\n'
            '    except LockedError: pass\n')
    several = [subprocess.Popen([sys.executable, '-c', code, str(tmp_path / 'out')]) for _ in range(3)]
    end = time.monotonic() + 60
    assert [process.wait(timeout=end - time.monotonic()) for process in several] == [0, 0, 0]
