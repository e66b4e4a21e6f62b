import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from schanger_mm.demo.colour_difference import best_f1, colour_difference, colour_difference_baseline


def picture(seed, shape=(24, 20, 3)):
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def brute_force(scores, label):
    """The best F1 in percent over every threshold that gives a different prediction."""
    best = 0.0
    for threshold in np.unique(scores):
        predicted = scores >= threshold
        hits = (predicted & label).sum()
        best = max(best, 200 * hits / max(predicted.sum() + label.sum(), 1))
    return best


def test_identical_images_differ_nowhere():
    a = picture(0)
    for smooth in (False, True):
        assert colour_difference(a, a.copy(), smooth).max() == 0.0


def test_gain_and_bias_per_channel_are_matched_away():
    a = picture(1).astype(np.float32)
    b = a * np.array([0.5, 1.3, 2.0], np.float32) + np.array([10, -30, 5], np.float32)
    assert colour_difference(a, b).max() < 1e-2
    swapped = colour_difference(b, a)
    assert swapped.max() < 1e-2


def test_difference_is_the_euclidean_distance_of_matched_colours():
    a, b = picture(2), picture(3)
    expected = np.zeros(a.shape[:2])
    for channel in range(3):
        x, y = a[..., channel].astype(float), b[..., channel].astype(float)
        expected += ((y - y.mean()) / y.std() * x.std() + x.mean() - x) ** 2
    np.testing.assert_allclose(colour_difference(a, b), np.sqrt(expected), rtol=1e-3, atol=1e-2)


def test_smoothing_is_a_five_by_five_mean():
    a, b = picture(4), picture(5)
    plain, smooth = colour_difference(a, b), colour_difference(a, b, smooth=True)
    assert smooth[10, 8] == pytest.approx(plain[8:13, 6:11].mean(), rel=1e-5)
    assert smooth.std() < 0.4 * plain.std()


def test_a_flat_image_gives_finite_numbers():
    flat = np.full((8, 8, 3), 77, np.uint8)
    assert np.isfinite(colour_difference(picture(6, (8, 8, 3)), flat)).all()


@pytest.mark.parametrize('shape', [(24, 21, 3), (24, 20, 4), (24, 20)])
def test_images_of_other_shapes_are_refused(shape):
    with pytest.raises(ValueError, match=r'images of one shape \(H, W, C\), found'):
        colour_difference(picture(0), picture(0, shape))


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 6), st.booleans()), min_size=1, max_size=40))
def test_best_f1_equals_brute_force(pixels):
    scores = np.array([[score for score, _ in pixels]], np.float32)
    label = np.array([[changed for _, changed in pixels]])
    score, threshold = best_f1([scores], [label])
    assert score == pytest.approx(brute_force(scores, label))
    if label.any():
        predicted = scores >= threshold
        assert 200 * (predicted & label).sum() / (predicted.sum() + label.sum()) == pytest.approx(score)


def test_best_f1_is_one_confusion_over_all_maps():
    rng = np.random.default_rng(7)
    maps = [rng.random((9, 7)).astype(np.float32) for _ in range(3)]
    labels = [np.where(rng.random((9, 7)) < share, 255, 0).astype(np.uint8) for share in (0.0, 0.3, 0.8)]
    joint = brute_force(np.stack(maps), np.stack(labels) > 0)
    assert best_f1(maps, labels)[0] == pytest.approx(joint)
    assert joint != pytest.approx(np.mean([brute_force(m, n > 0) for m, n in zip(maps, labels, strict=True)]))


def test_perfect_and_hopeless_maps():
    label = np.array([[0, 0, 255, 255]], np.uint8)
    assert best_f1([np.array([[1.0, 2.0, 3.0, 4.0]])], [label]) == (100.0, 3.0)
    assert best_f1([np.array([[4.0, 3.0, 2.0, 1.0]])], [label])[0] == pytest.approx(200 * 2 / 6)
    assert best_f1([np.ones((1, 4))], [np.zeros((1, 4))]) == (0.0, float('inf'))


