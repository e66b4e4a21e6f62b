import numpy as np
import pytest

from schanger_mm.geo.errors import SceneError
from schanger_mm.scene.summary import count_pixels
from schanger_mm.scene.transitions import measure_transitions


@pytest.mark.parametrize('crs, unit', [('EPSG:32633', 'm2'), ('EPSG:4326', 'm2'), (None, 'px')])
def test_every_pair_of_classes_is_measured(write_raster, crs, unit):
    rng = np.random.default_rng(0)
    before, after = rng.integers(0, 3, (2, 1, 600, 700), np.uint8)
    change = rng.integers(0, 2, (1, 600, 700), np.uint8)
    change[:, :50], before[:, :50], after[:, :50] = 255, 255, 255
    degrees = dict(pixel=1e-5, offset=(-49_999_000_000, 499_995_000_000)) if crs == 'EPSG:4326' else {}
    options = dict(crs=crs, **degrees)
    paths = [write_raster(f'{name}.tif', values, **options) for name, values in
             (('change', change), ('before', before), ('after', after))]
    found = measure_transitions(*paths, ('field', 'road', 'house'))
    assert len(found) == 9 and sum(one['pixels'] for one in found) == (change == 1).sum()
    pixels = {(one['from'], one['to']): one['pixels'] for one in found}
    assert pixels['road', 'house'] == ((change == 1) & (before == 1) & (after == 2)).sum()
    areas = [one[f'area_{unit}'] for one in found]
    assert areas == sorted(areas, reverse=True)
    assert sum(areas) == pytest.approx(count_pixels(paths[0])['areas'][f'changed_{unit}'], rel=1e-9)


def test_a_file_that_is_no_raster_is_named(tmp_path, write_raster):
    path = write_raster('a.tif', np.zeros((1, 8, 8), np.uint8))
    (tmp_path / 'b.tif').write_text('no')
    with pytest.raises(SceneError, match='b.tif.*not readable as rasters'):
        measure_transitions(path, tmp_path / 'b.tif', path, ('one', ))
