"""Windows against the whole image, where only the spatial mean of squeeze-excite sees past a pixel."""

import numpy as np
import pytest
import torch
from torch import nn

from schanger_mm.datasets.synthetic import draw_pair
from schanger_mm.models.layers.lfem import SqueezeExcite
from schanger_mm.scene.arrays import predict_arrays

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
