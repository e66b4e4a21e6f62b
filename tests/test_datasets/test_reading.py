import io
import re

import cv2
import numpy as np
import pytest
from PIL import Image

from schanger_mm.datasets import DatasetError
from schanger_mm.datasets.reading import read_header, read_image, read_label


@pytest.mark.parametrize('suffix', ['.png', '.tif', '.bmp'])
def test_image_comes_as_bgr_exactly_as_written(tmp_path, write, picture, suffix):
    image = picture()
    path = write(tmp_path / f'a{suffix}', image)
    np.testing.assert_array_equal(read_image(str(path)), image)
    assert read_header(str(path)) == ((12, 16), '8-bit 3-band')


def test_jpeg_is_close_to_what_was_written(tmp_path, write):
    image = np.full((32, 32, 3), (200, 100, 30), np.uint8)
    read = read_image(str(write(tmp_path / 'a.jpg', image)))
    assert np.abs(read.astype(int) - image).max() <= 3


@pytest.mark.parametrize(('suffix', 'array', 'found'), [
    ('.png', np.zeros((4, 5, 3), np.uint16), '16-bit 3-band'),
    ('.tif', np.zeros((4, 5, 3), np.uint16), '16-bit 3-band'),
    ('.png', np.zeros((4, 5), np.uint16), '16-bit grey'),
    ('.tif', np.zeros((4, 5), np.uint16), '16-bit grey'),
    ('.png', np.zeros((4, 5, 4), np.uint8), '8-bit 4-band'),
    ('.tif', np.zeros((4, 5, 4), np.uint8), '8-bit 4-band'),
    ('.tif', np.zeros((4, 5), np.float32), '32-bit float'),
    ('.png', np.zeros((4, 5), np.uint8), '8-bit grey'),
])
def test_other_depths_and_bands_are_refused_not_converted(tmp_path, write, suffix, array, found):
    path = write(tmp_path / f'odd{suffix}', array)
    with pytest.raises(DatasetError, match=f'odd{suffix}: expected an 8-bit 3-band image, found {found};'):
        read_image(str(path))
    assert read_header(str(path))[1] == found


def test_fourth_tiff_band_without_a_meaning_is_not_dropped(tmp_path):
    # as GDAL writes R, G, B, NIR: ExtraSamples = 0 (unspecified), which Pillow opens as plain RGB
    Image.fromarray(np.zeros((4, 5, 4), np.uint8), 'RGBA').save(tmp_path / 'nir.tif')
    data = (tmp_path / 'nir.tif').read_bytes()
    tag = (338).to_bytes(2, 'little') + (3).to_bytes(2, 'little') + (1).to_bytes(4, 'little')
    at = data.index(tag) + len(tag)
    (tmp_path / 'nir.tif').write_bytes(data[:at] + b'\0' + data[at + 1:])
    assert Image.open(tmp_path / 'nir.tif').mode == 'RGB'
    with pytest.raises(DatasetError, match='found 8-bit 4-band'):
        read_image(str(tmp_path / 'nir.tif'))


def test_grey_images_are_repeated_only_on_demand(tmp_path, write):
    grey = np.arange(20, dtype=np.uint8).reshape(4, 5)
    path = str(write(tmp_path / 'g.png', grey))
    with pytest.raises(DatasetError, match='allow_grey=True'):
        read_image(path)
    np.testing.assert_array_equal(read_image(path, allow_grey=True), np.repeat(grey[..., None], 3, axis=2))


@pytest.mark.filterwarnings('ignore:Corrupt EXIF')
@pytest.mark.parametrize('suffix', ['.png', '.jpg', '.tif', '.bmp'])
@pytest.mark.parametrize('share', [0.0, 0.3, 0.9])
def test_truncated_file_is_named(tmp_path, write, picture, suffix, share):
    path = write(tmp_path / f'cut{suffix}', picture(64, 64))
    data = path.read_bytes()
    path.write_bytes(data[:int(len(data) * share)])
    with pytest.raises(DatasetError, match=f'{re.escape(str(path))}: truncated, corrupt'):
        read_image(str(path))


def test_png_without_its_end_is_truncated(tmp_path, write, picture):
    path = write(tmp_path / 'cut.png', picture())
    path.write_bytes(path.read_bytes()[:-12])
    with pytest.raises(DatasetError, match='no end mark'):
        read_image(str(path))


def test_flipped_bit_in_a_png_is_noticed(tmp_path, write, picture):
    path = write(tmp_path / 'flip.png', picture(64, 64))
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 255
    path.write_bytes(bytes(data))
    with pytest.raises(DatasetError, match=r'flip\.png: truncated, corrupt'):
        read_image(str(path))


def test_missing_file_is_named(tmp_path):
    with pytest.raises(DatasetError, match=r'nowhere\.png: no such file'):
        read_image(str(tmp_path / 'nowhere.png'))


