"""Tiles out of rasters and polygons, until a data set, a loss and a metric have read them."""

import csv
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

rasterio = pytest.importorskip('rasterio')
geopandas = pytest.importorskip('geopandas')

from rasterio.features import rasterize  # noqa: E402
from shapely.geometry import LineString, Point, Polygon, box  # noqa: E402

from schanger_mm.data_tools import from_rasters  # noqa: E402
from schanger_mm.data_tools.from_rasters import TileSettings, tiles_from_rasters  # noqa: E402
from schanger_mm.datasets import DatasetError, FolderCDDataset  # noqa: E402
from schanger_mm.datasets.reading import read_label  # noqa: E402
from schanger_mm.evaluation.change_metric import ChangeMetric  # noqa: E402
from schanger_mm.geo.errors import SceneError  # noqa: E402
from schanger_mm.geo.pair import PairSpec  # noqa: E402
from schanger_mm.models.losses import BCEDiceLoss  # noqa: E402

ROOT = Path(__file__).parents[2]
CRS, LEFT, TOP, STEP = 'EPSG:32633', 500000.0, 5000000.0, 0.5
WIDTH, HEIGHT, SIZE = 210, 170, 16  # neither side a multiple of the tile


def ground(points):
    """Pixel coordinates to those of the CRS."""
    return [(LEFT + STEP * x, TOP - STEP * y) for x, y in points]


@pytest.fixture
def shapes():
    """Forty convex polygons of uneven corners, in the CRS of the rasters."""
    rng = np.random.default_rng(1)
    return [Polygon(ground(rng.uniform((0, 0), (WIDTH, HEIGHT)) + rng.uniform(-12, 12, (5, 2)))).convex_hull
            for _ in range(40)]


@pytest.fixture
def city(tmp_path, shapes):
    """Write two rasters and the polygons, in degrees; return the folder."""
    rng = np.random.default_rng(0)
    for name in ('before.tif', 'after.tif'):
        write_raster(tmp_path / name, rng.integers(1, 256, (3, HEIGHT, WIDTH), np.uint8))
    write_polygons(tmp_path / 'new.gpkg', shapes, to='EPSG:4326')
    return tmp_path


def write_raster(path, bands, **settings):
    with rasterio.open(path, 'w', driver='GTiff', width=WIDTH, height=HEIGHT, count=3, dtype='uint8',
                       crs=CRS, transform=(STEP, 0, LEFT, 0, -STEP, TOP), **settings) as file:
        file.write(bands)


def write_polygons(path, shapes, to=CRS, **settings):
    frame = geopandas.GeoDataFrame(geometry=shapes, crs=CRS)
    (frame.to_crs(to) if to else frame.set_crs(None, allow_override=True)).to_file(path, **settings)


def cut(city, out='tiles', changes='new.gpkg', layer=None, **settings):
    spec = PairSpec(str(city / 'before.tif'), str(city / 'after.tif'))
    settings = TileSettings(**{**dict(size=SIZE, block=32, val=0.2), **settings})
    return tiles_from_rasters(spec, city / changes, city / out, settings, layer, workers=1)


def put_together(folder):
    """Paste the tiles of both sides at the corners that tiles.csv names; 0 where there is none."""
    rows = list(csv.DictReader((folder / 'tiles.csv').open()))
    canvas = {kind: np.zeros((HEIGHT + SIZE, WIDTH + SIZE, 3), np.uint8) for kind in ('A', 'B', 'label')}
    there = np.zeros((HEIGHT + SIZE, WIDTH + SIZE), bool)
    for row in rows:
        if row['split'] in ('train', 'val'):
            place = np.s_[int(row['row']):int(row['row']) + SIZE, int(row['col']):int(row['col']) + SIZE]
            there[place] = True
            for kind, image in canvas.items():
                pixels = np.asarray(Image.open(folder / row['split'] / kind / f'{row["name"]}.png'))
                image[place] = pixels if pixels.ndim == 3 else pixels[..., None]
    return canvas, there


