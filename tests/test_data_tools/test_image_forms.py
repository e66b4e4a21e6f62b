"""Data sets whose images have other bands or depth: verification, and configs that are written for them."""

import math
import sys

import numpy as np
import pytest
from PIL import Image

from schanger_mm.apis import load_config
from schanger_mm.data_tools.image_forms import _outwards, form_of, judge_forms, measure_scale, read_any
from schanger_mm.data_tools.own_config import write_own_config
from schanger_mm.data_tools.verify import NOTES, PROBLEMS, verify_dataset
from schanger_mm.data_tools.verify_report import report
from schanger_mm.datasets import DatasetError
from schanger_mm.registry import DATASETS
from schanger_mm.utils.errors import MissingPackageError

rasterio = pytest.importorskip('rasterio')
LOADERS = [f'{name}_dataloader' for name in ('train', 'val', 'test')]


def lines_of(result):
    assert set(result.found) <= {*PROBLEMS, *NOTES}
    return {kind: lines for kind, lines in result.found.items() if lines}


def save(path, values):
    with rasterio.open(path, 'w', driver='GTiff', count=len(values), height=32, width=48, dtype=values.dtype) as file:
        file.write(values)


@pytest.mark.parametrize('count, dtype, form, loader', [
    (4, 'uint16', '16-bit 4-band', "bands='all', scale='MIN:MAX'"), (13, 'int16', '16-bit 13-band', "scale='MIN:MAX'"),
    (6, 'float32', '32-bit float 6-band', "scale='MIN:MAX'"), (5, 'uint8', '8-bit 5-band', "bands='all' in the"),
    (2, 'uint8', '8-bit 2-band', "bands='all' in the loading"), (64, 'uint8', '8-bit 64-band', "bands='all' in")])
def test_one_form_is_a_note_that_says_what_the_config_needs(band_pairs, count, dtype, form, loader):
    result = verify_dataset(band_pairs(count, dtype), workers=1)
    text = report(result)
    assert not result.failed and lines_of(result).keys() == {'bands'} and f'{form} (6)' in text
    note, = result.found['bands']
    assert note.startswith(f'{form}: ') and loader in note
    assert f'model.backbone.in_channels={count}, {count} means' in note and 'bgr_to_rgb=False' in note


def test_three_bands_of_16_bit_need_a_scale_only(band_pairs):
    assert verify_dataset(band_pairs(3), workers=1).found['bands'] == [
        "16-bit 3-band: bands='all', scale='MIN:MAX' in the loading transforms"]


def test_too_many_bands_or_8_bit_grey_fail(band_pairs):
    assert len(verify_dataset(band_pairs(65), workers=1).found['form']) == 10
    found = verify_dataset(band_pairs(1, 'uint8'), workers=1).found['form']
    assert len(found) == 10 and 'set `allow_grey=True` in its loading transform' in found[0]


@pytest.mark.parametrize('dtype, form', [('uint16', '16-bit grey'), ('int32', '32-bit grey'),
                                         ('float32', '32-bit float'), ('float64', '64-bit float')])
def test_one_band_of_more_than_8_bits_is_a_form(band_pairs, dtype, form):
    result = verify_dataset(band_pairs(1, dtype), workers=1)
    assert not result.failed and result.found['bands'] == [
        f"{form}: bands='all', scale='MIN:MAX' in the loading transforms; model.backbone.in_channels=1, 1 mean and "
        'standard deviation per date and bgr_to_rgb=False in data_preprocessor']


@pytest.mark.parametrize('interleave', ['pixel', 'band'])
@pytest.mark.parametrize('compress', ['none', 'deflate'])
def test_a_fourth_band_that_is_not_alpha_is_read(tmp_path, interleave, compress):
    values, path = np.random.default_rng(0).integers(0, 256, (4, 32, 48), np.uint8), tmp_path / 'nir.tif'
    with rasterio.open(path, 'w', driver='GTiff', count=4, height=32, width=48, dtype='uint8', interleave=interleave,
                       compress=compress, photometric='minisblack', alpha='no') as file:
        file.write(values)
    found = read_any(path)
    assert found.form == '8-bit 4-band' and (found.array.transpose(2, 0, 1) == values).all()
    path.write_bytes(path.read_bytes()[:4000])
    with pytest.raises(DatasetError, match=r'nir\.tif: truncated'):
        read_any(path)


