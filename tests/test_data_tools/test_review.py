"""Checked polygons: what they say about the ground, and the tiles cut around them."""

import csv
import json

import numpy as np
import pytest
from PIL import Image

rasterio = pytest.importorskip('rasterio')
geopandas = pytest.importorskip('geopandas')

from shapely.geometry import box  # noqa: E402

from schanger_mm.data_tools.change_polygons import burn  # noqa: E402
from schanger_mm.data_tools.from_rasters import TileSettings, tiles_from_rasters  # noqa: E402
from schanger_mm.data_tools.own_config import write_own_config  # noqa: E402
from schanger_mm.data_tools.review import Review  # noqa: E402
from schanger_mm.geo.errors import SceneError  # noqa: E402
from schanger_mm.geo.grid import Grid  # noqa: E402
from schanger_mm.geo.pair import PairSpec  # noqa: E402
from schanger_mm.utils.errors import ExistsError, SettingError  # noqa: E402

CRS, LEFT, TOP, STEP, SIDE = 'EPSG:32633', 500000.0, 5000000.0, 0.5, 128
RIGHT, WRONG, OPEN, DRAWN = (10, 10, 20, 20), (40, 10, 50, 20), (24, 10, 30, 20), (70, 70, 80, 90)
"""Columns and rows of the polygons: checked as right, as wrong, not checked, and drawn by the person."""


@pytest.fixture
def city(tmp_path):
    """Write two rasters and a checked map; return the folder."""
    rng = np.random.default_rng(0)
    for name in ('before.tif', 'after.tif'):
        with rasterio.open(tmp_path / name, 'w', driver='GTiff', width=SIDE, height=SIDE, count=3, dtype='uint8',
                           crs=CRS, transform=(STEP, 0, LEFT, 0, -STEP, TOP)) as file:
            file.write(rng.integers(1, 256, (3, SIDE, SIDE), np.uint8))
    write(tmp_path / 'change.gpkg', ['yes', 'no', None, None])
    return tmp_path


def on_the_ground(left, top, right, bottom):
    return box(LEFT + STEP * left, TOP - STEP * bottom, LEFT + STEP * right, TOP - STEP * top)


def write(path, marks, ranks=(1, 2, 3, None), **others):
    shapes = [on_the_ground(*corners) for corners in (RIGHT, WRONG, OPEN, DRAWN)][:len(marks)]
    columns = {} if marks is None else {'correct': marks}
    frame = geopandas.GeoDataFrame({**columns, 'rank': list(ranks)[:len(shapes)], **others}, geometry=shapes, crs=CRS)
    frame.to_file(path, layer='changes')


def area(*boxes, grow=0):
    """(128, 128) bool, true in the boxes, each grown by so many pixels."""
    mask = np.zeros((SIDE, SIDE), bool)
    for left, top, right, bottom in boxes:
        mask[max(0, top - grow):bottom + grow, max(0, left - grow):right + grow] = True
    return mask


def spec(city):
    return PairSpec(str(city / 'before.tif'), str(city / 'after.tif'))


def cut(city, changes='change.gpkg', out='tiles', review=None, **settings):
    settings = TileSettings(**{**dict(size=32, val=0), **settings})
    return tiles_from_rasters(spec(city), city / changes, city / out, settings, workers=1,
                              review=review or Review(margin=4))


def put_together(folder):
    canvas = np.full((SIDE, SIDE), 77, np.uint8)
    for row in csv.DictReader((folder / 'tiles.csv').open()):
        if row['split'] == 'train':
            col, line = int(row['col']), int(row['row'])
            canvas[line:line + 32, col:col + 32] = Image.open(folder / f'train/label/{row["name"]}.png')
    return canvas


def read(city, changes='change.gpkg', **settings):
    with rasterio.open(city / 'before.tif') as dataset:
        return Review(**settings).read(city / changes, Grid.of(dataset))


def test_marked_polygons_and_their_surroundings_are_known(city):
    found = read(city, margin=4)
    assert found.notes[-1].endswith('1 polygons are right, 1 wrong, 1 were added, 1 not reviewed.')
    assert (burn(found.changed, 0, 0, SIDE, SIDE) == area(RIGHT, DRAWN)).all()
    known = found.burn(0, 0, SIDE, SIDE)
    grown = area(RIGHT, WRONG, DRAWN, grow=4)
    assert not (known & ~grown).any() and (known | ~area(RIGHT, WRONG, DRAWN)).all()
    assert (grown & ~known).sum() <= 3 * 4 * 4  # only the rounded corners are missing
    assert not found.burn(0, 0, SIDE, SIDE)[area(OPEN)].any()


def test_masks_are_changed_unchanged_or_ignored_and_empty_tiles_are_left_out(city):
    text = cut(city)
    canvas = put_together(city / 'tiles')
    assert (canvas[area(RIGHT, DRAWN)] == 255).all() and (canvas[area(WRONG)] == 0).all()
    assert (canvas[area(OPEN)] == 128).all()
    there = canvas != 77
    assert set(np.unique(canvas[there])) == {0, 128, 255}
    assert not there[32:64, :32].any() and there.sum() == 3 * 32 * 32  # of 16 tiles, those with known ground
    assert ((canvas == 255) == area(RIGHT, DRAWN)).all()
    assert 'of their reviewed pixels changed' in text and 'label_ignore=128' in text and 'min-valid' not in text


