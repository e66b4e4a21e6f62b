import errno
import json
import os
import pickle
import subprocess
import sys
import threading
import time
from dataclasses import replace
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest
import rasterio
import torch
from rasterio.warp import calculate_default_transform

from schanger_mm.apis import load_config
from schanger_mm.deploy.model import SceneModel
from schanger_mm.geo.errors import SceneError
from schanger_mm.geo.pair import PairSpec
from schanger_mm.registry import MODELS
from schanger_mm.scene import products
from schanger_mm.scene import run_folder as scene_outputs
from schanger_mm.scene.plan import Settings
from schanger_mm.scene.run import MOST_UNSTORED, predict_scene
from schanger_mm.scene.run_folder import FINISHED, FOLDER, Journal
from schanger_mm.scene.workers import BlockTask
from schanger_mm.utils.errors import SettingError

SMALL = dict(window=64, overlap=32, block=128, page=False)
RASTERS = ('change.tif', 'probability.tif')


@pytest.fixture(scope='module')
def checkpoint(root, tmp_path_factory):
    """Random weights, and the config that they belong to."""
    torch.manual_seed(0)
    cfg = load_config(root / 'configs/schanger/demo.py')
    cfg.gsd = 0.5
    network = MODELS.build({'_scope_': 'schanger_mm', **cfg.model, 'data_preprocessor': cfg.data_preprocessor})
    with torch.no_grad():
        network.decode_head.conv_seg.weight.mul_(20)  # or all probabilities lie near a half
    path = tmp_path_factory.mktemp('model') / 'tiny.pth'
    torch.save(dict(meta=dict(cfg=cfg.pretty_text), state_dict=network.state_dict()), path)
    return str(path)


@pytest.fixture(scope='module')
def model(checkpoint):
    return SceneModel.load(checkpoint)


@pytest.fixture
def spec(write_raster, noise):
    before, after = noise(300, 260, seed=1), noise(300, 260, seed=2)
    after[:, :90, 200:] = 0
    return PairSpec(write_raster('a.tif', before), write_raster('b.tif', after, nodata=0))


def read(path):
    with rasterio.open(path) as raster:
        return raster.read(1)


def test_two_rasters_become_five_files(tmp_path, spec, model):
    out = tmp_path / 'out'
    summary = predict_scene(spec, model, out, Settings(**{**SMALL, 'page': True}, min_area=2))
    names = ['change.gpkg', *RASTERS, 'report.html', 'summary.json']
    assert sorted(path.name for path in out.iterdir()) == sorted(names) == sorted(summary.pop('outputs'))
    assert json.loads((out / 'summary.json').read_text()) == summary
    change, probability = (read(out / name) for name in RASTERS)
    hole = np.zeros((300, 260), bool)
    hole[:90, 200:] = True
    np.testing.assert_array_equal(probability == 255, hole)
    np.testing.assert_array_equal(change == 255, hole)
    np.testing.assert_array_equal(change[~hole], probability[~hole] > 127)
    changed = int((change == 1).sum())
    assert 0.02 < changed / change.size < 0.98
    assert summary['pixels'] == dict(width=260, height=300, total=78_000, valid=78_000 - 5_400, changed=changed,
                                     nodata=5_400)
    assert summary['settings']['min_area'] == 2 and summary['model']['weights_sha256'] == model.sha256
    assert summary['speed']['blocks'] == 9 and summary['timings']['network'] > 0 and summary['warnings'] == []
    with rasterio.open(out / 'change.tif') as raster, rasterio.open(spec.before) as before:
        assert (raster.crs, raster.transform) == (before.crs, before.transform)
        assert raster.tags()['schanger_mm_threshold'] == '0.5'


def test_a_crs_that_cannot_be_written_is_found_before_the_first_block(tmp_path, write_raster, noise, model,
                                                                      monkeypatch):
    path = write_raster('a.tif', noise(), crs='LOCAL_CS["site",UNIT["metre",1]]')
    monkeypatch.setattr(model, 'predict', lambda images: pytest.fail('a block was predicted'))
    with pytest.raises(SceneError, match=r'a.tif: change.geojson: its CRS, site, cannot be turned into'):
        predict_scene(PairSpec(path, path), model, tmp_path / 'out', Settings(**SMALL, format='geojson'))
    assert not (tmp_path / 'out').exists()


