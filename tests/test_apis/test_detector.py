from pathlib import Path

import cv2
import geopandas as gpd
import numpy as np
import pytest
import rasterio
import rasterio.shutil
import shapely
from rasterio.transform import from_origin

from schanger_mm.apis import ChangeDetector
from schanger_mm.commands.predict import predict, predict_pairs
from schanger_mm.geo.errors import SceneError
from schanger_mm.scene import workers as dask_runner

SMALL = dict(window=64, overlap=32, block=128, page=False)
ONE = dict(window=128, overlap=0, block=128, page=False)
PLACE = dict(driver='GTiff', crs='EPSG:32633', transform=from_origin(5e5, 5e6, 0.5, 0.5))


@pytest.fixture(scope='module')
def checkpoint(save_demo_network, tmp_path_factory):
    return str(save_demo_network(tmp_path_factory.mktemp('model') / 'tiny.pth', half=False))


@pytest.fixture(scope='module')
def detector(checkpoint):
    return ChangeDetector(checkpoint, device='cpu')


@pytest.fixture
def images():
    return np.random.default_rng(0).integers(0, 256, (2, 150, 130, 3), np.uint8)


def write(path, image, **profile):
    path.parent.mkdir(parents=True, exist_ok=True)
    with rasterio.open(path, 'w', width=image.shape[1], height=image.shape[0], count=image.shape[2],
                       dtype=image.dtype, **profile) as raster:
        raster.write(image.transpose(2, 0, 1))
    return path


def test_arrays_and_rasters_agree(tmp_path, detector, images):
    paths = [write(tmp_path / f'{date}.png', image) for date, image in zip('ab', images)]
    result = detector.predict(*paths, tmp_path / 'out', **SMALL)
    assert sorted(result.paths) == ['change.gpkg', 'change.tif', 'probability.tif', 'summary.json']
    check_like_arrays(detector, result, images)


def check_like_arrays(detector, result, images):
    arrays = detector.predict_array(*images, window=64, overlap=32)
    assert arrays.probability.shape == (150, 130) and arrays.probability.dtype == np.float32
    with rasterio.open(result.paths['probability.tif']) as raster:
        np.testing.assert_allclose(raster.read(1) / 254, arrays.probability, atol=1 / 254)
    with rasterio.open(result.paths['change.tif']) as raster:
        far = np.abs(arrays.probability - 0.5) > 1e-5
        np.testing.assert_array_equal(raster.read(1)[far], arrays.changed[far])
    assert result.summary['pixels']['changed'] == pytest.approx(arrays.changed.sum(), abs=int((~far).sum()))


def write_cog(path, image):
    """Write an orthophoto as surveys deliver it: in tiles, with overviews, JPEG inside."""
    plain = write(path.with_name('plain.tif'), image, **PLACE)
    rasterio.shutil.copy(plain, path, driver='COG', BLOCKSIZE=64, COMPRESS='JPEG')
    with rasterio.open(path) as raster:
        assert raster.tags(ns='IMAGE_STRUCTURE')['LAYOUT'] == 'COG' and raster.overviews(1) == [2, 4]
    return path


@pytest.mark.parametrize(('name', 'writer'), [('{}.jpg', write), ('{}.tif', write_cog)], ids=['jpeg', 'cog'])
def test_jpeg_and_cog_are_read(tmp_path, detector, images, name, writer):
    smooth = [cv2.GaussianBlur(image, (0, 0), 3) for image in images]
    paths = [writer(tmp_path / name.format(date), image) for date, image in zip('ab', smooth)]
    decoded = [cv2.imread(str(path))[..., ::-1] for path in paths]
    assert 0 < np.abs(np.subtract(decoded, smooth, dtype=float)).mean() < 6  # bands in order, compressed with loss
    check_like_arrays(detector, detector.predict(*paths, tmp_path / 'out', **SMALL), decoded)


