import json
import os

import numpy as np
import pytest

from schanger_mm.scene import fingerprint as module
from schanger_mm.scene.fingerprint import fingerprint
from schanger_mm.scene.raster import Raster


def identity(path, **options):
    raster = Raster(path, **options)
    try:
        return json.loads(json.dumps(fingerprint(raster), allow_nan=False))
    finally:
        raster.close()


def test_it_is_the_same_as_long_as_nothing_changes(write_raster, noise):
    path = write_raster('a.tif', noise())
    first = identity(path)
    assert first == identity(path)
    assert first['files'][0]['bytes'] == os.path.getsize(path) and len(first['files'][0]['sha256']) == 64


def test_other_contents_of_one_size_and_time_change_it(write_raster, noise):
    path = write_raster('a.tif', noise(seed=1))
    first, times = identity(path), os.stat(path)
    write_raster('a.tif', noise(seed=2))
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert first['files'][0]['mtime_ns'] == identity(path)['files'][0]['mtime_ns']
    assert first['files'][0]['sha256'] != identity(path)['files'][0]['sha256']


def test_a_later_time_changes_it(write_raster, noise):
    path = write_raster('a.tif', noise())
    first = identity(path)
    os.utime(path, ns=(0, first['files'][0]['mtime_ns'] + 1))
    assert identity(path) != first


def test_sources_and_masks_count_and_statistics_do_not(write_raster, noise, tmp_path):
    path = write_raster('a.tif', noise())
    first = identity(path)
    (tmp_path / 'a.tif.aux.xml').write_text('<PAMDataset></PAMDataset>')
    assert identity(path) == first
    (tmp_path / 'a.tif.aux.xml').write_text(
        '<PAMDataset>' + ''.join(f'<PAMRasterBand band="{band}"><NoDataValue>7</NoDataValue></PAMRasterBand>'
                                 for band in (1, 2, 3)) + '</PAMDataset>')
    changed = identity(path)
    assert changed['nodata'] == '7.0' and changed != first


@pytest.mark.parametrize('place', [0, 0.5, 1])
def test_a_large_file_is_hashed_in_chunks_up_to_its_end(tmp_path, monkeypatch, place):
    monkeypatch.setattr(module, 'CHUNK', 10)
    path = tmp_path / 'big'
    data = bytearray(np.random.default_rng(0).bytes(1001))
    path.write_bytes(data)
    first = module._identify(str(path), 3)['sha256']
    data[round(place * 1000)] ^= 1
    path.write_bytes(data)
    assert module._identify(str(path), 3)['sha256'] != first


def test_a_remote_raster_counts_by_its_pixels(write_raster, noise, monkeypatch):
    path = write_raster('a.tif', noise(seed=1))
    monkeypatch.setattr(module.os.path, 'isfile', lambda name: False)
    first = identity(path)
    assert 'files' not in first and first == identity(path)
    write_raster('a.tif', noise(seed=2))
    assert identity(path)['sha256_of_pixels'] != first['sha256_of_pixels']
