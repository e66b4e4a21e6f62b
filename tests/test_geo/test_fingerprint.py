import hashlib
import json
import os
import shutil
from contextlib import closing
from pathlib import Path

import pytest

from schanger_mm.geo import fingerprint as module
from schanger_mm.geo.fingerprint import content_of, file_states, fingerprint
from schanger_mm.geo.raster import Raster


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
    (file,) = first['files']
    assert file['bytes'] == os.path.getsize(path)
    assert file['sha256'] == hashlib.sha256(Path(path).read_bytes()).hexdigest()  # what sha256sum prints


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


@pytest.mark.parametrize('place', [0, 0.25, 0.5, 1])
def test_a_large_file_is_hashed_to_its_end_and_sampled_for_workers(write_raster, noise, monkeypatch, place):
    monkeypatch.setattr(module, 'CHUNK', 10)
    monkeypatch.setattr(module, 'CHUNKS', 3)
    path = write_raster('a.tif', noise(), compress='deflate')
    raster, data = Raster(path), bytearray(Path(path).read_bytes())
    whole, sampled = fingerprint(raster)['files'][0], fingerprint(raster, whole=False)['files'][0]
    assert sampled == {key: value for key, value in whole.items() if key != 'sha256'}
    data[round(place * (len(data) - 1))] ^= 1
    Path(path).write_bytes(data)
    now = fingerprint(raster)['files'][0]
    assert now['sha256'] != whole['sha256']
    assert (now['sample'] != whole['sample']) == (place != 0.25)  # which lies between two chunks


def test_content_has_no_times_and_states_have_them(write_raster, noise):
    path = write_raster('a.tif', noise())
    with closing(Raster(path)) as raster:
        first, states = content_of(fingerprint(raster)), file_states(raster)
        assert states == file_states(raster)
        os.utime(path, ns=(0, 1))
        assert content_of(fingerprint(raster)) == first and file_states(raster) != states
        times = file_states(raster)
        copy = f'{path}.new'
        shutil.copy2(path, copy)  # another file of the same content, size and time
        os.replace(copy, path)
        assert content_of(fingerprint(raster)) == first and file_states(raster) != times


def test_a_remote_raster_counts_by_its_pixels(write_raster, noise, monkeypatch):
    path = write_raster('a.tif', noise(seed=1))
    monkeypatch.setattr(module.os.path, 'isfile', lambda name: False)
    first = identity(path)
    assert 'files' not in first and first == identity(path)
    write_raster('a.tif', noise(seed=2))
    assert identity(path)['sha256_of_pixels'] != first['sha256_of_pixels']
