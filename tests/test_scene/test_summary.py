import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from schanger_mm.geo.errors import SceneError
from schanger_mm.scene.summary import count_pixels, write_summary
from schanger_mm.version import __version__


@pytest.fixture
def change(write_raster):
    """600 x 700 px: 100 changed, 700 without data."""
    values = np.zeros((1, 600, 700), np.uint8)
    values[:, 505:515, 508:518] = 1  # across the squares that are measured at once
    values[:, 0] = 255
    return values


def test_pixels_and_areas(change, write_raster):
    found = count_pixels(write_raster('change.tif', change, nodata=255))

    assert found['pixels'] == {'width': 700, 'height': 600, 'total': 420_000, 'valid': 419_300, 'changed': 100,
                               'nodata': 700}
    areas = found['areas']
    assert (areas['valid_m2'], areas['changed_m2'], areas['method']) == (104_825, 25, 'planar')
    assert areas['changed_share'] == 100 / 419_300
    assert areas['gsd_m'] == 0.5
    assert areas['crs'] == 'EPSG:32633 (WGS 84 / UTM zone 33N)'


def test_areas_in_degrees_follow_the_latitude(change, write_raster):
    from rasterio.transform import Affine
    place = Affine(1e-3, 0, 13, 0, -1e-3, 60)

    areas = count_pixels(write_raster('change.tif', change, crs='EPSG:4326', transform=place, nodata=255))['areas']

    # a degree is 111.4 km of latitude and 56.2 km of longitude at 59.49 degrees, where the change lies; the square
    # that is measured at once reaches half a degree around it
    assert areas['changed_m2'] == pytest.approx(100 * 111.4 * 56.65, rel=0.01)
    assert areas['method'] == 'ellipsoidal'


def test_without_data_there_is_no_share(write_raster):
    found = count_pixels(write_raster('change.tif', np.full((1, 5, 5), 255, np.uint8)))

    assert found['areas']['changed_share'] is None
    assert found['pixels']['nodata'] == 25


def test_the_file_holds_every_section_as_plain_json(tmp_path, change, write_raster):
    @dataclass
    class Settings:
        window: int
        out: Path

    written = write_summary(tmp_path / 'new/summary.json', write_raster('change.tif', change),
                            settings=Settings(256, Path('out')), timings={'read': np.float32(0.5)}, bands=(3, 2, 1))

    assert json.loads((tmp_path / 'new/summary.json').read_text()) == written
    assert written['settings'] == {'window': 256, 'out': 'out'}
    assert written['timings'] == {'read': 0.5}
    assert written['bands'] == [3, 2, 1]
    assert written['pixels']['changed'] == 100
    assert written['versions']['schanger_mm'] == __version__
    assert {'numpy', 'rasterio', 'gdal'} <= set(written['versions'])


def test_what_json_does_not_have_is_named(tmp_path):
    with pytest.raises(SceneError, match=r'summary.scores\[1\].f1: found nan'):
        write_summary(tmp_path / 'summary.json', scores=[{}, {'f1': float('nan')}])
    with pytest.raises(SceneError, match='summary.model: found a object'):
        write_summary(tmp_path / 'summary.json', model=object())

    assert not list(tmp_path.iterdir())


def test_an_earlier_summary_is_kept_unless_asked(tmp_path):
    write_summary(tmp_path / 'summary.json', run=1)

    with pytest.raises(FileExistsError, match='exists already'):
        write_summary(tmp_path / 'summary.json', run=2)
    write_summary(tmp_path / 'summary.json', run=3, overwrite=True)

    assert json.loads((tmp_path / 'summary.json').read_text())['run'] == 3