def test_tiles_put_together_are_the_rasters_and_the_rasterised_polygons(city, shapes):
    cut(city)
    canvas, there = put_together(city / 'tiles')
    there = there[:HEIGHT, :WIDTH]
    assert 0.4 < there.mean() < 0.9
    for kind, name in (('A', 'before.tif'), ('B', 'after.tif')):
        with rasterio.open(city / name) as file:
            assert (canvas[kind][:HEIGHT, :WIDTH][there] == file.read().transpose(1, 2, 0)[there]).all()
    mask = rasterize(shapes, (HEIGHT, WIDTH), transform=(STEP, 0, LEFT, 0, -STEP, TOP))
    assert 0.05 < mask.mean() < 0.6
    assert (canvas['label'][:HEIGHT, :WIDTH, 0][there] == 255 * mask[there]).all()


def test_every_tile_is_there_without_validation_and_with_partial_ones(city):
    text = cut(city, val=0, min_valid=0.01)
    canvas, there = put_together(city / 'tiles')
    assert there[:HEIGHT, :WIDTH].all() and 'label_ignore=128' in text
    beyond = np.ones((HEIGHT + SIZE, WIDTH + SIZE), bool)
    beyond[:HEIGHT, :WIDTH] = False
    assert (canvas['label'][there & beyond] == 128).all() and (canvas['A'][there & beyond] > 0).all()


