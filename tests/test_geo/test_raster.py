import os
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.control import GroundControlPoint
from rasterio.enums import ColorInterp
from rasterio.env import get_gdal_config
from rasterio.transform import Affine

from schanger_mm.geo.errors import SceneError
from schanger_mm.geo.raster import CACHE_BYTES, Raster, limit_cache

VRT = """<VRTDataset rasterXSize="{width}" rasterYSize="{height}"><SRS>EPSG:32633</SRS>
<GeoTransform>500000,0.5,0,5000000,0,-0.5</GeoTransform>{bands}</VRTDataset>"""
BAND = """<VRTRasterBand dataType="Byte" band="{band}"><SimpleSource><SourceFilename relativeToVRT="1">{source}
</SourceFilename><SourceBand>{band}</SourceBand><SrcRect xOff="0" yOff="0" xSize="80" ySize="64"/>
<DstRect xOff="{col}" yOff="{row}" xSize="80" ySize="64"/></SimpleSource></VRTRasterBand>"""


def write_vrt(path, source, width=80, height=64, col=0, row=0):
    bands = ''.join(BAND.format(band=band, source=source, col=col, row=row) for band in (1, 2, 3))
    path.write_text(VRT.format(width=width, height=height, bands=bands.replace('\n</S', '</S')))
    return str(path)


@pytest.mark.parametrize('make, message', [
    (lambda path: None, 'no such raster'),
    (lambda path: path.mkdir(), 'expected a raster, found a folder'),
    (lambda path: path.touch(), 'expected a raster .* found an empty file'),
    (lambda path: path.write_text('hello'), 'expected a raster .* found 5 bytes of something else'),
])
def test_what_is_no_raster_is_named(tmp_path, make, message):
    make(tmp_path / 'a.tif')
    with pytest.raises(SceneError, match=f'a.tif: {message}'):
        Raster(str(tmp_path / 'a.tif'))


def test_a_file_that_may_not_be_read_is_named(tmp_path, monkeypatch):
    (tmp_path / 'a.tif').write_text('hidden')
    monkeypatch.setattr(os, 'access', lambda path, mode: False)  # root may read everything
    with pytest.raises(SceneError, match='a.tif: no permission to read it'):
        Raster(str(tmp_path / 'a.tif'))


