"""OSCD in the layout of its archives, drawn small."""

import itertools

import cv2
import numpy as np
import pytest

from schanger_mm.datasets import DatasetError, OSCDDataset
from schanger_mm.utils.errors import SettingError

rasterio = pytest.importorskip('rasterio')
BANDS = ['B01', 'B02', 'B03', 'B04', 'B05', 'B06', 'B07', 'B08', 'B8A', 'B09', 'B10', 'B11', 'B12']
COARSE = dict(B01=6, B09=6, B10=6, B05=2, B06=2, B07=2, B8A=2, B11=2, B12=2)
"""How many pixels of 10 m are a side of a pixel of the sensor."""
NAME = 'Onera Satellite Change Detection dataset'


def write(path, values):
    path.parent.mkdir(parents=True, exist_ok=True)
    with rasterio.open(path, 'w', driver='GTiff', count=1, height=values.shape[0], width=values.shape[1],
                       dtype='uint16') as raster:
        raster.write(values, 1)


@pytest.fixture
def root(tmp_path):
    """Write a city of either split."""
    for number, city in enumerate(('paris', 'rio')):
        draw = np.random.RandomState(number)
        for date in (1, 2):
            for band in BANDS:
                values = draw.randint(0, 4000, (24, 36)).astype(np.uint16)
                write(tmp_path / f'{NAME} - Images/{city}/imgs_{date}_rect/{band}.tif', values)
        labels = tmp_path / f'{NAME} - {"Train" if city == "paris" else "Test"} Labels/{city}/cm'
        labels.mkdir(parents=True)
        mask = np.zeros((24, 36), np.uint8)
        mask[3:9, 5:12 + number] = 255
        cv2.imwrite(str(labels / 'cm.png'), mask)
        write(labels / f'{city}-cm.tif', mask.astype(np.uint16) // 255 + 1)
    return tmp_path


@pytest.fixture(autouse=True)
def few_cities(monkeypatch):
    monkeypatch.setattr(OSCDDataset, 'CITIES', dict(train=('paris', ), test=('rio', ), val=('nantes', )))


def build(root, split, endings=tuple(f'/{band}.tif' for band in BANDS), **kwargs):
    return OSCDDataset(split=split, data_root=str(root), **kwargs, pipeline=[
        dict(type='LoadBiTemporalImages', files=endings, scale='0:10000'), dict(type='LoadChangeLabel'),
        dict(type='PackBiTemporalInputs')])


def read(root, city, date, band):
    with rasterio.open(root / f'{NAME} - Images/{city}/imgs_{date}_rect/{band}.tif') as raster:
        return raster.read(1)


@pytest.mark.parametrize(('split', 'city', 'changed'), [('train', 'paris', 42), ('test', 'rio', 48)])
def test_thirteen_bands_of_both_dates_in_the_order_of_the_files(root, split, city, changed):
    data = build(root, split, test_mode=True)
    sample = data[0]
    assert len(data) == 1 and data.metainfo['data_set'] == 'OSCD' and data.metainfo['official_tiles'] is None
    assert sample['inputs'].shape == (26, 24, 36) and sample['data_samples'].name == city
    assert int(sample['data_samples'].gt_sem_seg.data.sum()) == changed
    for channel, (date, band) in enumerate([(date, band) for date in (1, 2) for band in BANDS]):
        np.testing.assert_allclose(sample['inputs'][channel], read(root, city, date, band) * 0.0255, atol=1e-3)


def test_some_bands_in_another_order(root):
    sample = build(root, 'train', ('/B08.tif', '/B04.tif'), first_band='B08.tif')[0]
    np.testing.assert_allclose(sample['inputs'][[2, 3]],
                               np.stack([read(root, 'paris', 2, band) for band in ('B08', 'B04')]) * 0.0255, atol=1e-3)


def test_bands_of_several_resolutions_come_at_10_m(root):
    whole = {band: read(root, 'paris', 1, band) for band in BANDS}
    for (band, step), date in itertools.product(COARSE.items(), (1, 2)):
        write(root / f'{NAME} - Images/paris/imgs_{date}_rect/{band}.tif', whole[band][::step, ::step])
    sample = build(root, 'train')[0]
    assert sample['inputs'].shape == (26, 24, 36)
    for channel, band in enumerate(BANDS):
        step = COARSE.get(band, 1)
        coarse = whole[band][::step, ::step].astype(np.float32)
        expected = np.rint(cv2.resize(coarse, (36, 24), interpolation=cv2.INTER_LINEAR)) * 0.0255
        np.testing.assert_allclose(sample['inputs'][channel], expected, atol=1e-3)


def test_missing_cities_bands_and_splits_are_named(root):
    with pytest.raises(DatasetError, match=r'1 cities of the val split have no file.*:\n.*nantes'):
        build(root, 'val')
    (root / f'{NAME} - Images/paris/imgs_2_rect/B8A.tif').unlink()
    with pytest.raises(DatasetError, match=r'imgs_2_rect/B8A\.tif: no such file'):
        build(root, 'train')
    with pytest.raises(SettingError, match=r'OSCDDataset\.split: expected one of train, val, trainval, test'):
        build(root, 'all')


def test_the_official_cities(monkeypatch):
    monkeypatch.undo()
    cities = OSCDDataset.CITIES
    assert [len(set(cities[name])) for name in ('train', 'val', 'trainval', 'test')] == [11, 3, 14, 10]
    assert set(cities['train']) | set(cities['val']) == set(cities['trainval'])
    assert not set(cities['trainval']) & set(cities['test'])
    assert all(OSCDDataset.SPLITS[name].pairs == len(cities[name]) for name in cities)
