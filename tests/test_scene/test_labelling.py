import cv2
import numpy as np
import pytest

from schanger_mm.scene.labelling import connect, label_runs

SPIRAL = np.array([[1, 1, 1, 1, 1, 1], [0, 0, 0, 0, 0, 1], [1, 1, 1, 1, 0, 1], [1, 0, 0, 1, 0, 1], [1, 1, 0, 0, 0, 1],
                   [0, 1, 1, 1, 1, 1]])


def image(mask, connectivity):
    labels = np.zeros(mask.shape, int)
    for row, left, right, component in label_runs(mask, connectivity):
        labels[row, left:right] = component + 1
    return labels


@pytest.mark.parametrize('connectivity', [4, 8])
@pytest.mark.parametrize('share', [0.0, 0.2, 0.4, 0.5, 0.6, 0.8, 1.0])
def test_components_are_those_of_opencv(share, connectivity):
    rng = np.random.default_rng(0)
    for shape in (1, 1), (1, 40), (40, 1), (37, 53), (80, 80):
        mask = (rng.random(shape) < share).astype(np.uint8)
        count, expected = cv2.connectedComponents(mask, connectivity=connectivity)
        found = image(mask, connectivity)
        pairs = np.unique(np.stack([found.ravel(), expected.ravel()]), axis=1)
        assert pairs.shape[1] == len(set(pairs[0])) == len(set(pairs[1])) == len(np.unique(expected))
        assert found.max() == count - 1
        firsts = [np.flatnonzero(found == label)[0] for label in range(1, count)]
        assert firsts == sorted(firsts)  # counted in reading order


def test_runs_and_an_arm_that_comes_back():
    assert label_runs(SPIRAL, 4)[:, 3].max() == 0
    assert label_runs(np.array([[1, 1, 0, 1], [0, 0, 1, 0]]), 8).tolist() == [[0, 0, 2, 0], [0, 3, 4, 0], [1, 2, 3, 0]]
    assert label_runs(np.array([[1, 1, 0, 1], [0, 0, 1, 0]]), 4).tolist() == [[0, 0, 2, 0], [0, 3, 4, 1], [1, 2, 3, 2]]
    assert label_runs(np.array([[0, 1], [1, 0]]), 4)[:, 3].tolist() == [0, 1]  # the end of a row touches no beginning


def test_a_long_chain_in_any_order():
    order = np.random.default_rng(0).permutation(1000)
    assert connect(1001, order, order + 1).max() == 0
    assert connect(3, np.array([], int), np.array([], int)).tolist() == [0, 1, 2]
