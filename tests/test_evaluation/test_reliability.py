import math

import numpy as np
import pytest

from schanger_mm.evaluation.reliability import Reliability, fit_temperature
from schanger_mm.evaluation.threshold_sweep import count_probabilities
from schanger_mm.utils.errors import SettingError


def sigmoid(logits):
    return 1 / (1 + np.exp(-logits))


@pytest.fixture
def overconfident():
    """Truth drawn by the right probabilities; those predicted have logits three times as large."""
    rng = np.random.default_rng(0)
    logits = rng.normal(-1, 1.5, (400, 500))
    return sigmoid(3 * logits), (rng.random(logits.shape) < sigmoid(logits)).astype(np.uint8)


def test_four_pixels_by_hand():
    probability = np.array([[0.05, 0.65, 0.75, 1.0, 0.9]])
    found = Reliability.of(probability, np.array([[0, 1, 0, 1, 255]]))
    assert found.pixels.tolist() == [1, 0, 0, 0, 0, 0, 1, 1, 0, 1] and found.changed.sum() == 2
    assert found.error == pytest.approx(100 * (0.05 + 0.35 + 0.75 + 0.0) / 4)
    assert found.rows()[1] == dict(above=0.6, pixels=1, probability=pytest.approx(65), changed=100)
    twice = found + found
    assert twice.error == pytest.approx(found.error) and twice.pixels.sum() == 8
    assert math.isnan(Reliability.of(probability, np.full((1, 5), 255)).error)


def test_right_probabilities_have_no_error_and_overconfident_ones_their_own(overconfident):
    probability, truth = overconfident
    right = sigmoid(np.log(probability / (1 - probability)) / 3)
    assert Reliability.of(right, truth).error < 0.5
    group = np.minimum((10 * probability).astype(int), 9)
    expected = sum(abs(probability[group == g].mean() - truth[group == g].mean()) * (group == g).mean()
                   for g in range(10))
    assert Reliability.of(probability, truth).error == pytest.approx(100 * expected) and expected > 0.08


def test_the_temperature_is_found_and_leaves_decisions(overconfident):
    probability, truth = overconfident
    sweep = count_probabilities(probability, truth, 1000)
    temperature = fit_temperature(sweep)
    assert temperature == pytest.approx(3, rel=0.06)  # logits beyond the last bins are not told apart
    assert fit_temperature(count_probabilities(probability, truth, 100_000)) == pytest.approx(3, rel=0.02)
    assert Reliability.of_sweep(sweep).error == pytest.approx(Reliability.of(probability, truth).error, abs=0.1)
    assert Reliability.of_sweep(sweep, temperature).error < 1
    assert fit_temperature(count_probabilities(sigmoid(np.log(probability / (1 - probability)) / 3), truth, 1000)) \
        == pytest.approx(1, rel=0.03)


def test_one_class_has_no_temperature(overconfident):
    probability, truth = overconfident
    with pytest.raises(SettingError, match='pixels of one class only'):
        fit_temperature(count_probabilities(probability, np.zeros_like(truth), 1000))
