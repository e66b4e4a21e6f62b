"""Feature maps as pictures: components, colours, signs and places."""

import numpy as np
import pytest

from schanger_mm.visualization.features import draw_feature_sheet, principal_colours

BASIS = np.array([[0.8, 0.6, 0, 0, 0], [-0.6, 0.8, 0, 0, 0], [0, 0, 0.8, 0, -0.6]])  # largest weights positive


def ramps(n=2, size=16, seed=0):
    """Features of five channels that mix three independent ramps of falling strength, and the ramps."""
    values = np.random.default_rng(seed).uniform(-1, 1, (n, size, size, 3)) * [9, 3, 1]
    return (values @ BASIS).transpose(0, 3, 1, 2), values


def test_red_green_blue_are_the_components_from_strong_to_weak():
    features, values = ramps(size=40)
    colours = principal_colours(features)
    assert colours.shape == (2, 40, 40, 3) and colours.dtype == np.uint8
    for k in range(3):
        assert np.corrcoef(colours[..., k].ravel(), values[..., k].ravel())[0, 1] > 0.99  # with its sign


def test_a_component_runs_from_its_2nd_to_its_98th_percentile():
    features, _ = ramps(size=50)
    colours = principal_colours(features)
    for k in range(3):
        assert (colours[..., k] == 0).mean() == pytest.approx(0.02, abs=0.004)
        assert (colours[..., k] == 255).mean() == pytest.approx(0.02, abs=0.004)
        assert colours[..., k].mean() == pytest.approx(127.5, abs=4)  # a uniform ramp in between


def test_signs_and_pictures_repeat():
    features, _ = ramps()
    first = principal_colours(features)
    np.testing.assert_array_equal(principal_colours(features.copy(order='F')), first)
    noisy = features + 1e-6 * np.random.default_rng(1).normal(size=features.shape)
    assert np.abs(principal_colours(noisy).astype(int) - first).max() <= 1  # no sign flips
    flipped = principal_colours(-features)
    np.testing.assert_allclose(flipped, 255 - first.astype(int), atol=1)  # the basis is that of the features


def test_all_images_share_one_basis():
    """The same features have the same colour in every picture."""
    features, _ = ramps(n=1)
    other, _ = ramps(n=1, seed=5)
    colours = principal_colours(np.concatenate([features, other, features]))
    np.testing.assert_array_equal(colours[0], colours[2])


def test_constant_features_are_drawn_without_a_crash():
    assert principal_colours(np.ones((1, 4, 3, 3))).shape == (1, 3, 3, 3)


def test_a_sheet_has_image_mask_and_features_in_a_row():
    rng = np.random.default_rng(0)
    images = rng.integers(0, 255, (2, 16, 24, 3), np.uint8)
    masks = np.zeros((2, 16, 24), np.uint8)
    masks[0, :8], masks[1, 8:] = 1, 255
    features = rng.normal(size=(2, 5, 4, 6))
    sheet = draw_feature_sheet(images, masks, features, gap=3)
    assert sheet.shape == (2 * 19 + 3, 3 * 27 + 3, 3) and sheet.dtype == np.uint8
    colours = principal_colours(features)
    for row in range(2):
        cells = [sheet[3 + 19 * row:19 + 19 * row, 3 + 27 * column:27 + 27 * column] for column in range(3)]
        np.testing.assert_array_equal(cells[0], images[row])
        np.testing.assert_array_equal(cells[1][..., 0], [240 * (masks[0] == 1), 112 * (masks[1] == 255)][row])
        np.testing.assert_array_equal(cells[2][::4, ::4], colours[row])  # nearest: a cell is a square of 4 px
        np.testing.assert_array_equal(cells[2], np.kron(colours[row], np.ones((4, 4, 1), np.uint8)))
    assert (sheet[:3] == 255).all() and (sheet[:, 27:30] == 255).all()