def test_mixed_bands_name_the_files(band_pairs):
    root = band_pairs()
    save(root / 'val/B/1.tif', np.ones((5, 32, 48), np.uint16))
    result = verify_dataset(root, workers=1)
    assert result.failed and result.found['mixed'] == [
        f'{root}/val/B/1.tif: found 16-bit 5-band, and 16-bit 4-band in most images; all of both dates need the same '
        'bands and type.']
    for path in root.glob('*/B/*'):
        save(path, np.ones((5, 32, 48), np.uint16))
    assert len(verify_dataset(root, workers=1).found['mixed']) == 5
    for path in root.glob('*/A/*'):
        save(path, np.ones((3, 32, 48), np.uint8))
    assert [line.split(': ')[1] for line in verify_dataset(root, workers=1).found['form']] == [
        'expected an 8-bit 3-band image, found 16-bit 5-band; convert it first (choose three bands, scale them to '
        '0..255).'] * 5


def test_damaged_and_equal_files_are_found(band_pairs):
    root = band_pairs(6)
    whole = (root / 'train/A/0.tif').read_bytes()
    (root / 'train/B/0.tif').write_bytes(whole)
    (root / 'train/A/1.tif').write_bytes(whole[:3000])
    found = lines_of(verify_dataset(root, workers=1))
    assert found['same_dates'] == ['train/0'] and len(found['unreadable']) == 1
    assert found['unreadable'][0].startswith(f'{root}/train/A/1.tif: truncated')


def test_without_rasterio_the_package_is_named(band_pairs, monkeypatch):
    root = band_pairs(6)
    monkeypatch.setitem(sys.modules, 'rasterio', None)
    with pytest.raises(MissingPackageError, match=r'Reading .*train/A/0\.tif needs rasterio'):
        verify_dataset(root, workers=1)


@pytest.mark.parametrize('count, dtype', [(4, 'uint16'), (6, 'float32'), (2, 'uint8'), (3, 'uint16'),
                                          (1, 'uint16'), (1, 'float32')])
def test_a_written_config_reads_them(band_pairs, tmp_path, count, dtype):
    root, out = band_pairs(count, dtype), tmp_path / 'own.py'
    write_own_config(root, out)
    cfg, text = load_config(out), out.read_text()
    sets = [DATASETS.build(cfg[name].dataset) for name in LOADERS]
    assert [len(one) for one in sets] == [3, 2, 2]
    loader = cfg.test_dataloader.dataset.pipeline[0]
    assert loader.get('scale') == (None if dtype == 'uint8' else '100:3000') and loader.bands == 'all'
    assert ('Values from 100 to 3000 become 0 to 255' in text) == (dtype != 'uint8')
    assert cfg.model.backbone.get('in_channels', 3) == count and cfg.data_preprocessor.bgr_to_rgb == (count == 3)
    assert sets[1][0]['inputs'].shape == (2 * count, 32, 48)
    steps = str(cfg.train_dataloader.dataset.pipeline)
    assert ('BandGain' in steps) == ('HueSaturationValue' not in steps) == (count != 3)
    assert sorted(sets[0][0]['inputs'].shape) == sorted((2 * count, 32, 48))  # perhaps transposed
    # mean over images of the mean of each, date A first, in the order of the file
    scale = (lambda values: values) if dtype == 'uint8' else (
        lambda values: np.clip((values.astype(float) - 100) / 2900 * 255, 0, 255))
    expected = [np.mean([scale(rasterio.open(path).read()).mean(axis=(1, 2))
                         for path in sorted((root / 'train' / folder).iterdir())], axis=0) for folder in 'AB']
    np.testing.assert_allclose(cfg.data_preprocessor.mean, np.concatenate(expected), atol=2e-3)
    assert len(cfg.data_preprocessor.std) == 2 * count and min(cfg.data_preprocessor.std) > 60


def test_transparent_pictures_are_four_bands(band_pairs, tmp_path):
    root = band_pairs()
    for path in root.glob('*/[AB]/*'):
        path.unlink()
        Image.fromarray(np.random.default_rng(0).integers(0, 256, (32, 48, 4), np.uint8)).save(path.with_suffix('.png'))
    write_own_config(root, tmp_path / 'own.py')
    data = DATASETS.build(load_config(tmp_path / 'own.py').test_dataloader.dataset)
    assert data[0]['inputs'].shape == (8, 32, 48)