@pytest.mark.parametrize('what', ['rewritten', 'touched'])
def test_a_raster_that_changes_while_it_is_read_gives_no_result(tmp_path, spec, model, monkeypatch, what):
    store, out = Journal.store, tmp_path / 'out'

    def change_then_store(journal, index, block):
        if index == 4 and what == 'rewritten':
            with rasterio.open(spec.after, 'r+') as raster:
                raster.write(255 - raster.read())
        elif index == 4:
            os.utime(spec.after, ns=(1, 1))
        store(journal, index, block)

    monkeypatch.setattr(Journal, 'store', change_then_store)
    if what == 'touched':  # the content is looked at again, and is the same
        assert predict_scene(spec, model, out, Settings(**SMALL))['pixels']['total'] == 78_000
        return
    with pytest.raises(SceneError, match=r'an input changed while it was read, .*after.files.0.sha256 was .*, now .*; '
                       r'delete .*\.journal and run again'):
        predict_scene(spec, model, out, Settings(**SMALL))
    assert not (out / 'change.tif').exists()
    with pytest.raises(SceneError, match='other inputs or settings: inputs.after.files.0.sha256'):
        predict_scene(spec, model, out, Settings(**SMALL, resume=True))


def test_a_run_warns_of_its_ground_sampling_distance_and_of_a_shift(tmp_path, write_raster, noise, model):
    image, said = noise(300, 260), []
    spec = PairSpec(write_raster('a.tif', image, pixel=2), write_raster('b.tif', np.roll(image, 3, axis=2), pixel=2))
    summary = predict_scene(spec, model, tmp_path / 'out', Settings(**SMALL), say=said.append)
    distance, shift = summary['warnings']
    assert distance.startswith('the scene has 2 m per pixel, the model was trained at 0.5 m: objects look 4.0 times')
    assert shift.startswith('the later date lies 3.0 px off the earlier one (+3.0 px to the right, ')
    assert said == [f'warning: {distance}', f'warning: {shift}']
    assert json.loads((tmp_path / 'out/summary.json').read_text())['warnings'] == [distance, shift]


def test_a_run_reports_lines_of_json_warnings_included(tmp_path, write_raster, noise, model, capsys):
    image = noise(300, 260)
    spec = PairSpec(write_raster('a.tif', image, pixel=2), write_raster('b.tif', image, pixel=2))
    summary = predict_scene(spec, model, tmp_path / 'out', Settings(**SMALL), progress='json')
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert lines[0] == {'message': f'warning: {summary["warnings"][0]}'}
    assert lines[-2] == {**lines[-2], 'fraction': 1.0, 'seconds_left': 0, 'message': 'out'}
    assert lines[-1] == {'fraction': 1.0, 'message': 'writing rasters, polygons and page'}


def test_what_a_user_should_know_of_config_and_weights_is_in_the_summary(root, tmp_path, spec, checkpoint):
    cfg = load_config(root / 'configs/schanger/demo.py')
    cfg.data_preprocessor.update(std=[60.0] * 6)
    cfg.dump(tmp_path / 'other.py')
    said = []
    summary = predict_scene(spec, SceneModel.load(str(tmp_path / 'other.py'), checkpoint), tmp_path / 'out',
                            Settings(**SMALL), say=said.append)
    (text,) = [text for text in summary['warnings'] if 'other.py has the std' in text]
    assert '[60, 60, 60, 60, 60, 60], and' in text and 'was trained with [50, 50, 50, 50, 50, 50]' in text
    assert f'warning: {text}' in said


