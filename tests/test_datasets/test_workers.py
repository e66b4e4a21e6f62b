"""Workers of a loader whose main process is killed, and workers that do not end by themselves."""

import os
import pickle
import signal
import subprocess
import sys
import time
from functools import partial
from multiprocessing import active_children

import pytest
from torch.utils.data import DataLoader, Dataset

from schanger_mm.datasets.workers import end_workers, init_worker
from schanger_mm.registry import DATASETS

KILLED = """
import os, time
from functools import partial
from torch.utils.data import DataLoader, Dataset
from schanger_mm.datasets.workers import init_worker

class Large(Dataset):
    def __len__(self):
        return 1000

    def __getitem__(self, index):
        return bytes(50_000)  # two of them fill a pipe

loader = DataLoader(Large(), 1, num_workers=5, prefetch_factor=4, persistent_workers=True, collate_fn=list,
                    worker_init_fn=partial(init_worker, None))
next(iter(loader))
time.sleep(1)
print('full', flush=True)
time.sleep(60)
"""


class Hanging(Dataset):
    def __len__(self):
        return 4

    def __getitem__(self, index):
        if index:
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
            time.sleep(60)
        return index


@pytest.mark.skipif(not hasattr(signal, 'sigtimedwait'), reason='needs POSIX real-time signals')
@pytest.mark.parametrize('system', ['Linux', pytest.param('macOS', marks=pytest.mark.long)])
def test_workers_end_with_the_main_process_though_their_pipe_is_full(system):
    """They hold stdout as well: `train.py | tail` would wait for ever."""
    lacking = 'import signal\ndel signal.sigtimedwait\n' if system == 'macOS' else ''
    process = subprocess.Popen([sys.executable, '-c', lacking + KILLED], stdout=subprocess.PIPE, text=True,
                               start_new_session=True)
    try:
        assert process.stdout.readline() == 'full\n'
        process.kill()
        rest, _ = process.communicate(timeout=20)  # until the last one has closed the pipe
        assert rest == ''
    finally:
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass


def test_what_a_loader_sends_to_workers_that_are_not_forked_can_be_sent(fakes):
    """Windows and macOS start them anew, and Linux does from Python 3.14 on."""
    dataset = DATASETS.build(dict(type='LEVIRCDDataset', data_root=fakes('LEVIRCDDataset'), split='train', pipeline=[
        dict(type='LoadBiTemporalImages'), dict(type='LoadChangeLabel')]))
    sent, start = pickle.loads(pickle.dumps((dataset, partial(init_worker, None))))
    assert len(sent) == len(dataset) == 2 and start.func is init_worker
    assert sent[1].keys() == dataset[1].keys()


def test_without_the_signal_of_ended_children_a_hanging_one_is_killed_too(monkeypatch):
    """On Windows."""
    handler = signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # torch installs none there
    before = set(active_children())
    loader = DataLoader(Hanging(), 1, num_workers=1, persistent_workers=True, collate_fn=list)
    next(iter(loader))
    number = signal.SIGCHLD
    monkeypatch.delattr(signal, 'SIGCHLD')
    end_workers(loader, 0.5)
    while set(active_children()) - before:
        time.sleep(0.01)
    signal.signal(number, handler)


def test_workers_are_ended_and_a_hanging_one_killed():
    before, handler = set(active_children()), signal.getsignal(signal.SIGCHLD)
    for data, limit in ((list(range(4)), 10.0), (Hanging(), 0.5)):
        loader = DataLoader(data, 1, num_workers=2, persistent_workers=True, collate_fn=list)
        assert next(iter(loader)) == [0]
        start = time.monotonic()
        end_workers(loader, limit)
        while set(active_children()) - before and time.monotonic() - start < 5:
            time.sleep(0.01)
        assert not set(active_children()) - before and time.monotonic() - start < 5
        signal.signal(signal.SIGCHLD, handler)
    loader = DataLoader(list(range(4)), 1, num_workers=1, persistent_workers=True, collate_fn=list)
    assert len([batch for _ in range(2) for batch in loader]) == 8
    end_workers(loader)
    assert len(list(loader)) == 4  # with new ones
    end_workers(loader)
    end_workers(DataLoader([1]))  # has none