def test_maps_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match=r'map 1 has shape \(2, 2\) but its label \(2, 3\)'):
        best_f1([np.ones((2, 2))] * 2, [np.ones((2, 2)), np.ones((2, 3))])
    with pytest.raises(ValueError, match='map 0 holds NaN or infinite scores'):
        best_f1([np.array([[np.nan]])], [np.ones((1, 1))])
    with pytest.raises(ValueError, match='shorter'):
        best_f1([np.ones((1, 1))] * 2, [np.ones((1, 1))])


@pytest.fixture
def split(tmp_path):
    """Two pairs whose B is A but for a bright square, which is the label."""
    for part in ('A', 'B', 'label'):
        (tmp_path / part).mkdir()
    for index in range(2):
        a = cv2.GaussianBlur(picture(index, (40, 40, 3)), (0, 0), 3)
        b, label = a.copy(), np.zeros((40, 40), np.uint8)
        b[10:22, 5:20] = (250, 20, 250)
        label[10:22, 5:20] = 255
        for part, image in (('A', a), ('B', b), ('label', label)):
            assert cv2.imwrite(str(tmp_path / part / f'{index}.png'), image)
    return tmp_path


def test_an_easy_split_is_solved_without_smoothing(split):
    result = colour_difference_baseline(split)
    assert result['F1'] > 99.0
    assert result['smooth'] is False
    assert result['threshold'] > 1


def test_paths_score_like_their_folder_and_noise_favours_smoothing(split):
    rng = np.random.default_rng(0)
    for path in (split / 'B').iterdir():
        noisy = cv2.imread(str(path)) + rng.normal(0, 60, (40, 40, 3))
        cv2.imwrite(str(path), np.clip(noisy, 0, 255).astype(np.uint8))
    triples = [tuple(split / part / f'{i}.png' for part in ('A', 'B', 'label')) for i in range(2)]
    result = colour_difference_baseline(iter(triples))
    assert result == colour_difference_baseline(str(split))
    assert result['smooth'] is True
    assert 60 < result['F1'] < 100


def test_labels_of_ones_count_as_changed(split):
    before = colour_difference_baseline(split)
    for path in (split / 'label').iterdir():
        cv2.imwrite(str(path), cv2.imread(str(path), cv2.IMREAD_GRAYSCALE) // 255)
    assert colour_difference_baseline(split) == before


def test_faults_name_the_file(split, tmp_path_factory, monkeypatch):
    with pytest.raises(FileNotFoundError, match='no pair to score'):
        colour_difference_baseline(tmp_path_factory.mktemp('empty'))
    cv2.imwrite(str(split / 'label/1.png'), np.full((40, 40), 7, np.uint8))
    with pytest.raises(
        ValueError, match=r'1\.png: expected the values 0 and 255 \(or 0 and 1\), also found \[7\]'
    ):
        colour_difference_baseline(split)
    with monkeypatch.context() as patch:
        patch.setenv('SCHANGER_MM_MAX_PIXELS', '1599')
        with pytest.raises(ValueError, match='claims 40 x 40 pixels, more than the limit of 1599'):
            colour_difference_baseline(split)
    (split / 'label/1.png').write_bytes(b'')
    with pytest.raises(ValueError, match=r'1\.png cannot be read as an image'):
        colour_difference_baseline(split)
    (split / 'label/1.png').unlink()
    with pytest.raises(FileNotFoundError, match=r'1\.png is missing'):
        colour_difference_baseline(split)


def test_pixels_come_as_stored_like_in_training(tmp_path):
    """A label has no orientation, so a photograph that says it is turned would be held against the wrong pixels."""
    rng, exif = np.random.default_rng(0), Image.Exif()
    exif[0x0112] = 3  # upside down
    a = np.repeat(rng.integers(0, 256, (4, 4, 3), np.uint8), 8, 0).repeat(8, 1)
    b, label = a.copy(), np.zeros((32, 32), np.uint8)
    b[:8, :8], label[:8, :8] = 255 - b[:8, :8], 255
    paths = [tmp_path / name for name in ('a.jpg', 'b.jpg', 'label.png')]
    Image.fromarray(a).save(paths[0], quality=100, subsampling=0)
    Image.fromarray(b).save(paths[1], quality=100, subsampling=0, exif=exif)
    Image.fromarray(label).save(paths[2])
    assert colour_difference_baseline([paths])['F1'] > 95