def test_a_truncated_file_is_named_with_the_pixels(write_raster, noise, tmp_path):
    path = write_raster('a.tif', noise(200, 200))
    with open(path, 'r+b') as file:
        file.truncate(os.path.getsize(path) // 2)
    raster = Raster(path)
    with pytest.raises(SceneError, match=r'a.tif: pixels 0..199 x 190..199 cannot be read \(.+\); it is truncated'):
        raster.read(0, 190, 200, 10)
    with pytest.raises(SceneError, match='truncated'):
        list(raster.samples())


def test_a_mosaic_is_read_and_a_missing_piece_of_it_is_named(write_raster, noise, tmp_path):
    image = noise()
    path = write_raster('a.tif', image)
    mosaic = write_vrt(tmp_path / 'a.vrt', 'a.tif')
    raster = Raster(mosaic)
    np.testing.assert_array_equal(raster.read(0, 0, 80, 64)[0], image)
    assert sorted(map(os.path.basename, raster.files)) == ['a.tif', 'a.vrt']
    os.remove(path)
    with pytest.raises(SceneError, match='a.vrt: 1 of the files it is made of do not exist: .*a.tif'):
        Raster(mosaic)


def test_a_huge_raster_is_read_at_its_far_end(write_raster, noise, tmp_path):
    image = noise()
    write_raster('a.tif', image)
    side = 2_000_000
    raster = Raster(write_vrt(tmp_path / 'huge.vrt', 'a.tif', side, side, side - 80, side - 64))
    np.testing.assert_array_equal(raster.read(side - 80, side - 64, 80, 64)[0], image)
    assert raster.grid.bounds[2] == 500_000 + side / 2
    assert sum(1 for _ in raster.samples()) == 576


def test_complex_and_mixed_and_palette_bands(write_raster, noise, tmp_path):
    complex_ = Raster(write_raster('a.tif', noise().astype(np.complex64)))
    assert complex_.dtype == 'complex64'  # refused by the rule for its values
    mixed = tmp_path / 'mixed.vrt'
    write_raster('b.tif', noise())
    write_vrt(mixed, 'b.tif')
    mixed.write_text(mixed.read_text().replace('"Byte" band="2"', '"UInt16" band="2"'))
    with pytest.raises(SceneError, match='mixed.vrt: expected bands of one type, found uint16, uint8'):
        Raster(str(mixed))
    path = write_raster('p.tif', noise(bands=1))
    with rasterio.open(path, 'r+') as file:
        file.colorinterp = [ColorInterp.palette]
    with pytest.raises(SceneError, match='indices of a palette.*-expand rgb'):
        Raster(path, (1, 1, 1))


def test_rotated_grids_and_control_points_are_refused(write_raster, noise, tmp_path):
    path = write_raster('a.tif', noise(), transform=Affine(500_000, 0, 0, 0, 1, 0) @ Affine.rotation(30))
    with pytest.raises(SceneError, match='a.tif: its grid is rotated'):
        Raster(path)
    with rasterio.open(tmp_path / 'gcp.tif', 'w', driver='GTiff', width=80, height=64, count=3, dtype='uint8') as file:
        file.gcps = [GroundControlPoint(row, col, 15 + col / 1e5, 45 - row / 1e5)
                     for row, col in ((0, 0), (0, 80), (64, 0), (64, 80))], rasterio.CRS.from_epsg(4326)
        file.write(noise())
    with pytest.raises(SceneError, match='gcp.tif: is placed by control points'):
        Raster(str(tmp_path / 'gcp.tif'))


@pytest.mark.parametrize('nodata', [-9999, 0.5, 256])
def test_a_nodata_value_that_the_type_cannot_hold_is_refused(write_raster, noise, nodata):
    with pytest.raises(SceneError, match=f'--nodata {nodata} is not a value of its type, uint8'):
        Raster(write_raster('a.tif', noise()), nodata=nodata)


def test_nan_may_be_given_for_float_values(write_raster, noise):
    image = noise().astype(np.float32)
    image[0, 3, 4], image[2, 8, 9] = np.nan, np.inf
    for nodata in (None, float('nan')):
        valid = Raster(write_raster('a.tif', image), nodata=nodata).read(0, 0, 80, 64)[1]
        assert not valid[3, 4] and not valid[8, 9] and valid.sum() == 64 * 80 - 2


def test_a_float_nodata_value_is_met_exactly(write_raster, noise):
    image = noise().astype(np.float32)
    image[:, :10] = -3.4028234663852886e38
    raster = Raster(write_raster('a.tif', image, nodata=-3.4028234663852886e38))
    assert raster.masked and raster.read(0, 0, 80, 64)[1].sum() == 54 * 80


def test_a_pixel_that_lacks_one_band_has_no_data(write_raster, noise):
    image = noise().astype(np.int16)
    image[1, 5:9, 7] = -9999
    for path, nodata in ((write_raster('a.tif', image, nodata=-9999), None), (write_raster('b.tif', image), -9999)):
        values, valid = Raster(path, nodata=nodata).read(0, 0, 80, 64)
        assert not valid[5:9, 7].any() and valid.sum() == 64 * 80 - 4
        assert values[:, valid].min() > 0
        reduced, there = Raster(path, nodata=nodata).read_reduced(0, 0, 80, 64, (20, 16))
        assert there.all() and reduced.min() > 0  # in no mean either


def test_in_8_bit_a_nodata_value_counts_where_all_bands_have_it(write_raster, noise):
    image = noise()
    image[1, 5, 7], image[:, 6, 7] = 0, 0  # a dark red, and a border
    for path, nodata in ((write_raster('a.tif', image), 0), (write_raster('b.tif', image, nodata=0), None)):
        raster = Raster(path, nodata=nodata)
        valid = raster.read(0, 0, 80, 64)[1]
        assert valid[5, 7] and not valid[6, 7] and valid.sum() == 64 * 80 - 1
        raster.warp_to(replace(raster.grid, transform=(0.5, 0, 500_001, 0, -0.5, 5_000_000)))
        np.testing.assert_array_equal(raster.read(0, 0, 78, 64)[1], valid[:, 2:])


def test_what_gdal_masks_has_no_data(write_raster, noise, tmp_path):
    image, hole = 100 + noise().astype(np.float32) / 2, np.zeros((64, 80), bool)
    hole[10:20, 30:50] = True
    image[:, hole] = 77
    values = write_raster('values.tif', image)
    with rasterio.open(values, 'r+') as file:
        file.update_tags(NODATA_VALUES='77 77 77')
    lowest = -3.4028234663852886e38
    rounded = write_raster('rounded.tif', np.where(hole, np.float32(lowest), image), nodata=lowest)
    with open(rounded, 'r+b') as file:  # six digits, as some programs write it
        text = file.read().replace(b'-3.4028234663852886e+38', b'-3.40282e+38'.ljust(23, b'\0'))
        file.seek(0)
        file.write(text)
    bands = write_raster('bands.tif', np.stack([image[0], np.where(hole, 5, image[1]), image[2]]))
    vrt = write_vrt(tmp_path / 'bands.vrt', 'bands.tif')
    text = Path(vrt).read_text().replace('"Byte"', '"Float32"')
    for band, value in enumerate((77, 5, 77), start=1):
        text = text.replace(f'band="{band}">', f'band="{band}"><NoDataValue>{value}</NoDataValue>')
    Path(vrt).write_text(text)
    opaque = np.concatenate([image.astype(np.uint8), np.full((1, 64, 80), 255, np.uint8)])
    masked = write_raster('masked.tif', opaque, alpha=True)
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=False), rasterio.open(masked, 'r+') as file:
        file.write_mask(~hole)
    assert Path(f'{masked}.msk').exists() and bands
    for path in (values, rounded, vrt, masked):
        raster = Raster(path)
        assert raster.masked
        np.testing.assert_array_equal(raster.read(0, 0, 80, 64)[1], ~hole, err_msg=path)
        np.testing.assert_array_equal(raster.read_reduced(0, 0, 80, 64, (40, 32))[1], ~hole[::2, ::2], err_msg=path)
    with pytest.raises(SceneError, match='different nodata values, 77.0, 5.0, 77.0, so it cannot be warped; name one'):
        Raster(vrt).warp_to(Raster(values).grid)


