import numpy as np
import pytest
from PIL import Image

from schanger_mm.apis.inputs import InputError, as_path, list_pairs
from schanger_mm.utils.errors import DatasetError

IMAGE = np.arange(4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3)  # RGB


@pytest.fixture
def folder(tmp_path):
    """Two folders of three images; image i starts with the pixel (i, 1, 2) and (i + 100, 1, 2)."""
    for date, first in (('A', 0), ('B', 100)):
        (tmp_path / date / 'city').mkdir(parents=True)
        for index, name in enumerate(('x_2', 'x_10', 'city/y')):
            image = IMAGE.copy()
            image[0, 0, 0] = first + index
            Image.fromarray(image).save(tmp_path / date / f'{name}.png')
    return tmp_path


def firsts(pairs):
    """Red of the first pixel of both dates, of every pair."""
    return [tuple(int(image[0, 0, 2]) for image in pair.read()) for pair in pairs]


def test_two_folders_pair_by_stem(folder):
    pairs = list_pairs(folder / 'A', folder / 'B')
    assert [pair.name for pair in pairs] == ['city/y', 'x_2', 'x_10']
    assert firsts(pairs) == [(2, 102), (0, 100), (1, 101)]
    assert pairs[0].size == (4, 6)


@pytest.mark.parametrize('kind', [list, tuple])
def test_files_addresses_and_arrays_in_lists(folder, kind):
    path, other = folder / 'A/x_2.png', folder / 'B/x_2.png'
    pairs = list_pairs(kind([str(path), path.as_uri(), IMAGE]), kind([other, other.as_uri(), IMAGE]),
                       names=['a', 'b', 'c/d'])
    assert firsts(pairs) == [(0, 100), (0, 100), (0, 0)]
    assert [pair.name for pair in pairs] == ['a', 'b', 'c/d']
    (one,) = list_pairs(path, other)
    assert one.name == 'x_2' and one.paths == [str(path), str(other)]


def test_arrays_are_rgb_unless_said_otherwise():
    (pair,) = list_pairs(IMAGE, IMAGE)
    np.testing.assert_array_equal(pair.read()[0], IMAGE[..., ::-1])  # B, G, R, as files are read
    assert pair.name == '00000000'
    (pair,) = list_pairs(IMAGE, IMAGE, channel_order='bgr')
    np.testing.assert_array_equal(pair.read()[1], IMAGE)


def test_a_folder_name_with_spaces_in_an_address(tmp_path):
    file = tmp_path / 'two words, and more.png'
    Image.fromarray(IMAGE).save(file)
    assert as_path(file.as_uri()) == str(file)
    assert list_pairs(file.as_uri(), str(file))[0].name == 'two words, and more'


@pytest.mark.parametrize(('before', 'after', 'options', 'message'), [
    ('A/x_2.png', 'B', {}, 'B is a folder; expected two folders, or none'),
    (['A/x_2.png'], 'B/x_2.png', {}, 'one of before and after is a list and the other is not'),
    (['A/x_2.png'], ['B/x_2.png'] * 2, {}, 'as many images before as after, one or more, found 1 and 2'),
    ([], [], {}, 'found 0 and 0'),
    (['A/x_2.png'] * 2, ['B/x_2.png'] * 2, {}, r'two pairs are called x_2, .* names=\[...\]'),
    (['A/x_2.png'] * 2, ['B/x_2.png'] * 2, dict(names=['a', 'A']), 'two pairs are called A'),
    ('A/x_2.png', 'B/x_2.png', dict(names=['a', 'b']), '2 names for 1 pairs'),
    ('A/x_2.png', 'B/x_2.png', dict(names=['../a']), "'../a' is not a name of a pair"),
    ('A/x_2.png', 'B/x_2.png', dict(names=['/a']), "'/a' is not a name of a pair"),
    ('A/x_2.png', IMAGE[:3], {}, r'x_2: expected two images of one size, found 6 x 4 px \(A/x_2.png\) and 6 x 3 px'),
    (IMAGE, IMAGE[..., 0], {}, r'after of 00000000: expected a path or a \(H, W, 3\) uint8 array in RGB order, found '
     r'an array \(4, 6\) uint8'),
    (IMAGE.transpose(2, 0, 1), IMAGE, {}, r'found an array \(3, 4, 6\) uint8'),
    (IMAGE / 255, IMAGE, dict(channel_order='bgr'), r'uint8 array in BGR order, found an array .* float64'),
    (IMAGE[:0], IMAGE[:0], {}, r'found an array \(0, 6, 3\)'),
    (None, IMAGE, {}, 'before of 00000000: .* found NoneType'),
    (IMAGE, IMAGE, dict(channel_order='rbg'), "channel_order='rbg': expected 'rgb' or 'bgr'"),
    ('https://example.com/a.png', 'B/x_2.png', {}, 'https://example.com/a.png: expected a path or a file:// address'),
    ('file://server/a.png', 'B/x_2.png', {}, 'file://server/a.png: expected'),
])
def test_mistakes_are_named(folder, monkeypatch, before, after, options, message):
    monkeypatch.chdir(folder)
    with pytest.raises(InputError, match=message):
        list_pairs(before, after, **options)


def test_files_that_are_missing_or_of_another_kind(folder):
    (folder / 'A/x_2.png').unlink()
    with pytest.raises(InputError, match=r'A: 1 images of the other date have no partner there: x_2'):
        list_pairs(folder / 'A', folder / 'B')
    with pytest.raises(DatasetError, match=r'A/x_2.png'):
        list_pairs(folder / 'A/x_2.png', folder / 'B/x_2.png')
    Image.fromarray(IMAGE[..., 0]).save(folder / 'grey.png')
    with pytest.raises(InputError, match=r'grey.png: expected an 8-bit 3-band image, found 8-bit grey'):
        list_pairs(folder / 'grey.png', folder / 'grey.png')
    assert list_pairs(folder / 'grey.png', folder / 'grey.png', allow_grey=True)[0].size == (4, 6)