@pytest.mark.long
def test_blocks_and_batches_change_nothing_but_rounding(tmp_path, spec, model):
    results = []
    for number, more in enumerate([dict(block=64), dict(block=192), dict(block=512), dict(block=512, batch_size=9)]):
        out = tmp_path / str(number)
        predict_scene(spec, model, out, Settings(**{'batch_size': 1, **SMALL, **more}))
        results.append(read(out / 'probability.tif').astype(int))
    np.testing.assert_array_equal(results[0], results[2])  # one window at a time: the same sums
    np.testing.assert_array_equal(results[1], results[2])
    assert np.abs(results[3] - results[2]).max() <= 1  # other batches may round the last bits otherwise


@pytest.mark.long
def test_an_aligned_date_does_not_depend_on_the_blocks(tmp_path, write_raster, noise, model):
    transform, width, height = calculate_default_transform('EPSG:32633', 'EPSG:32632', 300, 260, 500_000, 4_999_870,
                                                           500_150, 5_000_000)
    after = write_raster('b.tif', noise(height, width, seed=2), crs='EPSG:32632', transform=transform, nodata=0)
    spec = PairSpec(write_raster('a.tif', noise(260, 300, seed=1)), after, align=True)
    results = []
    for block in (64, 192, 512):
        out = tmp_path / str(block)
        predict_scene(spec, model, out, Settings(**{**SMALL, 'block': block}, batch_size=1))
        results.append([read(out / name) for name in RASTERS])
    assert np.unique(results[0][1]).size > 100
    for result in results[1:]:
        np.testing.assert_array_equal(result, results[0])


def test_blocks_are_stored_while_the_next_is_predicted(tmp_path, spec, model, monkeypatch):
    """Storing a block ends only when the network is at the next one: it must not be what the network waits for."""
    started, store, in_time = [threading.Event() for _ in range(9)], Journal.store, []

    def predict(images):
        next(event for event in started if not event.is_set()).set()
        return images[:, 0, 0] / 255

    def slow(journal, index, block):
        in_time.append(index == 8 or (all(in_time) and started[index + 1].wait(20)))
        store(journal, index, block)

    monkeypatch.setattr(model, 'predict', predict)
    monkeypatch.setattr(Journal, 'store', slow)
    summary = predict_scene(spec, model, tmp_path / 'out', Settings(window=128, overlap=0, block=128, page=False))
    assert in_time == [True] * 9 and summary['timings']['storing'] > 0


def test_a_slow_disk_holds_the_network_back(tmp_path, spec, model, monkeypatch):
    predicted, stored, waiting = [], [], []
    store = Journal.store

    def slow(journal, index, block):
        time.sleep(0.02)
        store(journal, index, block)
        stored.append(index)

    def runner(blocks, task):
        for block in blocks:
            waiting.append(len(predicted) - len(stored))
            predicted.append(block.index)
            yield block, np.zeros((block.height, block.width), np.uint8)

    monkeypatch.setattr(Journal, 'store', slow)
    predict_scene(spec, model, tmp_path / 'out', Settings(**{**SMALL, 'block': 64}), runner)
    assert len(predicted) == 25 and 1 < max(waiting) <= MOST_UNSTORED


@pytest.mark.parametrize('below', ['', 'new'])
def test_an_unwritable_folder_is_named(tmp_path, spec, model, monkeypatch, below):
    closed, make = tmp_path / 'closed', os.mkdir
    closed.mkdir(mode=0o500)
    if os.access(closed, os.W_OK):  # root writes everywhere
        def refuse(path, *mode):
            if Path(path).parent == closed:
                raise PermissionError(errno.EACCES, 'Permission denied', str(path))
            make(path, *mode)

        monkeypatch.setattr(os, 'mkdir', refuse)
    with pytest.raises(SceneError, match=r'closed.*\.journal: cannot be written \(Permission denied\)\. .*permission'):
        predict_scene(spec, model, closed / below, Settings(**SMALL))
    assert not list(closed.iterdir())