@pytest.mark.parametrize('unified', [False, True])
def test_a_warp_mixes_nothing_with_missing_bands(write_raster, noise, unified):
    image = 100 + noise().astype(np.int16)
    image[slice(None) if unified else 1, 20:30, 30:40] = -9999
    raster = Raster(write_raster('a.tif', image, nodata=-9999))
    raster.warp_to(replace(raster.grid, transform=(0.5, 0, 500_000.25, 0, -0.5, 5_000_000)))
    values, valid = raster.read(0, 0, 80, 64)
    assert values[:, valid].min() >= 100
    expected = np.zeros((64, 80), bool)
    expected[20:30, 30:39] = True  # where both neighbours lack it
    np.testing.assert_array_equal(~valid[:, :-1], expected[:, :-1])


@pytest.mark.parametrize('kind', ['nodata', 'given', 'mask', 'alpha', 'nan'])
def test_a_reduced_window_is_the_mean_of_the_pixels_with_data(write_raster, noise, kind):
    image, hole = noise(64, 80), np.zeros((64, 80), bool)
    hole[:, 41:], hole[10:30, 5:17] = True, True  # cells of 4 px: whole, a half, a quarter, and more
    image[:, hole] = 0
    if kind == 'alpha':
        path = write_raster('a.tif', np.concatenate([image, np.where(hole, 0, 255)[None].astype(np.uint8)]), alpha=True)
    elif kind == 'nan':
        path = write_raster('a.tif', np.where(hole, np.nan, image).astype(np.float32))
    else:
        path = write_raster('a.tif', image, **{'nodata': dict(nodata=0), 'mask': dict(mask=~hole)}.get(kind, {}))
    raster = Raster(path, nodata=0 if kind == 'given' else None)
    values, valid = raster.read_reduced(0, 4, 80, 60, (20, 15))
    cells = np.where(hole, np.nan, image)[:, 4:].reshape(3, 15, 4, 20, 4).swapaxes(2, 3).reshape(3, 15, 20, 16)
    share = np.isfinite(cells[0]).mean(-1)
    np.testing.assert_array_equal(valid, share >= 0.5 if kind in ('mask', 'alpha') else share > 0)
    np.testing.assert_allclose(values[:, valid], np.nanmean(cells[:, valid], axis=-1), atol=0.51)
    same, everywhere = raster.read_reduced(0, 0, 80, 64, (80, 64))
    np.testing.assert_array_equal(everywhere, ~hole)
    np.testing.assert_array_equal(same[:, ~hole], image[:, ~hole])


def test_samples_reach_from_corner_to_corner(write_raster):
    rows, cols = np.mgrid[:1000, :1500]
    image = np.stack([rows, cols, rows + cols]).astype(np.uint16)
    values = [values for values, _ in Raster(write_raster('a.tif', image)).samples()]
    assert len(values) == 576 and {value.shape for value in values} == {(3, 32, 32)}
    assert (values[0][:, 0, 0] == 0).all() and values[-1][:, -1, -1].tolist() == [999, 1499, 2498]
    small = [values for values, _ in Raster(write_raster('b.tif', image[:, :20, :50])).samples()]
    assert [value.shape for value in small] == [(3, 20, 32)] * 2


def test_the_cache_of_gdal_is_bounded(monkeypatch):
    monkeypatch.delenv('GDAL_CACHEMAX', raising=False)
    limit_cache()
    assert get_gdal_config('GDAL_CACHEMAX') == CACHE_BYTES == 64 * 2 ** 20


def test_a_strip_that_would_fill_the_memory_is_refused(write_raster, noise, monkeypatch):
    path = write_raster('a.tif', noise(64, 80), compress='deflate', blockysize=64)
    monkeypatch.setenv('SCHANGER_MM_MAX_PIXELS', '5119')
    with pytest.raises(SceneError, match=r'a\.tif: its header claims tiles or strips of 80 x 64 pixels, more than the '
                       r'limit of 5119, .* set SCHANGER_MM_MAX_PIXELS=5120 in the environment'):
        Raster(path)
    monkeypatch.setenv('SCHANGER_MM_MAX_PIXELS', '5120')
    Raster(path).close()
    tiled = write_raster('b.tif', noise(64, 80), tiled=True, blockxsize=16, blockysize=16)
    monkeypatch.setenv('SCHANGER_MM_MAX_PIXELS', '256')
    with closing(Raster(tiled)) as raster:  # of any size, since it is read in windows
        assert raster.read(0, 0, 80, 64)[0].shape == (3, 64, 80)