def test_other_bands_somewhere_are_one_error_and_nothing_is_written(band_pairs, tmp_path):
    root, out = band_pairs(), tmp_path / 'here/own.py'
    save(root / 'val/B/1.tif', np.ones((5, 32, 48), np.uint16))
    with pytest.raises(DatasetError, match=r'val/B/1\.tif: found 16-bit 5-band, and 16-bit 4-band in most images'):
        write_own_config(root, out)
    for i in range(3, 30):  # most are not decoded
        for name in ('A', 'B', 'label'):
            end = 'png' if name == 'label' else 'tif'
            (root / f'train/{name}/{i}.{end}').write_bytes((root / f'train/{name}/0.{end}').read_bytes())
    save(root / 'val/B/1.tif', np.ones((4, 32, 48), np.uint16))
    save(root / 'train/B/4.tif', np.ones((5, 32, 48), np.uint16))
    with pytest.raises(DatasetError, match=r'1 of 64 images have another number of bands than 4: .*B/4\.tif has 5;'):
        write_own_config(root, out)
    assert not out.parent.exists()


def test_all_values_the_same(band_pairs, tmp_path):
    root = band_pairs()
    for path in root.glob('*/[AB]/*'):
        save(path, np.full((4, 32, 48), 7, np.uint16))
    with pytest.raises(DatasetError, match=r'\(nearly\) all values of 6 images are 7; expected images with different'):
        write_own_config(root, tmp_path / 'own.py')


def test_the_scale_leaves_out_what_is_not_valid(tmp_path):
    values = np.random.default_rng(0).uniform(-0.213, 0.879, (3, 32, 48)).astype(np.float32)
    values[:, :5], values[:, 5:9] = np.nan, -9999
    with rasterio.open(tmp_path / 'a.tif', 'w', driver='GTiff', count=3, height=32, width=48, dtype='float32',
                       nodata=-9999) as file:
        file.write(values)
    assert str(measure_scale([tmp_path / 'a.tif'])) == '-0.22:0.88'


def test_pixels_without_data_are_said(band_pairs, tmp_path):
    root = band_pairs()
    assert 'nodata' not in lines_of(verify_dataset(root, workers=1))
    for path in (root / 'train/A/0.tif', root / 'val/B/1.tif', root / 'val/B/0.tif'):
        with rasterio.open(path, 'r+') as file:
            file.nodata = 65000
            values = file.read()
            values[2, :4, :4] = 65000 if 'val/B/0' not in path.as_posix() else 7
            file.write(values)
    result = verify_dataset(root, workers=1)
    assert not result.failed and result.found['nodata'] == [f'{root}/train/A/0.tif', f'{root}/val/B/1.tif']
    assert 'Note: 2 images have pixels without data, which a training takes as values' in report(result)
    said = write_own_config(root, tmp_path / 'own.py')
    assert '; 2 of 10 images have pixels without data, which a training takes as values' in said


def test_the_scale_cuts_no_band_off_because_others_are_brighter(tmp_path):
    values = np.random.default_rng(0).integers(1000, 3000, (13, 32, 48)).astype(np.uint16)
    values[10] //= 100  # 10 to 29, as Sentinel-2's cirrus band
    save(tmp_path / 'a.tif', values)
    assert str(measure_scale([tmp_path / 'a.tif'])) == '10:3000'


@pytest.mark.parametrize('value, down, up', [
    (3127, 3100, 3200), (83, 83, 83), (0.1374, 0.13, 0.14), (-13.4, -14, -13), (0, 0, 0), (100, 100, 100),
    (65535, 65000, 66000), (1.0001, 1.0, 1.1)])
def test_rounding_outwards(value, down, up):
    assert (_outwards(value, math.floor), _outwards(value, math.ceil)) == pytest.approx((down, up), abs=1e-12)


def test_forms():
    assert form_of('16-bit 4-band').bands == 4 and not form_of('32-bit float 7-band').bytes
    assert [form_of(text) for text in ('8-bit grey', '8-bit palette', '16-bit 65-band', '8-bit CMYK')] == [None] * 4
    assert judge_forms({}) == (None, []) == judge_forms({'a': '8-bit 3-band'})
