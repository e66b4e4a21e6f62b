"""Reading goes on while the network works; who waits for whom is asserted, not how long it takes."""

import threading

import numpy as np
import pytest

from schanger_mm.scene import serial
from schanger_mm.scene.block import quantise
from schanger_mm.scene.grid import Grid
from schanger_mm.scene.plan import Plan
from schanger_mm.scene.progress import Clock
from schanger_mm.scene.serial import run_serial
from schanger_mm.scene.source import PairSpec, PairWindow

PLAN = Plan(Grid(64, 640, (1.0, 0.0, 0.0, 0.0, -1.0, 0.0), None), block=64, window=64, stride=64)
BLOCKS = PLAN.blocks()
PATIENCE = 20  # seconds after which a test that waits in vain fails


class Source:
    """Ten blocks whose pixels are their number; says when it is asked for each."""

    def __init__(self):
        self.asked = [threading.Event() for _ in BLOCKS]
        self.threads, self.closed = set(), False

    def read(self, col, row, width, height):
        self.threads.add(threading.current_thread().name)
        self.asked[row // 64].set()
        return PairWindow(np.full((2, 3, height, width), row // 64, np.float32), np.ones((height, width), bool))

    def close(self):
        self.threads.add(threading.current_thread().name)
        self.closed = True


@pytest.fixture
def source(monkeypatch):
    source = Source()
    monkeypatch.setattr(serial, 'open_pair', lambda spec: source)
    return source


class Network:
    """Ends a block only when the next one is being read; notes how many are read ahead."""

    def __init__(self, source):
        self.source, self.seen, self.patience = source, [], PATIENCE

    def predict(self, images):
        number = int(images[0, 0, 0, 0, 0])
        in_time = number + 1 == len(BLOCKS) or self.source.asked[number + 1].wait(self.patience)
        self.patience = PATIENCE if in_time else 0
        ahead = sum(event.is_set() for event in self.source.asked) - number - 1
        self.seen.append((number, in_time, ahead))
        return images[:, 0, 0] / 10


def test_the_next_block_is_read_while_one_is_predicted(source):
    network, clock = Network(source), Clock()
    results = list(run_serial(BLOCKS, PairSpec('a.tif', 'b.tif'), PLAN, network, 1, 0.5, clock))
    assert network.seen == [(number, True, int(number < 9)) for number in range(10)]
    assert [block for block, _ in results] == BLOCKS
    for number, (_, array) in enumerate(results):
        np.testing.assert_array_equal(array, quantise(np.full((64, 64), number / 10, np.float32), 0.5))
    assert source.closed and {name.split('_')[0] for name in source.threads} == {'reader'}
    assert sorted(clock.seconds) == ['network', 'reading', 'waiting']


def test_leaving_early_closes_the_pair_and_reads_no_further(source):
    results = run_serial(BLOCKS, PairSpec('a.tif', 'b.tif'), PLAN, Network(source), 1, 0.5, Clock())
    next(results)
    results.close()
    assert source.closed and [event.is_set() for event in source.asked] == [True] * 2 + [False] * 8
