"""Training tiles of other than three bands."""

import json
from types import SimpleNamespace

import numpy as np
import pytest

rasterio = pytest.importorskip('rasterio')
geopandas = pytest.importorskip('geopandas')

from shapely.geometry import box  # noqa: E402

from schanger_mm.data_tools.from_rasters import TileSettings, tiles_from_rasters  # noqa: E402
from schanger_mm.data_tools.own_config import write_own_config  # noqa: E402
from schanger_mm.geo.errors import SceneError  # noqa: E402
from schanger_mm.geo.pair import PairSpec  # noqa: E402
from schanger_mm.geo.scaling import Scaling  # noqa: E402

SIDE = 48


@pytest.fixture
def scene(tmp_path, write_raster):
    """Two rasters of five bands, uint16, and a polygon; returns a function that cuts, and the values."""
    values = np.random.default_rng(0).integers(1, 3000, (2, 5, SIDE, SIDE)).astype(np.uint16)
    values[0, :, :4, :4] = 0
    paths = [write_raster(name, date, nodata=0) for name, date in zip(('before.tif', 'after.tif'), values)]
    for path in paths:
        with rasterio.open(path, 'r+') as raster:
            raster.descriptions = ('B02', 'B03', 'B04', 'B08', 'B11')
    geopandas.GeoDataFrame(geometry=[box(500002, 4999990, 500010, 4999998)], crs='EPSG:32633').to_file(
        tmp_path / 'new.gpkg')

    def cut(out='tiles', count=None, val=0.0, **options):
        said = tiles_from_rasters(PairSpec(*paths, count=count, **options), tmp_path / 'new.gpkg', tmp_path / out,
                                  TileSettings(16, val=val, min_valid=0.5), workers=1)
        return said, tmp_path / out
    return cut, values


def read(path):
    with rasterio.open(path) as raster:
        return raster.read(), SimpleNamespace(
            crs=raster.crs, transform=raster.transform, descriptions=raster.descriptions, nodata=raster.nodata,
            uses=[use.name for use in raster.colorinterp], compression=raster.compression.name)


def test_stored_values_of_all_bands_are_kept_with_place_and_names(scene):
    cut, values = scene
    said, out = cut()
    assert 'Images are GeoTIFFs of 5 bands, uint16: set bands=(1, 2, 3, 4, 5) and scale=\'MIN:MAX\'' in said
    for date, folder in enumerate('AB'):
        assert len(list((out / 'train' / folder).iterdir())) == 9
        found, raster = read(out / f'train/{folder}/before_r16_c32.tif')
        np.testing.assert_array_equal(found, values[date, :, 16:32, 32:])
        assert raster.crs.to_epsg() == 32633 and raster.compression == 'deflate'
        assert tuple(raster.transform[:6]) == (0.5, 0, 500016, 0, -0.5, 4999992)
        assert raster.descriptions == ('B02', 'B03', 'B04', 'B08', 'B11') and raster.nodata is None
    assert {path.suffix for path in (out / 'train/label').iterdir()} == {'.png'}
    record = json.loads((out / 'tiles.json').read_text())
    assert record['tiles'] == dict(format='GeoTIFF', bands=5, dtype='uint16', values='stored')
    assert record['reading']['stored'] is True and record['rasters']['before']['bands'] == [1, 2, 3, 4, 5]
    assert 'nothing to do' in cut()[0]


def test_pixels_without_data_get_the_mean_of_the_others(scene):
    cut, values = scene
    found, _ = read(cut()[1] / 'train/A/before_r00_c00.tif')
    tile = values[0, :, :16, :16].astype(float)
    hole = np.zeros((16, 16), bool)
    hole[:4, :4] = True
    np.testing.assert_array_equal(found[:, ~hole], tile[:, ~hole])
    np.testing.assert_array_equal(found[:, hole], np.rint(tile[:, ~hole].mean(axis=1))[:, None].repeat(16, axis=1))


def test_bands_are_chosen_and_scaled_to_8_bits(scene):
    cut, values = scene
    said, out = cut(bands=(4, 3, 2, 1), count=4, scaling=Scaling.parse('0:3000'))
    found, raster = read(out / 'train/B/before_r16_c16.tif')
    expected = np.rint(values[1, 3::-1, 16:32, 16:32] * (255 / 3000))
    assert found.dtype == np.uint8 and np.abs(found - expected).max() <= 1 and (found == expected).mean() > 0.99
    assert raster.descriptions == ('B08', 'B04', 'B03', 'B02')
    assert 'alpha' not in raster.uses  # or the fourth would be taken for a mask
    assert 'uint8: set bands=(1, 2, 3, 4) in' in said
    assert json.loads((out / 'tiles.json').read_text())['tiles']['values'] == '0..255'


def test_three_bands_stay_png_and_need_a_scale(scene):
    cut, _ = scene
    with pytest.raises(SceneError, match='holds uint16, so specify'):
        cut(bands=(3, 2, 1), count=3)
    _, out = cut(bands=(3, 2, 1), count=3, scaling=Scaling.parse('0:3000'))
    assert {path.suffix for path in (out / 'train/A').iterdir()} == {'.png'}
    assert 'tiles' not in json.loads((out / 'tiles.json').read_text())


def test_the_command_takes_all_bands_or_some(scene, tmp_path, run):
    words = ['tools/dataset_tools/from_rasters.py', 'before.tif', 'after.tif', 'new.gpkg', '--size', 16, '--val', 0,
             '--workers', 1]
    assert 'GeoTIFFs of 5 bands, uint16' in run(*words, '--out', 'a', '--all-bands', cwd=tmp_path)
    assert 'GeoTIFFs of 2 bands, uint16' in run(*words, '--out', 'b', '--bands', '4,3', cwd=tmp_path)
    said = run(*words, '--out', 'c', '--bands', '4,3', '--all-bands', cwd=tmp_path, fails=2)
    assert said == 'error: --all-bands: omit --bands 4,3 beside it.\n'


@pytest.mark.parametrize('options, typed', [
    (dict(bands=(4, 3, 2), count=3, scaling='0:3000'), '--bands 4,3,2 --scale 0:3000'),
    (dict(bands=((3, 2, 1), (4, 3, 2)), count=3, scaling='p2:p98,0:3000'),
     '--bands 3,2,1/4,3,2 --scale 54:2942,0:3000'),
    (dict(bands=(4, 3), count=2), '--bands 4,3'), ({}, '')])
def test_a_config_for_tiles_says_how_bands_were_chosen(scene, tmp_path, options, typed):
    cut, _ = scene
    if 'scaling' in options:
        options = dict(options, scaling=Scaling.parse(options['scaling']))
    _, root = cut(**options)
    lines = write_own_config(root, tmp_path / 'own.py').splitlines()
    said = [line for line in lines if line.startswith('the tiles were cut')]
    noted = [line for line in (tmp_path / 'own.py').read_text().splitlines() if line.startswith('# The tiles were cut')]
    if not typed:
        assert not said and not noted
        return
    assert said == [f'the tiles were cut with {typed}: give `schanger predict` the same options']
    assert noted == [f'# The tiles were cut with {typed}; `schanger predict` needs the same options.']
