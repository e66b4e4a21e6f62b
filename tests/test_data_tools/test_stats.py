import cv2
import numpy as np
import pytest

from schanger_mm.data_tools.stats import dataset_statistics
from schanger_mm.datasets import DatasetError


def by_definition(samples):
    """Mean over samples of mean and population std per sample, R, G, B in [0, 1]."""
    scaled = [sample.reshape(-1, 3) / 255 for sample in samples]
    return np.mean([s.mean(axis=0) for s in scaled], axis=0), np.mean([s.std(axis=0) for s in scaled], axis=0)


def read(folder):
    return [cv2.imread(str(path))[..., ::-1] for path in sorted(folder.iterdir())]


def test_each_date_by_the_definition(pairs):
    root = pairs()
    dates = dataset_statistics(root, workers=1)
    assert [date.folder.name for date in dates] == ['A', 'B'] and [date.images for date in dates] == [4, 4]
    for date in dates:
        mean, std = by_definition(read(root / 'train' / date.folder.name))
        assert np.allclose(date.mean, mean, rtol=0, atol=1e-12) and np.allclose(date.std, std, rtol=0, atol=1e-12)


def test_class_maps_are_no_images(class_pairs):
    root = class_pairs()
    expected = dataset_statistics(root, workers=1)
    assert [date.folder.name for date in expected] == ['A', 'B']
    for folder, name in (('A', 'im1'), ('B', 'im2'), ('label_a', 'label1'), ('label_b', 'labels')):
        (root / 'train' / folder).rename(root / 'train' / name)  # im1, im2: SECOND; one map alone is fine
    dates = dataset_statistics(root, workers=1)
    assert [(date.folder.name, date.images) for date in dates] == [('im1', 3), ('im2', 3)]
    assert [date.mean.tolist() for date in dates] == [date.mean.tolist() for date in expected]


def test_channels_are_red_green_blue_and_the_std_is_that_within_an_image(tmp_path, write):
    for i, value in enumerate((0, 102)):
        write(tmp_path / f'images/{i}.png', np.full((8, 8, 3), (value, 51, 255), np.uint8))
    date, = dataset_statistics(tmp_path, single=True, workers=1)
    assert date.mean.tolist() == pytest.approx([0.2, 0.2, 1.0]) and date.std.tolist() == [0, 0, 0]


def test_patches_are_samples_and_the_rest_is_left_out(pairs):
    root = pairs()
    date, _ = dataset_statistics(root, patch=20, workers=2)  # 48 x 32: two patches of one row
    mean, std = by_definition([image[:20, left:left + 20] for image in read(root / 'train/A') for left in (0, 20)])
    assert date.samples == 8 and np.allclose(date.mean, mean) and np.allclose(date.std, std)


def test_small_images_and_other_modes_are_named(pairs, write):
    root = pairs()
    with pytest.raises(DatasetError, match=r'train_0.png: expected at least 33 px on each side \(--patch\), found 48x'):
        dataset_statistics(root, patch=33, workers=2)
    write(root / 'train/A/train_1.png', np.zeros((32, 48), np.uint16))
    with pytest.raises(DatasetError, match='train_1.png: expected an 8-bit 3-band image, found 16-bit grey'):
        dataset_statistics(root, workers=1)


def test_one_split_has_to_be_chosen(pairs):
    root = pairs(splits=[('east', 1), ('west', 2)])
    with pytest.raises(DatasetError, match='--split, one of east, west'):
        dataset_statistics(root)
    assert dataset_statistics(root, 'west', workers=1)[0].images == 2


def test_the_printed_lines_are_a_config(pairs, command):
    status, out, _ = command('stats', pairs(), '--workers', 1)
    assert status == 0 and 'date A first' in out
    values = {}
    exec(out[out.index('data_preprocessor'):], values)
    first, second = dataset_statistics(pairs(), workers=1)
    wanted = values['data_preprocessor']
    assert wanted['mean'] == pytest.approx([*first.mean * 255, *second.mean * 255], abs=6e-4)
    assert wanted['std'] == pytest.approx([*first.std * 255, *second.std * 255], abs=6e-4)


def test_mistakes_end_in_one_line(pairs, command):
    assert command('stats', pairs(), '--patch', 0)[::2] == (2, 'error: --patch: expected 1 or more pixels, found 0\n')
    status, _, err = command('stats', pairs(), '--patch', 100, '--workers', 2)
    assert status == 2 and err.startswith('error: ') and err.count('\n') == 1


def test_a_list_or_a_table_names_the_training_images(pairs, tmp_path, command):
    root, table = pairs(splits=[('train', 6)]), tmp_path / 'split.csv'
    (tmp_path / 'train.txt').write_text('train_1.png\ntrain_4\n')
    table.write_text('train_1.jpg,train\ntrain_2.jpg,val\ntrain_4.jpg,train\n')
    by_list = dataset_statistics(root, workers=1, list_file=tmp_path / 'train.txt')
    by_table = dataset_statistics(root, workers=1, list_file=table, list_split='train')
    for date, same in zip(by_list, by_table, strict=True):
        mean, std = by_definition([read(root / 'train' / date.folder.name)[i] for i in (1, 4)])
        assert date.images == same.images == 2
        assert np.allclose(date.mean, mean, rtol=0, atol=1e-12) and np.array_equal(date.mean, same.mean)
        assert np.allclose(date.std, std, rtol=0, atol=1e-12) and np.array_equal(date.std, same.std)
    status, out, _ = command('stats', root, '--list', table, '--list-split', 'train', '--workers', 1)
    assert status == 0 and f'{255 * by_list[0].mean[0]:.3f}' in out


