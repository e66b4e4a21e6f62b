import os
import pty
import re
import sys
import time

import pytest

from schanger_mm.scene.grid import Grid
from schanger_mm.scene.plan import Plan
from schanger_mm.scene.progress import Bar, Clock

PLAN = Plan(Grid(512, 512, (1.0, 0.0, 0.0, 0.0, -1.0, 0.0), None), block=256, window=64, stride=64)


@pytest.fixture
def terminal(monkeypatch):
    """Put a terminal of 80 columns in the place of stderr; return a function that closes it and returns its text."""
    ours, theirs = pty.openpty()
    monkeypatch.setenv('TERM', 'xterm')
    monkeypatch.setenv('COLUMNS', '80')
    stream = os.fdopen(theirs, 'w')
    monkeypatch.setattr(sys, 'stderr', stream)

    def shown():
        stream.flush()
        return re.sub(r'\x1b\[[0-9;?]*[a-zA-Z]', '', os.read(ours, 100_000).decode())

    yield shown
    stream.close()
    os.close(ours)


def test_a_terminal_shows_megapixels_per_second_and_the_time_left(terminal):
    started = time.perf_counter()
    with Bar(PLAN, PLAN.blocks(), 'my_city') as bar:
        for block in PLAN.blocks()[:2]:
            for _ in range(4):
                time.sleep(0.05)
                bar.windows(4)
            bar.block(block)
        seconds = time.perf_counter() - started
    last = terminal().splitlines()[-1]
    name, share, speed, left = re.search(r'(\w+) .* (\d+)% ([\d.]+) MP/s (\d:\d\d:\d\d) left', last).groups()
    assert (name, share, left) == ('my_city', '50', '0:00:01')
    assert float(speed) == pytest.approx(2 * 256 * 256 / 1e6 / seconds, rel=0.1)


def test_without_a_terminal_nothing_is_shown(capfd):
    with Bar(PLAN, PLAN.blocks(), 'my_city') as bar:
        bar.windows(4)
        bar.block(PLAN.blocks()[0])
    assert capfd.readouterr() == ('', '')


def test_windows_of_an_unfinished_block_count_once(terminal):
    with Bar(PLAN, PLAN.blocks(), 'my_city') as bar:
        bar.windows(8)
        bar.block(PLAN.blocks()[0])
        bar.windows(8)
    assert ' 38% ' in terminal().splitlines()[-1]  # 1.5 of 4 blocks


def test_a_clock_adds_up_by_name():
    clock = Clock()
    for _ in range(2):
        with clock('network'):
            time.sleep(0.01)
    report = clock.report()
    assert 0.02 <= report['network'] <= report['total']