def test_results_and_journals_in_the_way_are_not_touched(tmp_path, spec, model):
    out = tmp_path / 'out'
    out.mkdir()
    (out / 'change.gpkg').write_text('mine')
    with pytest.raises(SceneError, match='already holds change.gpkg; use another folder, or pass --overwrite'):
        predict_scene(spec, model, out, Settings(**SMALL))
    assert (out / 'change.gpkg').read_text() == 'mine' and len(list(out.iterdir())) == 1
    (out / 'report.html').write_text('of an earlier run')
    (out / 'notes.txt').write_text('mine')
    predict_scene(spec, model, out, Settings(**SMALL, overwrite=True, format='geojson'))
    assert sorted(path.name for path in out.iterdir()) == [
        'change.geojson', *RASTERS[:1], 'notes.txt', 'probability.tif', 'summary.json']
    (tmp_path / 'file').touch()
    with pytest.raises(SettingError, match='--out .*file: this is a file'):
        predict_scene(spec, model, tmp_path / 'file', Settings(**SMALL))


@pytest.mark.long
def test_a_full_disk_ends_in_one_line_and_the_run_goes_on_later(tmp_path, spec, model, monkeypatch):
    predict_scene(spec, model, tmp_path / 'whole', Settings(**SMALL))
    out, store = tmp_path / 'out', Journal.store

    def full(journal, index, block):
        if index == 4:
            monkeypatch.setattr(os, 'fsync', lambda _: (_ for _ in ()).throw(OSError(errno.ENOSPC, 'No space left')))
        store(journal, index, block)

    with monkeypatch.context() as patch:
        patch.setattr(Journal, 'store', full)
        with pytest.raises(SceneError, match=r'\.journal: cannot be written \(No space left\)'):
            predict_scene(spec, model, out, Settings(**SMALL))
    monkeypatch.undo()
    assert [path.name for path in out.iterdir()] == [FOLDER]
    with pytest.raises(SceneError, match='holds 4 finished blocks'):
        predict_scene(spec, model, out, Settings(**SMALL))
    summary = predict_scene(spec, model, out, Settings(**SMALL, resume=True))
    assert summary['speed']['resumed_blocks'] == 4
    for name in RASTERS:
        assert (out / name).read_bytes() == (tmp_path / 'whole' / name).read_bytes()
    assert predict_scene(spec, model, out, Settings(**SMALL, resume=True)) == summary  # nothing is left to do
    with pytest.raises(SceneError, match='holds the results of other inputs or settings: settings.threshold was 0.5'):
        predict_scene(spec, model, out, Settings(**SMALL, resume=True, threshold=0.4))


def test_a_run_that_was_killed_while_it_wrote_polygons_goes_on(tmp_path, spec, model, monkeypatch):
    """GDAL writes them in a folder of their own, which a kill leaves behind."""
    def killed(probability, change, path, *args, **kwargs):
        half = Path(path).with_name(f'.{Path(path).name}.x')
        half.mkdir()
        (half / 'change.gpkg-journal').touch()
        raise KeyboardInterrupt
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(products, 'write_polygons', killed)
        predict_scene(spec, model, tmp_path / 'out', Settings(**SMALL))
    assert list((tmp_path / 'out' / FOLDER / 'outputs').glob('.change.gpkg.x/*'))
    predict_scene(spec, model, tmp_path / 'out', Settings(**SMALL, resume=True))
    assert sorted(path.name for path in (tmp_path / 'out').iterdir()) == sorted([
        'change.gpkg', 'change.tif', 'probability.tif', 'summary.json'])


@pytest.mark.parametrize('name', [FOLDER, FINISHED])
def test_a_folder_that_only_has_the_name_of_a_journal_stays(tmp_path, spec, model, name):
    (tmp_path / 'out' / name).mkdir(parents=True)
    (tmp_path / 'out' / name / 'diary').write_text('mine')
    with pytest.raises(SceneError, match=f'{name} is in the way .* holds diary'):
        predict_scene(spec, model, tmp_path / 'out', Settings(**SMALL, overwrite=True))
    assert (tmp_path / 'out' / name / 'diary').read_text() == 'mine'


