"""The linear probe against numbers worked out by hand."""

import numpy as np
import pytest

from schanger_mm.evaluation.separability import linear_probe


def points(n=400, gap=0.0, seed=0, share=0.5):
    """Two classes of normal features whose means lie ``gap`` standard deviations apart in the first of 5."""
    rng = np.random.default_rng(seed)
    labels = (np.arange(n) < share * n).astype(int)
    features = rng.normal(size=(n, 5))
    features[:, 0] += gap * labels
    return features, labels


@pytest.mark.parametrize('gap, accuracy, tolerance', [(0.0, 50.0, 5.0), (2.0, 84.13, 4.0), (12.0, 100.0, 0.0)])
def test_accuracy_is_that_of_the_best_line(gap, accuracy, tolerance):
    """Two normal classes at distance d are told apart with probability Phi(d / 2)."""
    assert linear_probe(*points(gap=gap), *points(gap=gap, seed=1)) == pytest.approx(accuracy, abs=tolerance)


def test_classes_count_alike_however_rare():
    """With 2 % foreground, saying background everywhere would be right for 98 % of the points; that is worth 50."""
    train, test = points(2000, 2.0, 0, 0.02), points(2000, 2.0, 1, 0.02)
    assert linear_probe(*train, *test) == pytest.approx(84.13, abs=8)
    assert linear_probe(*points(2000, 0.0, 0, 0.02), *points(2000, 0.0, 1, 0.02)) == pytest.approx(50, abs=8)


def test_a_hand_computed_case():
    """One feature, classes at -1 and 1: the rule is its sign, right for 2 of 3 and for 1 of 2."""
    train, labels = np.array([[-1.0], [-1.0], [1.0], [1.0]]), np.array([0, 0, 1, 1])
    test, truth = np.array([[-2.0], [-0.1], [0.3], [0.5], [-0.5]]), np.array([0, 0, 0, 1, 1])
    assert linear_probe(train, labels, test, truth) == pytest.approx(100 * (2 / 3 + 1 / 2) / 2)


def test_scale_and_offset_of_the_features_do_not_matter():
    (train, labels), (test, truth) = points(gap=1.0), points(gap=1.0, seed=1)
    plain = linear_probe(train, labels, test, truth)
    assert linear_probe(1e4 * train + 7, labels, 1e4 * test + 7, truth) == pytest.approx(plain)


def test_constant_features_are_chance():
    assert linear_probe(np.ones((4, 3)), np.array([0, 0, 1, 1]), np.ones((4, 3)), np.array([0, 1, 0, 1])) == 50


@pytest.mark.parametrize('missing_in', ['train', 'test'])
def test_a_set_without_one_class_has_no_accuracy(missing_in):
    both, one = points(gap=3.0), (points()[0], np.zeros(400, int))
    train, test = (one, both) if missing_in == 'train' else (both, one)
    assert np.isnan(linear_probe(*train, *test))
