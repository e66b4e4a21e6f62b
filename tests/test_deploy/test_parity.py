import numpy as np
import pytest

from schanger_mm.deploy.errors import DeployError
from schanger_mm.deploy.parity import compare, random_pairs, real_pair


def half(before, after):
    return np.full((len(before), *before.shape[-2:]), 0.5, np.float32)


def test_random_pairs_have_several_batches_and_an_odd_size():
    sizes = [pair.before.shape for pair in random_pairs()]
    assert len({size[0] for size in sizes}) >= 2
    assert any(size[2] % 16 and size[3] % 16 for size in sizes)
    assert all(pair.before.max() > 200 and (pair.before != pair.after).any() for pair in random_pairs())


def test_random_values_are_those_of_each_band():
    mean, std = ((10.0, 100.0), (20.0, 250.0)), ((2.0, 20.0), (1.0, 30.0))
    for pair in random_pairs(mean, std):
        for image, middle, width in zip((pair.before, pair.after), mean, std):
            assert image.dtype == np.float32 and image.shape[1] == 2
            for band in range(2):
                low, high = middle[band] - 2 * width[band], min(middle[band] + 2 * width[band], 255)
                assert image[:, band].min() == pytest.approx(low, abs=0.1 * width[band])
                assert image[:, band].max() == pytest.approx(high, abs=0.1 * width[band])


def test_differences_are_reported_and_too_large_ones_refused():
    pairs = random_pairs()
    done = compare(lambda a, b: half(a, b) + 2 ** -14, half, pairs)
    assert [line.difference for line in done] == [2 ** -14] * 3
    assert str(done[0]) == 'random pair, 2 x 64 x 96 px: 6.1e-05'
    message = r'random pair, 2 x 64 x 96 px: a probability differs by 2.44e-04 from PyTorch, more than 1e-04; nothing'
    with pytest.raises(DeployError, match=message):
        compare(lambda a, b: half(a, b) + (2 ** -12 if len(a) == 2 else 0), half, pairs)
    with pytest.raises(DeployError, match='differs by nan'):
        compare(lambda a, b: half(a, b) * np.nan, half, pairs)


def test_the_middle_of_real_pairs_is_taken():
    image = np.arange(40 * 30 * 3).reshape(40, 30, 3)
    pair = real_pair('p', image, image + 1, 20)
    np.testing.assert_array_equal(pair.before[0], image[10:30, 5:25].transpose(2, 0, 1))
    np.testing.assert_array_equal(pair.after, pair.before + 1)
    assert real_pair('p', image, image, 36).before.shape == (1, 3, 36, 30)
    with pytest.raises(DeployError, match='p: 30 x 40 px and 29 x 40 px; expected one size'):
        real_pair('p', image, image[:, 1:], 20)