def test_a_result_does_not_replace_what_it_is_made_of(tmp_path, spec, model):
    (tmp_path / 'out').mkdir()
    content = Path(spec.before).read_bytes()
    (tmp_path / 'out/change.tif').write_bytes(content)
    with pytest.raises(SceneError, match=r'change\.tif would be replaced by the result change'):
        predict_scene(replace(spec, before=str(tmp_path / 'out/change.tif')), model, tmp_path / 'out',
                      Settings(**SMALL, overwrite=True))
    assert (tmp_path / 'out/change.tif').read_bytes() == content
    with pytest.raises(SettingError, match='expected a folder, found an empty text'):
        predict_scene(spec, model, '', Settings(**SMALL))


def test_a_changed_input_or_setting_does_not_resume(tmp_path, spec, model, monkeypatch):
    out = tmp_path / 'out'
    with monkeypatch.context() as patch:
        patch.setattr(scene_outputs.Outputs, 'start', lambda _: (_ for _ in ()).throw(KeyboardInterrupt()))
        with pytest.raises(KeyboardInterrupt):
            predict_scene(spec, model, out, Settings(**SMALL))
    with pytest.raises(SceneError, match='settings.overlap was 32, now 16'):
        predict_scene(spec, model, out, Settings(**{**SMALL, 'overlap': 16}, resume=True))
    with rasterio.open(spec.after, 'r+') as raster:
        raster.write(np.full((3, 4, 4), 9, np.uint8), window=((0, 4), (0, 4)))
    with pytest.raises(SceneError, match=r'inputs\.after\.files\.0\.\w+ was'):
        predict_scene(spec, model, out, Settings(**SMALL, resume=True))


@pytest.mark.long
def test_a_runner_may_return_blocks_in_any_order(tmp_path, spec, model):
    tasks = []

    def backwards(blocks, task):
        tasks.append(task)
        for block in reversed(blocks):
            yield block, task(block)

    predict_scene(spec, model, tmp_path / 'serial', Settings(**SMALL))
    predict_scene(spec, model, tmp_path / 'runner', Settings(**SMALL), runner=backwards)
    for name in RASTERS:
        assert (tmp_path / 'serial' / name).read_bytes() == (tmp_path / 'runner' / name).read_bytes()
    assert isinstance(tasks[0], BlockTask) and tasks[0].weights_sha256 == model.sha256
    with pytest.raises(SceneError, match='9 of 9 blocks were not returned'):
        predict_scene(spec, model, tmp_path / 'lazy', Settings(**SMALL), runner=lambda blocks, task: [])


def elsewhere(change):
    """Run blocks as another process would, after ``change``."""
    def runner(blocks, task):
        task = pickle.loads(pickle.dumps(task))
        change()
        return ((block, task(block)) for block in blocks)

    return runner


def test_another_process_refuses_other_versions_and_files(tmp_path, spec, model, monkeypatch):
    installed = metadata.version
    with monkeypatch.context() as patch:
        other = elsewhere(lambda: patch.setattr(metadata, 'version',
                                                lambda name: '9.9' if name == 'torch' else installed(name)))
        with pytest.raises(SceneError, match=r'other versions: torch 9\.9 instead of '):
            predict_scene(spec, model, tmp_path / 'versions', Settings(**SMALL), runner=other)
    with pytest.raises(SceneError, match=r'other files: .*b\.tif .*time 1000000000, .* instead of '):
        predict_scene(spec, model, tmp_path / 'files', Settings(**SMALL),
                      runner=elsewhere(lambda: os.utime(spec.after, (1, 1))))


def test_another_process_is_told_threads_and_precision(tmp_path, spec, model, monkeypatch):
    told = []
    monkeypatch.setattr(torch, 'get_num_threads', lambda: 7)
    with pytest.raises(SceneError, match='were not returned'):
        predict_scene(spec, model, tmp_path / 'out', Settings(**SMALL),
                      runner=lambda blocks, task: told.append(task) or [])
    assert (told[0].threads, told[0].precision, told[0].device) == (7, 'fp32', 'cpu')


@pytest.mark.parametrize(('settings', 'message'), [
    (dict(batch_size=0), '--batch-size 0'), (dict(threshold=1.5), '--threshold 1.5'),
    (dict(format='shp'), '--format shp: expected one of gpkg, geojson'), (dict(min_area=-1), '--min-area -1'),
])
def test_settings_out_of_range(settings, message):
    with pytest.raises(SceneError, match=message):
        Settings(**settings)