def test_lists_that_fit_no_images(pairs, tmp_path):
    root = pairs()
    (tmp_path / 'train.txt').write_text('train_1\ntrain_9\n')
    with pytest.raises(DatasetError, match='train.txt: 1 of 2 names have no image in .*train/A: train_9'):
        dataset_statistics(root, list_file=tmp_path / 'train.txt')
    with pytest.raises(FileNotFoundError, match='no list .*nowhere.txt'):
        dataset_statistics(root, list_file=tmp_path / 'nowhere.txt')
    with pytest.raises(ValueError, match='--list-split train: needs --list'):
        dataset_statistics(root, list_split='train')


def write_raster(path, values, nodata=None):
    rasterio = pytest.importorskip('rasterio')
    path.parent.mkdir(parents=True, exist_ok=True)
    count, h, w = values.shape
    with rasterio.open(path, 'w', driver='GTiff', count=count, height=h, width=w, dtype=values.dtype,
                       nodata=nodata) as raster:
        raster.write(values)


@pytest.mark.filterwarnings('ignore::rasterio.errors.NotGeoreferencedWarning')
@pytest.mark.parametrize('count', [4, 13])
def test_each_band_by_the_definition(tmp_path, count, command):
    draw = np.random.RandomState(count)
    images = {(folder, name): draw.randint(0, 3000, (count, 8, 10)).astype(np.uint16)
              for folder in 'AB' for name in 'xy'}
    for (folder, name), values in images.items():
        write_raster(tmp_path / folder / f'{name}.tif', values)
    status, out, _ = command('stats', tmp_path, '--scale', '0:3000', '--workers', 1)
    lines = {}
    exec(out[out.index('data_preprocessor'):], lines)  # what a user pastes into a config
    found = lines['data_preprocessor']
    scaled = [np.stack([images[folder, name] / 3000 * 255 for name in 'xy']) for folder in 'AB']
    assert status == 0 and found['bgr_to_rgb'] is False and 'of each band in 0..255, date A first' in out
    for key in ('mean', 'std'):
        expected = np.concatenate([getattr(date, key)(axis=(2, 3)).mean(axis=0) for date in scaled])
        np.testing.assert_allclose(found[key], expected, atol=1e-3)


@pytest.mark.filterwarnings('ignore::rasterio.errors.NotGeoreferencedWarning')
def test_images_with_a_file_per_band_and_mixed_numbers_of_bands(tmp_path, command):
    for band, value in (('B02', 30), ('B08', 60)):
        write_raster(tmp_path / f'images/paris_{band}.tif', np.full((1, 4, 4), value, np.uint16))
    status, out, _ = command('stats', tmp_path, '--single', '--files', '_B08.tif', '_B02.tif', '--scale', '0:255',
                             '--workers', 1)
    assert status == 0 and 'mean=[60.000, 30.000]' in out
    assert 'mean=[255.000]' in command('stats', tmp_path, '--single', '--files', '_B08.tif', '--scale', '-20:0')[1]
    write_raster(tmp_path / 'images/c_B08.tif', np.zeros((2, 4, 4), np.uint16))
    status, _, error = command('stats', tmp_path, '--single', '--scale', '0:255', '--workers', 1)
    assert status == 2 and 'c_B08.tif has 2 bands, paris_B02.tif has 1; choose those that all have' in error
    assert command('stats', tmp_path, '--bands', '4;3')[2].count("--bands: expected numbers with commas between") == 1


@pytest.mark.filterwarnings('ignore::rasterio.errors.NotGeoreferencedWarning')
@pytest.mark.parametrize('dtype, count', [('uint16', 13), ('uint8', 4)])
def test_pixels_without_data_are_left_out(tmp_path, command, dtype, count):
    values = np.random.RandomState(0).randint(1, 200, (3, count, 8, 10)).astype(dtype)
    values[0, :, :3], values[1] = 0, 0  # of the second image nothing is left
    values[2, 0, 0, 0] = 0  # counts as nodata in 16 bits
    for name, one in zip('xyz', values, strict=True):
        write_raster(tmp_path / f'images/{name}.tif', one, nodata=0)
    words = ['--bands', 'all'] if dtype == 'uint8' else ['--scale', '0:255']
    status, out, _ = command('stats', tmp_path, '--single', *words, '--workers', 1)
    lines = {}
    exec(out[out.index('data_preprocessor'):], lines)
    first, last = values[0, :, 3:].reshape(count, -1), values[2].reshape(count, -1)[:, dtype == 'uint16':]
    for key in ('mean', 'std'):
        expected = np.mean([getattr(one.astype(float), key)(axis=1) for one in (first, last)], axis=0)
        np.testing.assert_allclose(lines['data_preprocessor'][key], expected, atol=1e-3)
    (tmp_path / 'images/x.tif').unlink()
    (tmp_path / 'images/z.tif').unlink()
    status, _, error = command('stats', tmp_path, '--single', *words, '--workers', 1)
    assert status == 2 and 'images: no pixel of 1 images has data; expected images with other values than' in error