def test_a_drawn_polygon_wins_over_the_wrong_one_that_it_replaces(city):
    shapes = [on_the_ground(*corners) for corners in ((10, 10, 30, 30), (15, 15, 25, 25))]
    frame = geopandas.GeoDataFrame({'correct': ['no', None], 'rank': [1, None]}, geometry=shapes, crs=CRS)
    frame.to_file(city / 'again.gpkg')
    cut(city, 'again.gpkg')
    canvas = put_together(city / 'tiles')
    assert ((canvas == 255) == area((15, 15, 25, 25))).all()
    assert (canvas[area((10, 10, 30, 30)) & ~area((15, 15, 25, 25))] == 0).all()


@pytest.mark.parametrize('marks', [['YES', 'No', '', ''], [1, 0, None, None], [True, False, None, None],
                                   ['true', ' n ', None, 'y']])
def test_marks_are_words_numbers_or_truth_values(city, marks):
    write(city / 'other.gpkg', marks)
    found = read(city, 'other.gpkg', margin=0)
    assert (burn(found.changed, 0, 0, SIDE, SIDE) == area(RIGHT, DRAWN)).all()
    assert (found.burn(0, 0, SIDE, SIDE) == area(RIGHT, WRONG, DRAWN)).all()


def test_without_ranks_no_polygon_counts_as_drawn(city):
    shapes = [on_the_ground(*corners) for corners in (RIGHT, DRAWN)]
    geopandas.GeoDataFrame({'correct': ['yes', None]}, geometry=shapes, crs=CRS).to_file(city / 'plain.gpkg')
    found = read(city, 'plain.gpkg')
    assert (len(found.changed), len(found.unknown)) == (1, 1)


@pytest.mark.parametrize(('marks', 'message'), [
    (['maybe', 'no', None, None], r"column 'correct' has 'maybe'; expected yes, no, or nothing"),
    ([2, 0, None, None], r"column 'correct' has '2'"),
    ([None] * 3, r"none of 3 polygons is marked in 'correct'; write yes or no"),
    (None, r"no column 'correct'; it has rank. Add one of type text in a GIS")])
def test_what_is_no_review_is_one_error(city, marks, message):
    if marks is None:
        geopandas.GeoDataFrame({'rank': [1]}, geometry=[on_the_ground(*RIGHT)], crs=CRS).to_file(city / 'bad.gpkg')
    else:
        write(city / 'bad.gpkg', marks)
    with pytest.raises(SceneError, match=message):
        cut(city, 'bad.gpkg')
    assert not (city / 'tiles').exists()


def test_a_margin_below_0_is_an_error():
    with pytest.raises(SettingError, match='--margin -1: expected 0 or more pixels'):
        Review(margin=-1)


def test_another_review_is_another_run(city):
    cut(city)
    assert 'nothing to do' in cut(city)
    record = json.loads((city / 'tiles/tiles.json').read_text())
    assert record['review'] == {'column': 'correct', 'margin': 4}
    with pytest.raises(ExistsError, match='differs in review: margin 4 then, 9 now'):
        cut(city, review=Review(margin=9))
    with pytest.raises(ExistsError, match='differs in .*review'):
        tiles_from_rasters(spec(city), city / 'change.gpkg', city / 'tiles', TileSettings(size=32, val=0), workers=1)


def test_the_config_for_such_tiles_ignores_unreviewed_ground(city):
    cut(city)
    for label in (city / 'tiles/train/label').glob('*.png'):  # the values alone need not tell
        mask = np.array(Image.open(label))
        Image.fromarray(np.where(mask == 255, 0, mask)).save(label)
    text = write_own_config(city / 'tiles', city / 'own.py')
    assert "label_ignore=128" in (city / 'own.py').read_text() and 'schanger train' in text


def test_the_command_cuts_like_the_function(city, run):
    done = run('tools/dataset_tools/correct.py', city / 'change.gpkg', city / 'before.tif', city / 'after.tif', '--out',
               city / 'cut', '--size', '32', '--val', '0', '--margin', '4', '--workers', '1')
    cut(city)
    assert (put_together(city / 'cut') == put_together(city / 'tiles')).all()
    assert '1 polygons are right, 1 wrong, 1 were added, 1 not reviewed.' in done


def test_rasters_of_four_bands_are_cut_with_all_bands(city, run):
    for name in ('before.tif', 'after.tif'):
        with rasterio.open(city / name, 'w', driver='GTiff', width=SIDE, height=SIDE, count=4, dtype='uint16', crs=CRS,
                           transform=(STEP, 0, LEFT, 0, -STEP, TOP)) as file:
            file.write(np.random.default_rng(0).integers(1, 3000, (4, SIDE, SIDE)).astype(np.uint16))
    words = ['tools/dataset_tools/correct.py', city / 'change.gpkg', city / 'before.tif', city / 'after.tif', '--out',
             city / 'cut', '--size', '32', '--workers', '1']
    said = run(*words, fails=2)
    assert said.startswith('error: ') and 'other than three bands: --all-bands, or --bands 1,2,3,4.' in said
    assert 'Images are GeoTIFFs of 4 bands, uint16' in run(*words, '--all-bands')