@pytest.mark.parametrize('top', [1, 255])
def test_label_of_two_values_becomes_0_and_1(tmp_path, write, top):
    truth = np.random.RandomState(0).randint(0, 2, (6, 7)).astype(np.uint8)
    label = read_label(str(write(tmp_path / 'm.png', truth * top)))
    assert label.dtype == np.uint8
    np.testing.assert_array_equal(label, truth)


@pytest.mark.parametrize(('value', 'expected'), [(0, 0), (1, 1), (255, 1)])
def test_label_of_one_value(tmp_path, write, value, expected):
    assert (read_label(str(write(tmp_path / 'm.png', np.full((3, 4), value, np.uint8)))) == expected).all()


@pytest.mark.parametrize(('values', 'count', 'shown'), [
    ((0, 1, 255), 3, '0, 1, 255'),
    ((0, 128), 2, '0, 128'),
    (tuple(range(0, 100, 5)), 20, '0, 5, 10, 15, 20, 25, 30, 35, ...'),
])
def test_label_of_other_values_says_which_and_how_to_threshold(tmp_path, write, values, count, shown):
    path = write(tmp_path / 'm.png', np.array([values], np.uint8))
    message = re.escape(f'm.png: expected a mask of 0 and 1, or of 0 and 255, found {count} values: {shown}.')
    with pytest.raises(DatasetError, match=message + '.*label_threshold=128'):
        read_label(str(path))


def test_threshold_reads_a_lossy_mask(tmp_path, write):
    truth = np.zeros((40, 40), np.uint8)
    truth[10:27, 9:22] = 1
    path = str(write(tmp_path / 'm.jpg', truth * 255, cv2.IMWRITE_JPEG_QUALITY, 60))
    with pytest.raises(DatasetError, match='label_threshold=128'):
        read_label(path)
    np.testing.assert_array_equal(read_label(path, threshold=128), truth)


def test_threshold_itself_counts_as_changed(tmp_path, write):
    path = str(write(tmp_path / 'm.png', np.array([[127, 128, 129]], np.uint8)))
    np.testing.assert_array_equal(read_label(path, threshold=128), [[0, 1, 1]])


