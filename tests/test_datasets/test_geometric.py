import numpy as np
import pytest

from schanger_mm.datasets.transforms import PadToSize, RandomAffine, RandomScale, RandomTranspose


def ramp(h, w):
    """Channels x, y, 0: a picture that says where each of its pixels was."""
    y, x = np.mgrid[:h, :w]
    return np.dstack([x, y, 0 * x]).astype(np.uint8)


def run(step, image):
    results = step(dict(img=image, gt_seg_map=image[..., 0].copy(), seg_fields=['gt_seg_map'],
                        img_shape=image.shape[:2]))
    return results['img'], results['gt_seg_map'], results['img_shape']


def test_transpose_swaps_rows_and_columns():
    image = ramp(5, 9)
    img, label, shape = run(RandomTranspose(prob=1), image)
    np.testing.assert_array_equal(img, image.transpose(1, 0, 2))
    np.testing.assert_array_equal(label, image[..., 0].T)
    assert shape == (9, 5) and img.flags.c_contiguous


@pytest.mark.parametrize('step', [RandomTranspose, RandomAffine])
def test_probability(step):
    np.random.seed(0)
    image = ramp(12, 12)
    changed = sum((run(step(prob=0.3), image)[0] != image).any() for _ in range(400))
    assert 90 < changed < 150
    np.testing.assert_array_equal(run(step(prob=0), image)[0], image)


@pytest.mark.parametrize('shape', [(8, 8), (7, 12)])
def test_affine_of_nothing_is_the_identity(shape):
    image = np.random.RandomState(0).randint(0, 256, (*shape, 3)).astype(np.uint8)
    img, label, _ = run(RandomAffine(rotate_limit=0, prob=1), image)
    np.testing.assert_array_equal(img, image)
    np.testing.assert_array_equal(label, image[..., 0])


def fixed(monkeypatch, *draws):
    """Let RandomAffine draw these shares of its limits: angle, scale, dx, dy."""
    monkeypatch.setattr(np.random, 'uniform', lambda low, high, size: np.array(draws, float))


def test_positive_angle_turns_counter_clockwise_about_the_centre(monkeypatch):
    fixed(monkeypatch, 1, 0, 0, 0)
    image = np.random.RandomState(0).randint(0, 256, (9, 9, 3)).astype(np.uint8)
    img, label, _ = run(RandomAffine(rotate_limit=90, prob=1), image)
    np.testing.assert_array_equal(img, np.rot90(image))
    np.testing.assert_array_equal(label, np.rot90(image)[..., 0])


def test_shift_is_a_fraction_of_width_and_height_and_mirrors_the_border(monkeypatch):
    fixed(monkeypatch, 0, 0, 1, -1)
    image = ramp(20, 40)
    img, label, _ = run(RandomAffine(rotate_limit=0, shift_limit=0.1, prob=1), image)
    np.testing.assert_array_equal(img[0, :, 0], [4, 3, 2, 1, *range(36)])
    np.testing.assert_array_equal(img[:, 0, 1], [*range(2, 20), 18, 17])
    np.testing.assert_array_equal(label, img[..., 0])


def test_scale_enlarges_about_the_centre(monkeypatch):
    fixed(monkeypatch, 0, 1, 0, 0)
    img, _, _ = run(RandomAffine(rotate_limit=0, scale_limit=0.5, prob=1), ramp(41, 41))
    assert img[20, 20, 0] == 20 and img[20, 5, 0] == 10 and img[20, 35, 0] == 30


def test_image_and_label_move_together_and_no_label_is_invented():
    np.random.seed(1)
    step = RandomAffine(rotate_limit=45, shift_limit=0.0625, scale_limit=0.1, prob=1)
    for _ in range(30):
        img, label, _ = run(step, ramp(64, 80))
        assert np.abs(img[..., 0].astype(int) - label).max() <= 1
        assert label.max() < 80


@pytest.mark.parametrize('factor', [0.8, 1.25, 1.5])
def test_scaled_labels_lie_where_the_image_lies(factor):
    img, label, _ = run(RandomScale((factor, factor)), ramp(120, 120))
    inner = np.s_[4:-4, 4:-4]
    offset = img[..., 0][inner].astype(float) - label[inner]
    assert abs(offset.mean()) < 0.15  # in px; half a pixel where the first corner of a pixel counts as its centre


def test_labels_are_never_blended():
    np.random.seed(0)
    image = np.kron(np.eye(6, dtype=np.uint8), np.full((7, 7), 255, np.uint8))[..., None].repeat(3, axis=2)
    for _ in range(10):
        img, label, _ = run(RandomAffine(prob=1), image)
        assert set(np.unique(label)) == {0, 255} and len(np.unique(img)) > 2


def test_same_seed_gives_the_same_result():
    image = ramp(30, 30)
    outs = []
    for _ in range(2):
        np.random.seed(7)
        outs.append(run(RandomAffine(prob=1), image)[0])
    np.testing.assert_array_equal(*outs)


@pytest.mark.parametrize(('arguments', 'message'), [
    (dict(prob=1.5), 'RandomAffine.prob: expected 0 to 1, found 1.5'),
    (dict(rotate_limit=-45), 'RandomAffine.rotate_limit'),
    (dict(scale_limit=1), 'RandomAffine.scale_limit'),
])
def test_wrong_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        RandomAffine(**arguments)


@pytest.mark.parametrize('dtype', [np.uint8, np.float32])
@pytest.mark.parametrize('count', [1, 2, 5, 13])
def test_any_number_of_bands_moves_as_one(count, dtype):
    image = np.random.RandomState(0).randint(0, 256, (20, 24, count)).astype(dtype)
    steps = [RandomTranspose(1), RandomAffine(45, 0.1, 0.2, prob=1), RandomScale((0.7, 0.7)), PadToSize((40, 40))]

    def run(pixels):
        np.random.seed(5)
        results = dict(img=pixels, gt_seg_map=np.ones(pixels.shape[:2], np.uint8), seg_fields=['gt_seg_map'])
        for step in steps:
            results = step(results)
        return results
    together = run(image)
    assert together['img'].shape == (40, 40, count) and together['img'].dtype == dtype
    assert (together['gt_seg_map'][17:] == 255).all() and (together['img'][17:] == 0).all()
    for band in range(count):
        alone = run(image[..., band:band + 1])['img'][..., 0]
        np.testing.assert_allclose(together['img'][..., band], alone, atol=4)  # of 2 channels OpenCV warps less exactly
