import cv2
import numpy as np
import pytest
from PIL import Image

from schanger_mm.data_tools.pixels import encode_png, read_pixels
from schanger_mm.datasets import DatasetError


def there_and_back(path, tmp_path):
    pixels = read_pixels(path)
    copy = tmp_path / 'copy.png'
    copy.write_bytes(encode_png(pixels, path))
    again = read_pixels(copy)
    assert np.array_equal(again.array, pixels.array) and again.array.dtype == pixels.array.dtype
    assert again.form == pixels.form
    return pixels


@pytest.mark.parametrize('suffix', ['png', 'tif'])
@pytest.mark.parametrize('bands', [1, 3, 4])
@pytest.mark.parametrize('depth', [np.uint8, np.uint16])
def test_depth_and_bands_survive(tmp_path, suffix, bands, depth):
    array = np.random.default_rng(0).integers(0, np.iinfo(depth).max, (6, 7, bands)).astype(depth)
    path = tmp_path / f'x.{suffix}'
    cv2.imwrite(str(path), array[..., 0] if bands == 1 else array)
    order = [2, 1, 0, 3][:bands] if bands > 1 else 0
    assert np.array_equal(there_and_back(path, tmp_path).array, array[..., order])


def test_a_fourth_band_without_a_name_survives(tmp_path):
    array = np.random.default_rng(0).integers(0, 256, (6, 7, 4), np.uint8)
    Image.frombytes('RGBX', (7, 6), array.tobytes()).save(tmp_path / 'x.tif')
    assert np.array_equal(there_and_back(tmp_path / 'x.tif', tmp_path).array, array)


def test_alpha_does_not_change_the_colours(tmp_path):
    array = np.random.default_rng(0).integers(0, 256, (6, 7, 4), np.uint8)
    Image.fromarray(array, 'RGBA').save(tmp_path / 'x.tif')
    assert np.array_equal(there_and_back(tmp_path / 'x.tif', tmp_path).array, array)


def test_palette_keeps_indices_and_colours(tmp_path):
    image = Image.fromarray(np.arange(12, dtype=np.uint8).reshape(3, 4) % 3)
    image.putpalette([9, 8, 7, 200, 0, 0, 0, 99, 1])
    image.save(tmp_path / 'x.png')
    pixels = there_and_back(tmp_path / 'x.png', tmp_path)
    assert pixels.array.max() == 2 and pixels.palette[:9] == (9, 8, 7, 200, 0, 0, 0, 99, 1)
    with Image.open(tmp_path / 'copy.png') as copy, Image.open(tmp_path / 'x.png') as original:
        assert np.array_equal(copy.convert('RGB'), original.convert('RGB'))


def test_one_bit_masks_stay_one_bit(tmp_path):
    Image.fromarray(np.eye(5) > 0).save(tmp_path / 'x.png')
    assert there_and_back(tmp_path / 'x.png', tmp_path).form == '1-bit'


def test_big_endian_values_are_those_of_the_file(tmp_path):
    values = np.array([[1, 256], [515, 65535]], '>u2')
    Image.frombytes('I;16B', (2, 2), values.tobytes()).save(tmp_path / 'x.tif')
    assert there_and_back(tmp_path / 'x.tif', tmp_path).array.tolist() == values.tolist()


def test_what_a_png_cannot_hold_is_refused(tmp_path):
    path = tmp_path / 'height.tif'
    Image.fromarray(np.ones((3, 3), np.float32)).save(path)
    with pytest.raises(DatasetError, match='height.tif: found 32-bit float, which no PNG can hold'):
        encode_png(read_pixels(path), path)
    Image.new('CMYK', (3, 3)).save(tmp_path / 'print.jpg')
    with pytest.raises(DatasetError, match='print.jpg: 8-bit CMYK, which cannot be read here without loss'):
        read_pixels(tmp_path / 'print.jpg')


@pytest.mark.parametrize('suffix', ['png', 'jpg', 'tif'])
def test_a_truncated_file_is_named(tmp_path, suffix):
    path = tmp_path / f'x.{suffix}'
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)).save(path)
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(DatasetError, match=rf'x\.{suffix}: truncated'):
        read_pixels(path)