KILLED = '''
import os, random, signal, sys, time, traceback
from pathlib import Path
from schanger_mm.deploy.model import SceneModel
from schanger_mm.scene.run import Settings, predict_scene
from schanger_mm.geo.pair import PairSpec
before, after, checkpoint, whole, out = sys.argv[1:]
model, spec = SceneModel.load(checkpoint), PairSpec(before, after)
settings = dict(window=64, overlap=32, block=64)
predict_scene(spec, model, whole, Settings(**settings))  # imports take longer than the run
started = time.perf_counter()
predict_scene(spec, model, whole, Settings(**settings, overwrite=True))
seconds = time.perf_counter() - started
draw, kills = random.Random(0), 0


def written(folder):
    return sum(1 for _ in Path(folder).glob('.journal/blocks/*.npy'))


while kills < 200:
    child = os.fork()
    if child == 0:
        try:
            predict_scene(spec, model, out, Settings(**settings, resume=True))
        except BaseException:
            traceback.print_exc()
            os._exit(9)
        os._exit(0)
    there = size = written(out)
    while size == there and not os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT):
        time.sleep(0.001)  # until it has stored a block, or is done
        size = written(out)
    time.sleep(draw.uniform(0, 0.3) * seconds)
    os.kill(child, signal.SIGKILL)
    status = os.waitpid(child, 0)[1]
    if not os.WIFSIGNALED(status):
        sys.exit(os.WEXITSTATUS(status) or print(f'{kills} kills'))
    kills += 1
sys.exit(8)
'''


@pytest.mark.long
@pytest.mark.skipif(not hasattr(os, 'fork'), reason='needs fork')
def test_a_run_that_is_killed_again_and_again_ends_in_the_same_bytes(tmp_path, spec, checkpoint, root):
    words = [spec.before, spec.after, checkpoint, str(tmp_path / 'whole'), str(tmp_path / 'out')]
    env = {**os.environ, 'PYTHONPATH': str(root), 'OMP_NUM_THREADS': '1'}
    done = subprocess.run([sys.executable, '-c', KILLED, *words], env=env, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stdout + done.stderr[-3000:]
    assert int(done.stdout.split()[-2]) >= 2
    for name in RASTERS:
        assert (tmp_path / 'whole' / name).read_bytes() == (tmp_path / 'out' / name).read_bytes()
    features = [json.loads((tmp_path / part / 'summary.json').read_text())['polygons'] for part in ('whole', 'out')]
    assert features[0] == features[1] and features[0]['polygons'] > 0
    assert sorted(path.name for path in (tmp_path / 'out').iterdir()) == sorted(
        path.name for path in (tmp_path / 'whole').iterdir())


PEAK = '''
import resource, sys
from schanger_mm.deploy.model import SceneModel
from schanger_mm.scene.run import Settings, predict_scene
from schanger_mm.geo.pair import PairSpec
before, after, checkpoint, out = sys.argv[1:]
predict_scene(PairSpec(before, after), SceneModel.load(checkpoint), out,
              Settings(window=256, overlap=0, block=512, page=False, min_area=1e9))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
'''


@pytest.mark.long
def test_memory_does_not_grow_with_the_scene(tmp_path, checkpoint, root, write_raster, noise):
    tile, peaks = noise(512, 512, seed=1), []
    for times in (8, 80):
        paths = [write_raster(f'{date}{times}.tif', np.tile(np.roll(tile, shift, -1), (1, times, 1)), tiled=True)
                 for date, shift in (('a', 0), ('b', 5))]
        env = {**os.environ, 'PYTHONPATH': str(root), 'OMP_NUM_THREADS': '1', 'GDAL_CACHEMAX': '8'}
        done = subprocess.run([sys.executable, '-c', PEAK, *paths, checkpoint, str(tmp_path / f'out{times}')],
                              env=env, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr[-3000:]
        peaks.append(float(done.stdout.split()[-1]))
    assert peaks[1] <= 1.1 * peaks[0], f'{peaks} MiB'