def test_rgb_label_needs_equal_channels(tmp_path, write):
    grey = np.array([[0, 255], [255, 0]], np.uint8)
    path = str(write(tmp_path / 'm.png', np.dstack([grey] * 3)))
    np.testing.assert_array_equal(read_label(path), grey // 255)
    opaque = str(write(tmp_path / 'o.png', np.dstack([grey, grey, grey, np.full_like(grey, 255)])))
    np.testing.assert_array_equal(read_label(opaque), grey // 255)
    red = str(write(tmp_path / 'red.png', np.dstack([0 * grey, 0 * grey, grey])))
    with pytest.raises(DatasetError, match=r'red\.png: expected a grey mask, found a coloured'):
        read_label(red)


def test_one_bit_label(tmp_path):
    truth = np.array([[True, False, True]])
    Image.fromarray(truth).save(tmp_path / 'm.png')
    np.testing.assert_array_equal(read_label(str(tmp_path / 'm.png')), truth)


BLACK, WHITE, RED, GREEN = (0, 0, 0), (255, 255, 255), (255, 0, 0), (0, 255, 0)


def paint(path, indices, palette):
    image = Image.fromarray(np.array([indices], np.uint8), 'P')
    image.putpalette([value for colour in palette for value in colour])
    image.save(path)
    return str(path)


@pytest.mark.parametrize('suffix', ['png', 'tif', 'bmp'])
@pytest.mark.parametrize(('indices', 'palette', 'expected'), [
    ([0, 1], [BLACK, WHITE], [0, 1]),
    ([0, 1], [WHITE, BLACK], [1, 0]),
    ([0, 1], [BLACK, (128, 0, 0)], [0, 1]),  # PASCAL VOC's colours
    ([0, 1, 1], [RED, BLACK], [1, 0, 0]),
    ([0, 0], [BLACK, RED], [0, 0]),
    ([1, 1], [BLACK, RED], [1, 1]),
    ([1, 1], [RED, BLACK], [0, 0]),
    ([3, 7], [BLACK] * 3 + [GREEN] + [BLACK] * 4, [1, 0]),
    ([0, 2], [WHITE, RED, BLACK], [1, 0]),
])
def test_palette_label(tmp_path, suffix, indices, palette, expected):
    path = paint(tmp_path / f'm.{suffix}', indices, palette)
    np.testing.assert_array_equal(read_label(path), [expected])


@pytest.mark.parametrize('pixels', [[0, 0, 0, 1], [1, 1, 1, 0]])
def test_red_on_black_reduced_to_two_colours_keeps_its_sense(tmp_path, pixels):
    truth = np.array([pixels], np.uint8)
    reduced = Image.fromarray(truth[..., None] * np.array(RED, np.uint8)).quantize(2)
    reduced.save(tmp_path / 'm.png')
    np.testing.assert_array_equal(read_label(str(tmp_path / 'm.png')), truth)


def test_a_grey_palette_is_read_as_the_grey_image_that_it_shows(tmp_path):
    path = paint(tmp_path / 'm.png', [0, 1, 2, 3], [(250,) * 3, (3,) * 3, WHITE, BLACK])
    np.testing.assert_array_equal(read_label(path, threshold=128), [[1, 0, 1, 0]])
    path = paint(tmp_path / 'n.png', [0, 1, 2], [WHITE, BLACK, (128,) * 3])
    np.testing.assert_array_equal(read_label(path, ignore=128), [[1, 0, 255]])


@pytest.mark.parametrize(('indices', 'palette', 'ignore', 'shown'), [
    ([0, 1], [RED, WHITE], None, 'index 0 is (255, 0, 0), index 1 is (255, 255, 255)'),
    ([0, 0], [RED, BLACK], None, 'index 0 is (255, 0, 0)'),
    ([0, 1, 2], [RED, BLACK, GREEN], None, 'index 0 is (255, 0, 0), index 1 is (0, 0, 0), index 2 is (0, 255, 0)'),
    ([0, 1, 2], [BLACK, BLACK, RED], None, 'index 0 is (0, 0, 0), index 1 is (0, 0, 0), index 2 is (255, 0, 0)'),
    ([1, 2], [RED, BLACK, GREEN], 2, 'index 1 is (0, 0, 0), index 2 is (0, 255, 0)'),
])
def test_a_palette_against_its_indices_is_refused(tmp_path, indices, palette, ignore, shown):
    path = paint(tmp_path / 'm.png', indices, palette)
    with pytest.raises(DatasetError) as caught:
        read_label(path, ignore=ignore)
    assert str(caught.value) == (
        f'{path}: a palette mask whose colours and indices disagree: {shown} (R, G, B), and unchanged should be black '
        'and index 0. Save it as a grey PNG of 0 (unchanged) and 255 (changed).')


def test_a_coloured_palette_that_agrees_is_read_by_index(tmp_path):
    path = paint(tmp_path / 'm.png', [0, 2, 1], [BLACK, RED, GREEN])
    np.testing.assert_array_equal(read_label(path, ignore=2), [[0, 255, 1]])
    path = paint(tmp_path / 'n.png', [0, 2], [BLACK, RED, GREEN])  # nodata, and nothing changed
    np.testing.assert_array_equal(read_label(path, ignore=2), [[0, 255]])


def test_other_formats_are_not_opened(tmp_path):
    buffer = io.BytesIO()
    Image.new('RGB', (4, 4)).save(buffer, 'PPM')
    (tmp_path / 'a.png').write_bytes(buffer.getvalue())
    with pytest.raises(DatasetError, match='not a readable PNG/JPEG/TIFF/BMP'):
        read_image(str(tmp_path / 'a.png'))


def test_a_threshold_that_would_empty_a_mask_of_ones_is_refused(tmp_path, write):
    ones = write(tmp_path / 'ones.png', np.eye(4, dtype=np.uint8))
    with pytest.raises(DatasetError, match='label_threshold=128 would leave nothing'):
        read_label(str(ones), threshold=128)
    with pytest.raises(DatasetError, match='set `label_threshold=None` in the dataset'):
        read_label(str(ones), threshold=128)
    assert read_label(str(ones), threshold=1).sum() == 4
    assert read_label(str(write(tmp_path / 'empty.png', np.zeros((4, 4), np.uint8))), threshold=128).sum() == 0


def test_an_ignored_value_becomes_255_and_leaves_the_others_alone(tmp_path, write):
    path = str(write(tmp_path / 'a.png', np.array([[0, 128, 255], [255, 0, 128]], np.uint8)))
    np.testing.assert_array_equal(read_label(path, ignore=128), [[0, 255, 1], [1, 0, 255]])
    with pytest.raises(DatasetError, match='set `label_ignore` to it'):
        read_label(path)
    with pytest.raises(DatasetError, match='found 2 values: 0, 128'):
        read_label(path, ignore=255)


def test_a_mask_of_ignored_pixels_only(tmp_path, write):
    path = str(write(tmp_path / 'a.png', np.full((2, 3), 128, np.uint8)))
    assert (read_label(path, ignore=128) == 255).all()


@pytest.mark.parametrize('value', [0, 1])
@pytest.mark.parametrize('suffix', ['.jpg', '.png'])
def test_an_empty_jpeg_mask_that_decodes_to_ones_passes_the_threshold(tmp_path, write, value, suffix):
    path = write(tmp_path / f'm{suffix}', np.full((16, 16), value, np.uint8))
    assert read_label(str(path), threshold=128).sum() == 0


def test_zeros_and_ones_of_a_jpeg_are_noise_under_a_threshold(tmp_path, write):
    noise = np.zeros((16, 16), np.uint8)
    noise[:, 8:] = 1
    path = str(write(tmp_path / 'm.jpg', noise, cv2.IMWRITE_JPEG_QUALITY, 100))
    assert np.unique(np.asarray(Image.open(path))).tolist() == [0, 1]
    assert read_label(path, threshold=128).sum() == 0
