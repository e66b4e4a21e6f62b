"""Scenes of rasters on a server: they end like those of files, or in an error."""

import json
import pickle
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from schanger_mm.apis.detector import pair_spec
from schanger_mm.geo.errors import SceneError
from schanger_mm.geo.pair import open_pair
from schanger_mm.scene.plan import Settings
from schanger_mm.scene.run import predict_scene

SMALL = dict(window=64, overlap=0, block=64, page=False)


class Difference:
    """The difference of both dates in squares of 16 px, in place of a network."""

    threshold, weights, sha256, device_type, packages, threads = 0.14, 'difference', '0' * 64, 'cpu', (), 1
    gsd, warnings, names = None, [], None

    def predict(self, images):
        pixels = np.abs(images[:, 0] - images[:, 1]).mean(axis=1)
        cells = pixels.reshape(-1, 4, 16, 4, 16).mean(axis=(2, 4), keepdims=True)
        return np.broadcast_to(cells / np.float32(255), (len(images), 4, 16, 4, 16)).reshape(-1, 64, 64)

    def describe(self):
        return dict(weights_sha256=self.sha256)


@pytest.fixture
def pair(served, write_raster, noise, hasty):
    """Serve two rasters; return a function of a signature that describes them by address, and their files."""
    paths = [write_raster(f'{name}.tif', noise(256, 256, seed=seed), tiled=True, blockxsize=64, blockysize=64)
             for seed, name in enumerate('ab')]
    for path in paths:
        shutil.copy(path, served.folder)
    url = served.url.replace('://', '://me:password@')
    return lambda signature: pair_spec(f'{url}/a.tif?{signature}', f'{url}/b.tif?{signature}', remote=True), paths


def test_addresses_give_the_rasters_of_files_and_show_no_secrets(served, pair, tmp_path):
    spec, paths = pair
    local = predict_scene(pair_spec(*paths), Difference(), tmp_path / 'local', Settings(**SMALL))
    found = predict_scene(spec('secret'), Difference(), tmp_path / 'remote', Settings(**{**SMALL, 'page': True}))
    for name in ('change.tif', 'probability.tif'):
        assert Path(local['outputs'][name]).read_bytes() == Path(found['outputs'][name]).read_bytes()
    assert 0.05 < found['pixels']['changed'] / found['pixels']['valid'] < 0.95
    inside = b''.join(Path(path).read_bytes() for path in found['outputs'].values())
    assert f'{served.url}/a.tif?...'.encode() in inside and b'secret' not in inside and b'password' not in inside
    again = predict_scene(spec('new'), Difference(), tmp_path / 'remote', Settings(**SMALL, resume=True))
    assert again['date'] == found['date']
    served.behave(etag='"two"')
    with pytest.raises(SceneError, match='holds the results of other .*before.remote.etag was "one", now "two"'):
        predict_scene(spec('new'), Difference(), tmp_path / 'remote', Settings(**SMALL, resume=True))


def test_a_run_that_loses_its_server_ends_in_an_error_and_is_resumed(served, pair, tmp_path):
    spec, out = pair[0], tmp_path / 'out'
    predict_scene(spec('secret'), Difference(), tmp_path / 'whole', Settings(**SMALL))

    class Failing(Difference):
        """Lose the server at the sixth block."""

        seen = 0

        def predict(self, images):
            self.seen += 1
            if self.seen == 6:
                served.behave(fails=10 ** 6, how='half')
            return super().predict(images)

    served.behave()
    with pytest.raises(SceneError, match=r'/[ab]\.tif\?\.\.\.: .*(--resume|download it first)'):
        predict_scene(spec('secret'), Failing(), out, Settings(**SMALL))
    assert [path.name for path in out.iterdir()] == ['.journal'], 'no map of half a scene'
    kept = [path for path in (out / '.journal').rglob('*') if path.is_file()]
    assert kept and not any(word in path.read_bytes() for path in kept for word in (b'secret', b'password'))
    served.behave(etag='"two"')
    with pytest.raises(SceneError, match='with other inputs or settings: .*before.remote.etag was "one", now "two"'):
        predict_scene(spec('secret'), Difference(), out, Settings(**SMALL, resume=True))
    served.behave()
    found = predict_scene(spec('new'), Difference(), out, Settings(**SMALL, resume=True))
    assert 5 <= found['speed']['resumed_blocks'] < 16  # GDAL has read some ahead
    for name in ('change.tif', 'probability.tif'):
        assert (out / name).read_bytes() == (tmp_path / 'whole' / name).read_bytes()


def test_a_raster_replaced_during_a_run_gives_no_result(served, pair, tmp_path):

    class Replacing(Difference):

        def predict(self, images):
            served.behave(etag='"two"')
            return super().predict(images)

    with pytest.raises(SceneError, match='an input changed while it was read.*before.remote.etag was "one"'):
        predict_scene(pair[0]('secret'), Replacing(), tmp_path / 'out', Settings(**SMALL))
    assert not (tmp_path / 'out/change.tif').exists()


def test_one_date_on_a_server_is_watched_too(served, pair, tmp_path):

    class Replacing(Difference):

        def predict(self, images):
            served.behave(etag='"two"')
            return super().predict(images)

    spec = pair_spec(pair[1][0], pair[0]('x').after, remote=True)
    with pytest.raises(SceneError, match='after.remote.etag was "one", now "two"'):
        predict_scene(spec, Replacing(), tmp_path / 'out', Settings(**SMALL))


def test_a_small_scene_reads_a_part_of_a_large_raster(served, write_raster, noise, hasty, tmp_path):
    pixels = np.random.default_rng(0).integers(1, 256, (3, 1024, 1024), np.uint8)
    path = Path(write_raster('large.tif', pixels, tiled=True, blockxsize=128, blockysize=128))
    shutil.copy(path, served.folder)
    before = write_raster('region.tif', noise(128, 128), offset=(300, 400))
    found = predict_scene(pair_spec(before, f'{served.url}/large.tif', align=True, remote=True), Difference(),
                          tmp_path / 'out', Settings(**SMALL))
    assert found['pixels']['valid'] == 128 ** 2
    reads = [line for line in served.asked if line[2]]
    assert served.sent < pixels.nbytes and len(reads) < 100


def test_other_threads_and_processes_get_the_same_settings(served, pair):
    spec = pickle.loads(pickle.dumps(pair[0]('secret')))
    served.behave()

    def read():
        with open_pair(spec) as source:
            return source.read(0, 0, 64, 64).images

    with ThreadPoolExecutor(1) as thread:
        images = thread.submit(read).result()
    with open_pair(pair_spec(*pair[1])) as source:
        np.testing.assert_array_equal(images, source.read(0, 0, 64, 64).images)
    assert {path for _, path, *_ in served.asked} == {'/a.tif?secret', '/b.tif?secret'}, 'no lists, no sidecar files'


def test_an_asset_without_an_item(pair):
    with pytest.raises(SceneError, match='--asset rgb: neither date is a STAC item'):
        pair_spec(*pair[1], remote=True, asset='rgb')


def test_items_lead_to_their_rasters(served, pair, tmp_path):
    asset = dict(type='image/tiff; application=geotiff', roles=['data'])
    for name in 'ab':
        (served.folder / f'{name}.json').write_text(json.dumps(dict(type='Feature', assets=dict(
            rgb=dict(href=f'./{name}.tif', **asset)))))
    spec = pair_spec(f'{served.url}/a.json', f'{served.url}/b.json', remote=True)
    assert (spec.before.full, spec.after.full) == (f'{served.url}/a.tif', f'{served.url}/b.tif')