def test_options_reach_the_reader(tmp_path, detector, images):
    deep = (images.astype(np.uint16) * 10)[..., [2, 1, 0, 0]]
    paths = [write(tmp_path / f'{date}.tif', image, driver='GTiff') for date, image in zip('ab', deep)]
    with pytest.raises(SceneError, match='--bands'):
        detector.predict(*paths, tmp_path / 'out', **SMALL)
    result = detector.predict(*paths, tmp_path / 'out', bands=[3, 2, 1], scale='0:2550', threshold=0.4, **SMALL)
    expected = detector.predict_array(*images, window=64, overlap=32, threshold=0.4)
    assert result.summary['pixels']['changed'] == pytest.approx(expected.changed.sum(), abs=3)


@pytest.fixture
def placed(tmp_path):
    """Write two rasters of 100 x 120 px, the later date 3 px further east."""
    images = np.random.default_rng(1).integers(1, 256, (2, 120, 100, 3), np.uint8)
    images[1, :20, :50] = 0
    east = from_origin(5e5 + 1.5, 5e6, 0.5, 0.5)
    return [write(tmp_path / 'a.tif', images[0], **PLACE), write(tmp_path / 'b.tif', images[1], **PLACE),
            write(tmp_path / 'east.tif', images[1], **{**PLACE, 'transform': east})]


def test_nodata_is_what_the_caller_says(tmp_path, detector, placed):
    before, after, _ = placed
    nothing, said = (detector.predict(before, after, tmp_path / f'{nodata}', nodata=nodata, **ONE).summary
                     for nodata in (None, 0))
    assert (nothing['settings']['nodata'], said['settings']['nodata']) == (None, 0)
    assert (nothing['pixels']['nodata'], said['pixels']['nodata']) == (0, 20 * 50)


def test_align_warps_the_later_date(tmp_path, detector, placed):
    before, _, east = placed
    with pytest.raises(SceneError, match='--align warps the later date'):
        detector.predict(before, east, tmp_path / 'refused', **ONE)
    result = detector.predict(before, east, tmp_path / 'out', align=True, **ONE)
    assert result.summary['settings']['align'] is True and result.summary['pixels']['nodata'] == 3 * 120
    with rasterio.open(result.paths['change.tif']) as raster:
        assert raster.transform == PLACE['transform'] and (raster.read(1)[:, :3] == 255).all()


def test_a_gsd_is_that_of_the_result(tmp_path, detector, placed):
    result = detector.predict(*placed[:2], tmp_path / 'out', gsd=1.0, **ONE)
    assert result.summary['settings']['gsd'] == 1.0
    with rasterio.open(result.paths['probability.tif']) as raster:
        assert (raster.shape, raster.res, raster.bounds.left) == ((60, 50), (1.0, 1.0), 5e5)


def test_polygons_are_made_as_the_caller_says(tmp_path, detector, monkeypatch):
    """A stand-in for the network sees a disc with a hole of 16 px, and a square of 9 px, each of 0.25 m2."""
    monkeypatch.setattr(detector.model, 'predict', lambda images: images[:, 1, 0] / 255)
    after = np.zeros((100, 120, 3), np.uint8)
    cv2.circle(after, (50, 50), 30, (255, 255, 255), -1)
    after[48:52, 48:52] = 0
    after[5:8, 100:103] = 255
    paths = [write(tmp_path / 'a.tif', np.full_like(after, 9), **PLACE), write(tmp_path / 'b.tif', after, **PLACE)]

    def polygons(**options):
        result = detector.predict(*paths, tmp_path / 'out', overwrite=True, **options, **ONE)
        settings = {name: result.summary['settings'][name] for name in options}
        assert settings == options
        features = gpd.read_file(result.paths['change.gpkg'])
        corners = shapely.get_num_coordinates(features.geometry.values).sum()
        return len(features), features.geometry.area.sum(), corners

    pixels = (after[..., 0] > 0).sum()
    count, area, corners = polygons()
    assert (count, area) == (2, pixels / 4)
    assert polygons(min_area=3.0) == (1, (pixels - 9) / 4, corners - 5)
    assert polygons(fill_holes=5.0) == (2, (pixels + 16) / 4, corners - 5)
    assert polygons(simplify=1.0)[0] == 2 and polygons(simplify=1.0)[2] < corners / 2


