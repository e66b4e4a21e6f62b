import numpy as np
import pytest

from schanger_mm.scene.blend import FLOOR, Blender, weights


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
