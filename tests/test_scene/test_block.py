import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from schanger_mm.geo.grid import Grid
from schanger_mm.geo.pair import PairWindow
from schanger_mm.scene.block import FLOOR, NODATA, Blender, blend_block, changed, quantise, weights
from schanger_mm.scene.class_maps import predict_levels
from schanger_mm.scene.plan import Plan
from schanger_mm.utils.errors import DivergedError

HEIGHT, WIDTH = 900, 1100


class Memory:
    """A pair in memory."""

    def __init__(self, images, valid):
        self.images, self.valid = images, valid

    def read(self, col, row, width, height):
        rows, cols = slice(row, row + height), slice(col, col + width)
        return PairWindow(self.images[:, :, rows, cols].copy(), self.valid[rows, cols].copy())


class Contrast:
    """A network whose answer for a pixel depends on the whole window, as squeeze-and-excitation makes it."""

    def __init__(self):
        self.seen = []

    def predict(self, images):
        self.seen.append(images)
        difference = (images[:, 1] - images[:, 0]).mean(axis=1)
        scaled = (difference - difference.mean(axis=(1, 2), keepdims=True)) / 50
        return (1 / (1 + np.exp(-scaled))).astype(np.float32)


@pytest.fixture(scope='module')
def pair():
    rng = np.random.default_rng(0)
    images = rng.uniform(0, 255, (2, 3, HEIGHT, WIDTH)).astype(np.float32)
    valid = np.ones((HEIGHT, WIDTH), bool)
    valid[:, :40] = False
    valid[300:700, 500:900] = False
    images[:, :, ~valid] = 0
    return Memory(images, valid)


def scene(pair, block, batch_size=4, model=None, window=64, stride=32):
    height, width = pair.valid.shape
    plan = Plan(Grid(width, height, (1.0, 0.0, 0.0, 0.0, 1.0, 0.0), None), block, window, stride)
    result = np.empty((height, width), np.uint8)
    for part in plan.blocks():
        result[part.row:part.row + part.height, part.col:part.col + part.width] = predict_levels(
            pair, plan, part, model or Contrast(), batch_size, 0.5)
    return result


def test_the_result_does_not_depend_on_blocks_or_batches(pair):
    whole = scene(pair, 1200)
    for block in (512, 768, 333):
        np.testing.assert_array_equal(scene(pair, block), whole)
    np.testing.assert_array_equal(scene(pair, 512, batch_size=7), whole)
    assert (whole[pair.valid] == NODATA).sum() == 0 and (whole[~pair.valid] == NODATA).all()
    assert whole[pair.valid].std() > 20


def test_pixels_without_data_reach_the_network_as_the_mean_of_the_others(pair):
    model = Contrast()
    scene(pair, 1200, batch_size=1, model=model)
    first = model.seen[0][0]  # columns 0 to 40 have no data
    means = pair.images[:, :, :64, 40:64].mean(axis=(2, 3))
    np.testing.assert_allclose(first[:, :, :, :40], np.broadcast_to(means[..., None, None], (2, 3, 64, 40)), rtol=1e-5)
    np.testing.assert_array_equal(first[:, :, :, 40:], pair.images[:, :, :64, 40:64])


def test_windows_without_data_are_left_out(pair):
    model = Contrast()
    nothing = Memory(pair.images, np.zeros_like(pair.valid))
    assert (scene(nothing, 512, model=model) == NODATA).all() and model.seen == []
    scene(pair, 1200, batch_size=1, model=model)
    rows, cols = 28, 34  # 64 px every 32 px on 900 x 1100, the last moved back to the border
    inside = 10 * 11  # wholly within the hole: rows 320 to 608, columns 512 to 832
    assert len(model.seen) == rows * cols - inside


def test_without_overlap_windows_stand_side_by_side(pair):
    plan = Plan(Grid(128, 64, (1.0, 0.0, 0.0, 0.0, 1.0, 0.0), None), 128, 64, 64)
    images = pair.images[:, :, :64, 100:228]
    (block,) = plan.blocks()
    result = blend_block(PairWindow(images, np.ones((64, 128), bool)), plan, block, Contrast(), 2)
    expected = Contrast().predict(np.stack([images[..., :64], images[..., 64:]]))
    np.testing.assert_array_equal(result, np.concatenate(list(expected), axis=1))


@pytest.mark.parametrize('value', [np.nan, np.inf])
def test_probabilities_that_are_no_numbers_never_become_no_data(pair, value):
    class Damaged(Contrast):
        weights = 'damaged.pth'

        def predict(self, images):
            result = super().predict(images)
            result[-1, 5, 7] = value
            return result

    with pytest.raises(DivergedError, match=r'damaged\.pth: its probabilities of block 0 \(window at column 0, row 0\) '
                                            r'are not numbers \(NaN\)'):
        scene(pair, 512, model=Damaged())


@given(arrays.arrays(np.float32, 50, elements=st.floats(0, 1, width=32) | st.just(np.nan)),
       st.floats(0, 1, exclude_max=True))
def test_the_byte_keeps_the_decision_and_the_value(probability, threshold):
    levels = quantise(probability, threshold)
    seen = ~np.isnan(probability)
    mask = changed(levels, threshold)
    np.testing.assert_array_equal(mask[seen], probability[seen] > threshold)
    assert (mask[~seen] == NODATA).all() and (levels[~seen] == NODATA).all()
    assert (levels[seen] <= 254).all()
    assert np.abs(levels[seen] / 254 - probability[seen]).max(initial=0) < 1 / 254 + 1e-6
    far = seen & (np.abs(probability - threshold) > 1 / 254)
    np.testing.assert_array_equal(levels[far], np.rint(probability[far] * np.float32(254)))


@pytest.mark.parametrize(('size', 'overlap'), [(256, 128), (256, 64), (64, 32), (64, 1), (64, 0)])
def test_weights_of_neighbours_add_up_to_one(size, overlap):
    one = weights(size, overlap).astype(float)
    both = one[size - overlap:] + one[:overlap]
    np.testing.assert_allclose(both, 1, atol=2 * FLOOR)
    np.testing.assert_allclose(one, one[::-1])
    assert one[overlap:size - overlap].min(initial=1) == 1 and one.min() >= np.float32(FLOOR)


def test_an_overlap_of_half_the_window_gives_a_hann_window():
    expected = np.sin(np.pi * (np.arange(64) + 0.5) / 64) ** 2
    np.testing.assert_allclose(weights(64, 32), np.maximum(expected, FLOOR), atol=1e-6)


def test_equal_windows_blend_to_themselves_and_gaps_are_nan():
    blender = Blender(100, 150, 64, 64, 32)
    for top in (-32, 0, 32):
        for left in (-32, 0, 32, 64):
            blender.add(np.full((64, 64), 0.3, np.float32), top, left)
    result = blender.result()
    np.testing.assert_allclose(result[:96, :128], 0.3, rtol=1e-6)
    assert np.isnan(result[96:]).all() and np.isnan(result[:, 128:]).all()


def test_a_step_between_windows_becomes_a_slope():
    blender = Blender(64, 96, 64, 64, 32)
    blender.add(np.zeros((64, 64), np.float32), 0, 0)
    blender.add(np.ones((64, 64), np.float32), 0, 32)
    row = blender.result()[32]
    assert row[:32].max() == 0 and row[64:].min() == 1
    steps = np.diff(row)
    assert 0 <= steps.min() and steps.max() < np.pi / 2 / 32 * 1.05  # a cosine's steepest rise over 32 px