def test_workers_and_scheduler_reach_the_runner(tmp_path, detector, placed, monkeypatch):
    asked, ran = [], []

    class Here:
        """Takes Dask's place and runs the task in this process."""

        def __init__(self, workers=None, scheduler=None):
            asked.append((workers, scheduler))

        def __call__(self, blocks, task):
            ran.append(len(blocks))
            return ((block, task(block)) for block in blocks)

    monkeypatch.setattr(dask_runner, 'DaskRunner', Here)
    ways = {'serial': {}, 'workers': dict(workers=2), 'scheduler': dict(scheduler='tcp://host:8786')}
    made = [detector.predict(*placed[:2], tmp_path / name, **options, **SMALL).paths for name, options in ways.items()]
    assert asked == [(2, None), (None, 'tcp://host:8786')] and ran == [1, 1]
    rasters = {Path(paths['probability.tif']).read_bytes() for paths in made}
    assert len(rasters) == 1


@pytest.mark.parametrize(('before', 'after', 'message'), [
    (np.zeros((4, 4, 3)), np.zeros((4, 4, 3)), r'before: expected a \(H, W, 3\) uint8 array in RGB, found .* float64'),
    (np.zeros((4, 4, 3), np.uint8), [1], 'after: expected .* found list'),
    (np.zeros((4, 4, 3), np.uint8), np.zeros((4, 5, 3), np.uint8), 'before is 4 x 4 px, after 5 x 4'),
    (np.zeros((0, 4, 3), np.uint8), np.zeros((0, 4, 3), np.uint8), 'found 4 x 0 px'),
])
def test_other_arrays_are_refused(detector, before, after, message):
    with pytest.raises(SceneError, match=message):
        detector.predict_array(before, after)


def test_a_pair_that_fails_does_not_stop_the_others(tmp_path, checkpoint, detector, images, capsys):
    for name in ('one', 'two', 'three'):
        for date, image in zip('ab', images):
            write(tmp_path / date / f'{name}.png', image[:100] if (date, name) == ('b', 'one') else image)
    (tmp_path / 'a/alone.png').write_bytes((tmp_path / 'a/two.png').read_bytes())
    out = tmp_path / 'out'
    words = str(tmp_path / 'a'), str(tmp_path / 'b'), str(out)
    (failed,) = predict_pairs(detector, *words, **SMALL)
    assert failed.startswith('one: ') and '130 x 150' in failed and '130 x 100' in failed
    said = capsys.readouterr().out
    assert 'alone.png' in said and '[1/3] one: failed' in said and '[3/3] two: ' in said
    assert sorted(path.name for path in out.iterdir() if any(path.iterdir())) == ['three', 'two']

    write(tmp_path / 'b/one.png', images[1])
    assert predict(checkpoint, *words, device='cpu', resume=True, **SMALL) == 0  # the others are left as they are
    assert (out / 'one/summary.json').is_file()
    assert predict(checkpoint, *words, device='cpu', **SMALL) == 1
    assert '3 pairs failed' in capsys.readouterr().out


def test_whatever_a_pair_raises_is_that_pairs(tmp_path, detector, images, capsys, monkeypatch):
    for name in ('one', 'two'):
        for date, image in zip('ab', images):
            write(tmp_path / date / f'{name}.png', image)
    real = detector.predict

    def fails(before, after, out, **options):
        if out.name == 'one':
            raise ZeroDivisionError('a fault')
        return real(before, after, out, **options)

    monkeypatch.setattr(detector, 'predict', fails)
    failed = predict_pairs(detector, str(tmp_path / 'a'), str(tmp_path / 'b'), str(tmp_path / 'out'), **SMALL)
    assert failed == ["one: ZeroDivisionError('a fault')"]
    said = capsys.readouterr()
    assert '[2/2] two: ' in said.out and 'Traceback' in said.err  # a fault keeps its traceback


def test_a_missing_extra_is_named(monkeypatch, checkpoint):
    monkeypatch.setitem(__import__('sys').modules, 'rasterio', None)
    with pytest.raises(ImportError, match=r'pip install "schanger-mm\[geo\]"'):
        ChangeDetector(checkpoint)
