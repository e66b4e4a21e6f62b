import io
import json
import re
import sys

import pytest
import rich.progress

from schanger_mm.geo.grid import Grid
from schanger_mm.scene import progress
from schanger_mm.scene.plan import Plan
from schanger_mm.scene.progress import Bar, Clock

PLAN = Plan(Grid(512, 512, (1.0, 0.0, 0.0, 0.0, -1.0, 0.0), None), block=256, window=64, stride=64)


class Terminal(io.StringIO):

    def isatty(self):
        return True


class Stopwatch:
    """Takes the place of time.perf_counter and moves when told."""

    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def stopwatch(monkeypatch):
    stopwatch = Stopwatch()
    monkeypatch.setattr(progress.time, 'perf_counter', stopwatch)
    return stopwatch


@pytest.fixture
def shown(monkeypatch):
    """Return a function that draws on a terminal of 80 columns and returns the last line that stands there."""
    for name in ('FORCE_COLOR', 'NO_COLOR', 'TTY_COMPATIBLE', 'TTY_INTERACTIVE'):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv('TERM', 'xterm')
    monkeypatch.setenv('COLUMNS', '80')

    def show(draw, plan=PLAN):
        with monkeypatch.context() as patch:
            patch.setattr(sys, 'stderr', Terminal())
            with Bar(plan, plan.blocks(), 'my_city') as bar:
                draw(bar)
            text = sys.stderr.getvalue()
        return re.split(r'[\r\n]+', re.sub(r'\x1b\[[0-9;?]*[a-zA-Z]', '', text).strip())[-1]

    return show


def test_a_terminal_shows_megapixels_per_second_and_the_time_left(shown, stopwatch):
    def draw(bar):
        for block in PLAN.blocks()[:2]:
            for _ in range(4):
                stopwatch.now += 2.5
                bar.windows(4)
            bar.block(block)

    line = shown(draw)
    assert line.startswith('my_city ') and line.endswith(f' 50% {2 * 256**2 / 1e6 / 20:.3g} MP/s 0:00:20 left')


def test_blocks_of_workers_that_take_minutes_show_the_time_left(shown, stopwatch):
    def draw(bar):
        stopwatch.now = 3600.0
        bar.block(PLAN.blocks()[3])

    assert shown(draw).endswith(' 25% 1.82e-05 MP/s 3:00:00 left')


def test_before_the_first_window_nothing_is_promised(shown):
    assert re.fullmatch(r'my_city \S+\s+0%', shown(lambda bar: None))


def test_a_block_that_is_stored_late_does_not_take_the_next_ones_windows_away(shown):
    def draw(bar):
        bar.windows(16)
        bar.windows(8)  # of the second block
        bar.block(PLAN.blocks()[0])

    assert ' 38% ' in shown(draw)  # 1.5 of 4 blocks


def test_blocks_of_different_size_never_move_the_bar_back(stopwatch, monkeypatch):
    plan, seen = Plan(Grid(260, 256, PLAN.grid.transform, None), block=256, window=64, stride=16), []
    monkeypatch.setattr(rich.progress.Progress, 'update', lambda self, task, **fields: seen.append(fields))
    monkeypatch.setattr(sys, 'stderr', Terminal())
    bar, stopwatch.now = Bar(plan, plan.blocks(), 'my_city'), 100.0
    for block in plan.blocks():
        bar.windows(len(plan.windows(block)))
        bar.block(block)
    total, done = 260 * 256 / 1e6, [fields['completed'] for fields in seen]
    # 14 columns of windows, the last one in both blocks
    assert done == pytest.approx([total * 14 / 15, total * 14 / 15, total, total])
    assert (seen[-1]['speed'], seen[-1]['left']) == ('0.000666 MP/s', '0:00:00 left')


def test_without_a_terminal_nothing_is_shown(capsys, monkeypatch):
    monkeypatch.delenv('FORCE_COLOR', raising=False)
    with Bar(PLAN, PLAN.blocks(), 'my_city') as bar:
        bar.windows(4)
        bar.block(PLAN.blocks()[0])
    assert capsys.readouterr() == ('', '')


def test_a_clock_adds_up_by_name(stopwatch):
    clock = Clock()
    for _ in range(2):
        with clock('network'):
            stopwatch.now += 0.25
        stopwatch.now += 1
    assert clock.report() == dict(total=2.5, network=0.5)


def test_lines_of_json_for_programs(stopwatch, capsys):
    """Two a second at most, and the last one says that all is done; also without a terminal."""
    with Bar(PLAN, PLAN.blocks(), 'my_city', as_json=True) as bar:
        for block in PLAN.blocks():
            for _ in range(16):
                stopwatch.now += 0.1
                bar.windows(1)
            bar.block(block)
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert lines[0] == {'fraction': round(1 / 64, 4), 'megapixels_per_second': 0.0410, 'seconds_left': 6,
                        'message': 'my_city'}
    assert lines[-1] == {'fraction': 1.0, 'megapixels_per_second': 0.0410, 'seconds_left': 0, 'message': 'my_city'}
    fractions = [line['fraction'] for line in lines]
    assert fractions == sorted(fractions) and 13 <= len(lines) <= 15