def test_the_sides_are_apart_and_counted(city):
    cut(city)
    record = json.loads((city / 'tiles/tiles.json').read_text())
    rows = list(csv.DictReader((city / 'tiles/tiles.csv').open()))
    cells = {kind: {(int(row['col']) // SIZE, int(row['row']) // SIZE) for row in rows if row['split'] == kind}
             for kind in ('train', 'val', 'guard', 'unused')}
    assert not any((x + dx, y + dy) in cells['train'] for x, y in cells['val'] for dx in (-1, 0, 1)
                   for dy in (-1, 0, 1))
    assert len(rows) == 14 * 11 and sum(len(cell) for cell in cells.values()) == 154
    for kind in ('train', 'val'):
        count, files = record['counts'][kind], list((city / f'tiles/{kind}/label').iterdir())
        assert count['tiles'] == len(cells[kind]) == len(files)
        changed = sum(int((np.asarray(Image.open(file)) == 255).sum()) for file in files)
        assert count['changed_pixels'] == changed and count['changed_share'] == changed / (len(files) * SIZE ** 2)
    assert record['counts']['unused']['tiles'] == 14 + 11 - 1, 'those that stick out'
    assert record['mask_values'] == dict(unchanged=0, changed=255, ignore=128)
    second = rows[15]
    assert (second['name'], second['col'], second['row']) == ('before_r016_c016', '16', '16')
    assert [float(second[key]) for key in 'abcdef'] == [STEP, 0, LEFT + 16 * STEP, 0, -STEP, TOP - 16 * STEP]


@pytest.fixture
def wedge(city):
    """Take the data of a corner of date B away."""
    with rasterio.open(city / 'after.tif') as file:
        bands = file.read()
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    bands[:, rows + columns < 90] = 0
    write_raster(city / 'after.tif', bands, nodata=0)
    return city, rows + columns < 90


def test_tiles_without_data_somewhere_are_left_out(wedge):
    city, missing = wedge
    cut(city, val=0)
    canvas, there = put_together(city / 'tiles')
    assert not (there[:HEIGHT, :WIDTH] & missing).any() and (canvas['label'] != 128).all()


def test_nodata_is_ignored_by_loss_and_metric(wedge):
    city, missing = wedge
    cut(city, val=0, min_valid=0.3)
    canvas, there = put_together(city / 'tiles')
    inside = there[:HEIGHT, :WIDTH]
    assert ((canvas['label'][:HEIGHT, :WIDTH, 0] == 128) == missing)[inside].all() and (missing & inside).sum() > 300
    pipeline = [dict(type='LoadBiTemporalImages'), dict(type='LoadChangeLabel'), dict(type='PackBiTemporalInputs')]
    data = dict(data_root=str(city / 'tiles/train'), pipeline=pipeline)
    with pytest.raises(DatasetError, match='set `label_ignore` to it'):
        FolderCDDataset(**data)
    samples = list(FolderCDDataset(label_ignore=128, **data))
    partial = next(s for s in samples if 20 < (s['data_samples'].gt_sem_seg.data == 255).sum() < 200)
    truth = partial['data_samples'].gt_sem_seg.data
    assert sorted(truth.unique().tolist()) in ([0, 255], [0, 1, 255])

    logits = torch.randn(1, 1, SIZE, SIZE)
    other = torch.where(truth[None] == 255, -9 * logits.sign(), logits)
    loss = BCEDiceLoss()
    assert loss(logits, truth, ignore_index=255) == loss(other, truth, ignore_index=255)

    def score(prediction):
        metric = ChangeMetric()
        metric.dataset_meta = FolderCDDataset.METAINFO
        sample = partial['data_samples'].to_dict()
        metric.process({}, [dict(sample, pred_sem_seg=dict(data=prediction))])
        return metric.evaluate(1)

    everywhere = torch.ones_like(truth)
    assert score(everywhere) == pytest.approx(score(torch.where(truth == 255, 0, everywhere)), nan_ok=True)


def test_an_interrupted_run_goes_on_and_ends_the_same(city, monkeypatch):
    cut(city, out='whole')
    write, done = from_rasters.write_atomic, []

    def stop_after_50(path, data):
        if len(done) == 50:
            raise KeyboardInterrupt
        done.append(path)
        write(path, data)

    monkeypatch.setattr(from_rasters, 'write_atomic', stop_after_50)
    with pytest.raises(KeyboardInterrupt):
        cut(city)
    monkeypatch.setattr(from_rasters, 'write_atomic', write)
    assert not (city / 'tiles').exists()
    before = {path: path.stat().st_mtime_ns for path in (city / '.tiles.partial').rglob('*.png')}
    with pytest.raises(FileExistsError, match=r'differs in settings: seed 36 then, 3 now.* repeat that command'):
        cut(city, seed=3)
    cut(city)
    files = sorted(path.relative_to(city / 'whole') for path in (city / 'whole').rglob('*.*'))
    assert files == sorted(path.relative_to(city / 'tiles') for path in (city / 'tiles').rglob('*.*'))
    assert all((city / 'whole' / name).read_bytes() == (city / 'tiles' / name).read_bytes() for name in files)
    kept = sum((city / 'tiles' / path.relative_to(city / '.tiles.partial')).stat().st_mtime_ns == time
               for path, time in before.items())
    assert len(before) == 49 and kept >= 48


@pytest.mark.parametrize('name', ['after.tif', 'new.gpkg'])
def test_an_input_that_changes_while_it_is_cut_gives_no_tiles(city, monkeypatch, name):
    real = from_rasters.survey

    def survey(piece):
        if name == 'after.tif':
            write_raster(city / name, np.full((3, HEIGHT, WIDTH), 9, np.uint8))
        else:
            write_polygons(city / name, [Polygon(ground([(0, 0), (50, 0), (50, 50)]))])
        return real(piece)

    monkeypatch.setattr(from_rasters, 'survey', survey)
    with pytest.raises(DatasetError, match=r'an input changed while tiles were cut from it, in (rasters|changes): .*'
                       r'sha256.* then, .* now.*remove .*tiles\.partial and run again'):
        cut(city)
    assert not (city / 'tiles').exists()


def test_other_times_of_the_same_content_change_nothing(city):
    cut(city)
    for name in ('before.tif', 'after.tif'):
        os.utime(city / name, ns=(1, 1))
    assert 'nothing to do' in cut(city)


def test_what_is_there_is_not_touched(city):
    (city / 'mine').mkdir()
    (city / 'mine/notes.txt').write_text('mine')
    with pytest.raises(FileExistsError, match='mine holds other things .* choose another folder'):
        cut(city, out='mine')
    cut(city)
    assert 'nothing to do' in cut(city)
    with pytest.raises(FileExistsError, match='differs in settings: min_valid 1.0 then, 0.5 now'):
        cut(city, min_valid=0.5)
    shutil.copy(city / 'before.tif', city / 'after.tif')
    with pytest.raises(FileExistsError, match='differs in rasters: after'):
        cut(city)


def test_several_processes_write_the_same_tiles(city):
    cut(city, out='one')
    tiles_from_rasters(PairSpec(str(city / 'before.tif'), str(city / 'after.tif')), city / 'new.gpkg', city / 'two',
                       TileSettings(size=SIZE, block=32), workers=2)
    for path in (city / 'one').rglob('*.png'):
        assert path.read_bytes() == (city / 'two' / path.relative_to(city / 'one')).read_bytes()


def test_self_crossing_polygons_are_repaired_and_reported(city):
    bow = Polygon(ground([(10, 10), (50, 50), (50, 10), (10, 50)]))
    write_polygons(city / 'new.gpkg', [bow, box(*ground([(60, 60)])[0], *ground([(64, 64)])[0])])
    text = cut(city, val=0)
    assert '1 of 2 polygons cross themselves and were repaired (shapely.make_valid), first number 1' in text
    canvas, _ = put_together(city / 'tiles')
    mask = canvas['label'][..., 0] > 0
    assert mask[30, 15] and mask[30, 45] and not mask[12, 30] and not mask[48, 30]
    assert mask[60:64, 60:64].all() and mask[58:66, 58:66].sum() == 16


@pytest.mark.parametrize(('shapes', 'settings', 'message'), [
    ([Point(LEFT, TOP)], {}, 'expected polygons, found 1 features of type Point among 1'),
    ([LineString(ground([(1, 1), (9, 9)])), box(LEFT, TOP, LEFT + 1, TOP + 1)], {},
     'expected polygons, found 1 features of type LineString among 2'),
    ([box(0, 0, 1, 1)], {}, r'none of 1 polygons lies in the scene; they span 0, 0, 1, 1, the scene 500000, 4999915'),
    ([box(LEFT, TOP, LEFT + 1, TOP + 1)], dict(to=None),
     'the polygons have no coordinate system, the rasters have one'),
])
def test_polygons_that_cannot_be_meant(city, shapes, settings, message):
    write_polygons(city / 'bad.gpkg', shapes, **settings)
    with pytest.raises(SceneError, match=message):
        cut(city, changes='bad.gpkg')
    assert not list(city.glob('.*')), 'nothing was begun'


def test_layers_have_to_be_named_where_there_are_several(city, shapes):
    write_polygons(city / 'new.gpkg', shapes[:1], layer='roads')
    with pytest.raises(SceneError, match='2 layers; choose one with --layer: new, roads'):
        cut(city)
    with pytest.raises(SceneError, match=r"no layer 'road' \(--layer\); it has new, roads"):
        cut(city, layer='road')
    cut(city, layer='new')


def test_a_file_that_holds_no_polygons(city):
    (city / 'text.gpkg').write_text('no')
    with pytest.raises(SceneError, match=r'text.gpkg: expected polygons .*found something else'):
        cut(city, changes='text.gpkg')
    with pytest.raises(SceneError, match='nowhere.gpkg: no such file'):
        cut(city, changes='nowhere.gpkg')


@pytest.mark.parametrize(('settings', 'message'), [
    (dict(size=0), '--size: expected 1 or more'),
    (dict(block=40), '--block: expected a multiple of the tile size 16, found 40'),
    (dict(min_valid=0), '--min-valid: expected above 0'),
    (dict(val=1.0), '--val: expected 0 to below 1, found 1.0'),
    (dict(size=400, block=400), r'no tile of 400 px has data .* \(the best: 22.3%\)'),
])
def test_settings_that_make_no_sense(city, settings, message):
    with pytest.raises(ValueError, match=message):
        cut(city, **settings)
    assert not list(city.glob('.*')), 'nothing was begun'


def test_the_command(city, run):
    words = ['tools/dataset_tools/from_rasters.py', 'before.tif', 'after.tif', 'new.gpkg', '--out', 'tiles', '--size',
             16, '--workers', 1]
    said = run(*words, cwd=city)
    assert 'tiles/val: ' in said and 'so that none touches the other side' in said
    assert read_label(str(next((city / 'tiles/val/label').iterdir()))).shape == (16, 16)
    assert run(*words, '--val', 2, cwd=city, fails=2) == 'error: --val: expected 0 to below 1, found 2.0\n'
