"""Reading goes on while the network works; who waits for whom is asserted, not how long it takes."""

import threading

import numpy as np
import pytest
import torch
from torch import nn

from schanger_mm.demo.scenes import draw_pair
from schanger_mm.geo.grid import Grid
from schanger_mm.geo.pair import PairSpec, PairWindow
from schanger_mm.models.layers.lfem import SqueezeExcite
from schanger_mm.scene import serial
from schanger_mm.scene.block import quantise
from schanger_mm.scene.plan import Plan
from schanger_mm.scene.progress import Clock
from schanger_mm.scene.serial import predict_arrays, run_serial

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


SIDE, WINDOW = 512, 256


class Pointwise:
    """Two dates to a probability, pixel by pixel, with squeeze-excite or without."""

    def __init__(self, gate):
        torch.manual_seed(0)
        self.embed, self.gate, self.head = nn.Conv2d(6, 24, 1), SqueezeExcite(24, 8), nn.Conv2d(24, 1, 1)
        self.gate.expand.weight.data.mul_(30)  # or all gates lie near a half
        self.head.weight.data.mul_(40)
        self.gate = self.gate if gate else nn.Identity()

    @torch.no_grad()
    def predict(self, images):
        features = self.embed(torch.from_numpy(images).flatten(1, 2) / 127.5 - 1).relu()
        return self.head(self.gate(features)).sigmoid()[:, 0].numpy()


@pytest.fixture(scope='module')
def scene():
    """A drawn pair that grows brighter from left to right, so that windows differ in their means."""
    bright = np.linspace(0.2, 1, SIDE)[:, None]
    return [(date * bright).astype(np.uint8) for date in draw_pair(np.random.default_rng(0), SIDE)[:2]]


def predict(scene, network, window, overlap=0):
    return predict_arrays(*scene, network, window=window, overlap=overlap)


def test_without_squeeze_excite_windows_are_the_whole_image(scene):
    network = Pointwise(gate=False)
    whole, blended = predict(scene, network, SIDE), predict(scene, network, WINDOW, WINDOW // 2)
    assert whole.std() > 0.1
    np.testing.assert_allclose(blended, whole, atol=1e-5)


def test_the_mean_of_squeeze_excite_moves_windows_within_a_bound_and_without_a_step(scene):
    network = Pointwise(gate=True)
    whole, apart, blended = (predict(scene, network, window, overlap) for window, overlap in (
        (SIDE, 0), (WINDOW, 0), (WINDOW, WINDOW // 2)))
    assert whole.std() > 0.1
    difference = np.abs(blended - whole)
    assert 0.02 < difference.mean() < 0.1 and difference.mean() < 0.9 * np.abs(apart - whole).mean()
    # a pixel is a mean of its windows, so it is no further off than the worst of them
    step = WINDOW // 2
    corners = [(row, col) for row in range(0, SIDE - step, step) for col in range(0, SIDE - step, step)]
    worst = np.zeros_like(whole)
    for row, col in corners:
        piece = np.s_[row:row + WINDOW, col:col + WINDOW]
        window = predict([date[piece] for date in scene], network, WINDOW)
        worst[piece] = np.maximum(worst[piece], np.abs(window - whole[piece]))
    assert (difference <= worst + 1e-5).all()

    def step_between(probability):
        """How much the deviation from the whole image jumps where windows that do not overlap meet."""
        deviation = (probability - whole)[:, WINDOW - 1:WINDOW + 1].mean(axis=0)
        return abs(deviation[1] - deviation[0])

    assert step_between(apart) > 0.1 and step_between(blended) < 1e-3
