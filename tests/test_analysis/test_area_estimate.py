"""The estimator of areas: held to the worked example of its paper and to repeated draws."""

import numpy as np
import pytest

from schanger_mm.analysis.area_estimate import estimate_areas

# Olofsson et al. 2014, section 5: deforestation, forest gain, stable forest, stable non-forest; 30 m pixels, 0.09 ha.
COUNTS = [[66, 0, 5, 4], [0, 55, 8, 12], [1, 0, 153, 11], [2, 1, 9, 313]]
MAPPED = [200_000, 150_000, 3_200_000, 6_450_000]


def test_the_worked_example_of_the_paper():
    found = estimate_areas(COUNTS, 0.09 * np.array(MAPPED))
    assert found.area.round() == pytest.approx([21_158, 11_686, 285_770, 581_386])
    assert found.area_interval.round() == pytest.approx([6_158, 3_756, 15_510, 16_282])
    assert found.users.round(2) == pytest.approx([0.88, 0.73, 0.93, 0.96])
    assert found.users_interval.round(2) == pytest.approx([0.07, 0.10, 0.04, 0.02])
    assert found.producers.round(2) == pytest.approx([0.75, 0.85, 0.93, 0.96])
    assert found.producers_interval[0].round(2) == 0.21
    assert (round(found.overall, 2), round(found.overall_interval, 2)) == (0.95, 0.02)


def test_estimated_areas_fill_the_mapped_area():
    found = estimate_areas(COUNTS, MAPPED)
    assert found.area.sum() == pytest.approx(sum(MAPPED))


def test_a_map_without_a_mistake_is_right_with_certainty():
    found = estimate_areas(np.diag([20, 30]), [5.0, 95.0])
    assert found.area.tolist() == [5.0, 95.0] and found.area_interval.tolist() == [0, 0]
    assert found.producers.tolist() == [1, 1] and found.overall == 1


def test_a_class_that_nothing_is_has_no_producers_accuracy():
    found = estimate_areas([[0, 4], [0, 9]], [1.0, 9.0])
    assert found.area.tolist() == [0, 10] and np.isnan(found.producers[0]) and found.producers[1] == pytest.approx(0.9)


def test_19_of_20_intervals_hold_the_truth():
    """Of 2,000 samples of a map with known mistakes: 3 % omitted, 20 % of the changes false."""
    rng = np.random.default_rng(0)
    mapped, rates = np.array([4_000.0, 96_000.0]), np.array([[0.8, 0.2], [0.03, 0.97]])
    truth = mapped @ rates
    held = np.zeros(2)
    for _ in range(2000):
        found = estimate_areas([rng.multinomial(150, rate) for rate in rates], mapped)
        held += np.abs(found.area - truth) <= found.area_interval
    assert (held / 2000) == pytest.approx([0.95, 0.95], abs=0.03)
