import numpy as np
import pytest

from schanger_mm.utils.errors import SettingError
from schanger_mm.visualization import draw_change_panel
from schanger_mm.visualization.colours import (
    FALSE_ALARM,
    GROUND,
    IGNORED,
    MISSED,
    POSITIVE,
    colour_map,
    colour_outcome,
)
from schanger_mm.visualization.panel import PAPER, paint, to_rgb8

TRUTH = np.zeros((64, 64), np.uint8)
TRUTH[:32, :32] = 1
TRUTH[48:, 48:] = 255
PREDICTION = np.zeros((64, 64), np.uint8)
PREDICTION[16:40, :32] = 1
IMAGES = [np.full((64, 64, 3), 90, np.uint8), np.full((64, 64, 3), 160, np.uint8)]


def cells(panel, count, side=256, gap=9):
    """Cut the cells out of a panel of square tiles, by their known place above the legend."""
    bottom = panel.shape[0] - 32
    return [panel[bottom - side:bottom, gap + i * (side + gap):][:, :side] for i in range(count)]


def test_each_outcome_has_its_colour():
    picture = colour_outcome(PREDICTION, TRUTH)
    for (y, x), colour in {(20, 5): POSITIVE, (35, 5): FALSE_ALARM, (5, 5): MISSED, (5, 60): GROUND,
                           (60, 60): IGNORED}.items():
        assert tuple(picture[y, x]) == colour
    assert tuple(colour_map(TRUTH)[60, 60]) == IGNORED and tuple(colour_map(TRUTH)[5, 5]) == POSITIVE


def test_the_panel_shows_before_after_truth_and_prediction_enlarged_by_an_integer():
    panel = draw_change_panel(IMAGES, TRUTH, PREDICTION, 'tile')
    assert panel.dtype == np.uint8 and panel.shape[1] == 9 + 4 * (256 + 9)
    before, after, truth, prediction = cells(panel, 4)
    assert (before == 90).all() and (after == 160).all()
    assert (truth == colour_map(TRUTH).repeat(4, 0).repeat(4, 1)).all()
    assert (prediction == colour_outcome(PREDICTION, TRUTH).repeat(4, 0).repeat(4, 1)).all()


def test_without_truth_the_prediction_is_white_on_dark():
    panel = draw_change_panel(IMAGES, prediction=PREDICTION, title='x')
    assert panel.shape[1] == 9 + 3 * (256 + 9)
    assert (cells(panel, 3)[2] == colour_map(PREDICTION).repeat(4, 0).repeat(4, 1)).all()
    assert not (panel == FALSE_ALARM).all(axis=2).any()
    assert (panel[-32:] == POSITIVE).all(axis=2).sum() > 80 and not (panel[-32:] == MISSED).all(axis=2).any()


def test_a_single_image_gives_three_cells():
    assert draw_change_panel(IMAGES[0], TRUTH, PREDICTION).shape[1] == 9 + 3 * (256 + 9)


def test_title_and_score_stand_in_the_first_row():
    with_f1 = draw_change_panel(IMAGES, TRUTH, PREDICTION)[:28]
    without = draw_change_panel(IMAGES, prediction=PREDICTION, title='x')[:28]
    right = slice(-120, None)
    assert (with_f1[:, right] != PAPER).any() and (without[:, right] == PAPER).all()
    another = draw_change_panel(IMAGES, TRUTH, TRUTH == 1)[:28]
    assert (with_f1 != another).any()


def test_legend_has_the_colours_of_what_is_shown():
    strip = draw_change_panel(IMAGES, TRUTH, PREDICTION)[-32:]
    for colour in (POSITIVE, FALSE_ALARM, MISSED, IGNORED):
        assert (strip == colour).all(axis=2).sum() > 80
    strip = draw_change_panel(IMAGES, TRUTH % 255, PREDICTION)[-32:]
    assert not (strip == IGNORED).all(axis=2).any()


@pytest.mark.parametrize('size', [(1, 1), (5, 300), (300, 5), (37, 91), (257, 256)])
def test_any_size_works(size):
    rng = np.random.default_rng(0)
    truth, prediction = rng.integers(0, 2, (2, *size))
    images = [rng.integers(0, 255, (*size, 3)).astype(np.uint8)] * 2
    panel = draw_change_panel(images, truth, prediction, 'n' * 400)
    assert panel.ndim == 3 and panel.shape[0] >= min(size) and panel.shape[1] >= 24 * 14


def test_large_cells_are_reduced():
    panel = draw_change_panel([np.zeros((1500, 3000, 3), np.uint8)], np.zeros((1500, 3000)))
    assert panel.shape[1] == 34 + 2 * (1024 + 34)


def test_images_of_another_size_are_fitted_to_the_maps():
    panel = draw_change_panel([np.full((10, 20, 3), 90, np.uint8), IMAGES[1]], TRUTH, PREDICTION)
    assert (cells(panel, 2)[0] == 90).all()


def test_maps_alone_and_images_alone():
    assert draw_change_panel([], TRUTH, PREDICTION).shape[1] == 9 + 2 * (256 + 9)
    assert draw_change_panel(IMAGES).shape[1] == 9 + 2 * (256 + 9)


@pytest.mark.parametrize(('arguments', 'message'), [
    (([],), 'give at least one'),
    ((IMAGES * 2,), 'at most two'),
    ((IMAGES, TRUTH, PREDICTION[:9]), '9 x 64, the truth 64 x 64'),
])
def test_errors_say_what_was_found(arguments, message):
    with pytest.raises(ValueError, match=message):
        draw_change_panel(*arguments)


def test_other_dtypes_and_bands_become_rgb():
    assert to_rgb8(np.arange(9).reshape(3, 3)).shape == (3, 3, 3)
    stretched = to_rgb8(np.linspace(0, 5000, 400).reshape(10, 10, 4).astype(np.uint16))
    assert stretched.shape == (10, 10, 3) and stretched.min() == 0 and stretched.max() == 255
    assert to_rgb8(np.full((2, 2, 3), np.nan)).tolist() == np.zeros((2, 2, 3)).tolist()
    same = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
    assert (to_rgb8(same) == same).all()


def test_named_bands_are_shown_as_red_green_and_blue():
    image = np.random.RandomState(0).randint(0, 256, (4, 5, 13)).astype(np.uint8)
    assert (paint(image, (8, 4, 3)) == image[..., [7, 3, 2]]).all()
    assert (paint(image) == image[..., [3, 2, 1]]).all()  # Sentinel-2
    assert (paint(image[..., :4]) == image[..., [2, 1, 0]]).all()
    assert (paint(image[..., :3], (8, 4, 3)) == image[..., 2::-1]).all()  # colours, B, G, R
    assert (paint(image[..., :2], (8, 4, 3)) == image[..., :1]).all()
    bright = paint(image.astype(np.float32) * 20, (8, 4, 3))
    assert bright.dtype == np.uint8 and bright.min() == 0 and bright.max() == 255
    for bands in ((1, 2), (0, 1, 2), (4, 3, 14)):
        with pytest.raises(SettingError, match=r'visualizer\.bands=.*three numbers from 1 to 13'):
            paint(image, bands)
    dark = paint(np.linspace(10, 20, 400, dtype=np.float32).reshape(10, 10, 4))
    assert (dark.min(), dark.max()) == (0, 255) and 120 < dark.mean() < 135
    assert (paint(np.full((4, 4, 4), 7, np.float32)) == 0).all()
