from collections import Counter

import numpy as np
import pytest
import rasterio
from pyogrio.raw import read
from rasterio.features import rasterize
from shapely import from_wkb

from schanger_mm.geo.errors import SceneError
from schanger_mm.scene import kinds as module
from schanger_mm.scene.kinds import Buildings
from schanger_mm.scene.plan import Settings
from schanger_mm.scene.run import predict_scene

SMALL = dict(window=64, overlap=32, block=128, page=False)
NAMES = ('new', 'demolished', 'replaced', 'altered')


def table_of(folder, name='change.gpkg'):
    """Return the polygons' columns, and their shapes."""
    meta, _, shapes, columns = read(folder / name)
    return dict(zip(meta['fields'], columns)), from_wkb(shapes)


def boxes(*places, shape=(200, 260)):
    """Return a mask of rectangles (row, col, height, width)."""
    mask = np.zeros(shape, bool)
    for row, col, height, width in places:
        mask[row:row + height, col:col + width] = True
    return mask


CASES = {
    'new': (boxes((50, 50, 20, 30)), boxes(), boxes((50, 50, 20, 30))),
    'demolished': (boxes((50, 50, 20, 30)), boxes((50, 50, 20, 30)), boxes()),
    'replaced': (boxes((50, 50, 20, 30)), boxes((50, 50, 20, 18)), boxes((55, 55, 15, 25))),
    'altered': (boxes((50, 80, 20, 15)), boxes((50, 50, 20, 30)), boxes((50, 50, 20, 45))),
    'other': (boxes((50, 50, 20, 30)), boxes(), boxes()),
}


@pytest.mark.parametrize('kind', CASES)
def test_a_polygon_has_the_kind_of_its_buildings(tmp_path, write_truth, truth, kind):
    change, before, after = CASES[kind]
    standing = boxes((50, 100, 20, 30))  # a neighbour that the change does not touch
    summary = predict_scene(write_truth(change, before | standing, after | standing), truth(), tmp_path / 'out',
                            Settings(**SMALL))
    columns, _ = table_of(tmp_path / 'out')
    assert columns['kind'].tolist() == [kind] and columns['kind_share'][0] >= 0.85
    area = float(change.sum() / 4)
    assert summary['polygons']['kinds'][kind] == {'polygons': 1, 'area_m2': area}
    assert sum(one['area_m2'] for one in summary['polygons']['kinds'].values()) == area


def test_a_polygon_that_brushes_a_neighbour_stays_new(tmp_path, write_truth, truth):
    change = boxes((50, 50, 20, 30), (50, 80, 2, 2))  # leaks into a building that stands
    standing = boxes((50, 80, 40, 40))
    predict_scene(write_truth(change, standing, boxes((50, 50, 20, 28)) | standing), truth(), tmp_path / 'out',
                  Settings(**SMALL))
    columns, _ = table_of(tmp_path / 'out')
    assert columns['kind'].tolist() == ['new'] and columns['kind_share'][0] == pytest.approx(560 / 604, abs=1e-3)


def test_classes_are_those_of_most_changed_pixels_and_areas_those_of_all(tmp_path, write_truth, truth):
    change = boxes((10, 10, 20, 30), (100, 100, 10, 10))
    before, after = np.zeros((2, 200, 260), int)
    after[10:30, 10:30], after[10:30, 30:40] = 1, 2  # two thirds road, a third house
    before[100:110, 100:110] = 1
    network = truth(('field', 'road', 'house'))
    summary = predict_scene(write_truth(change, before, after), network, tmp_path / 'out', Settings(**SMALL))
    columns, _ = table_of(tmp_path / 'out')
    assert columns['from'].tolist() == ['field', 'road'] and columns['to'].tolist() == ['road', 'field']
    assert columns['to_share'].tolist() == [0.667, 1] and 'kind' not in columns
    assert summary['classes'] == {'names': ['field', 'road', 'house'], 'kinds_of': None, 'from_to': [
        {'from': 'field', 'to': 'road', 'pixels': 400, 'area_m2': 100.0},
        {'from': 'field', 'to': 'house', 'pixels': 200, 'area_m2': 50.0},
        {'from': 'road', 'to': 'field', 'pixels': 100, 'area_m2': 25.0}]}
    assert summary['polygons']['to'] == {'field': {'polygons': 1, 'area_m2': 25.0},
                                         'road': {'polygons': 1, 'area_m2': 150.0},
                                         'house': {'polygons': 0, 'area_m2': 0.0}}
    summary = predict_scene(write_truth(change, before, after), network, tmp_path / 'houses',
                            Settings(**SMALL, kinds_of='House', format='geojson'))
    assert table_of(tmp_path / 'houses', 'change.geojson')[0]['kind'].tolist() == ['new', 'other']
    assert summary['settings']['kinds_of'] == 'house'


def test_pieces_of_a_large_polygon_add_up(tmp_path, write_truth, truth, monkeypatch):
    change = boxes((20, 20, 150, 200))
    before, after = change & (np.indices(change.shape)[1] % 20 < 10), boxes()
    summary = predict_scene(write_truth(change, before, after), truth(), tmp_path / 'one', Settings(**SMALL))
    monkeypatch.setattr(module, 'PIECE', 64)
    pieces = predict_scene(write_truth(change, before, after), truth(), tmp_path / 'many', Settings(**SMALL))
    one, many = (table_of(tmp_path / name)[0] for name in ('one', 'many'))
    assert one['kind'].tolist() == many['kind'].tolist() == ['demolished']
    assert one['kind_share'].tolist() == many['kind_share'].tolist() == [0.5]
    assert one['from_share'].tolist() == many['from_share'].tolist() == [0.5]
    assert summary['polygons'] == pieces['polygons']


def test_nothing_changed_gives_empty_columns(tmp_path, write_truth, truth):
    summary = predict_scene(write_truth(boxes(), boxes(), boxes()), truth(), tmp_path / 'out',
                            Settings(**{**SMALL, 'page': True}))
    assert {'from', 'to', 'kind', 'kind_share'} <= set(table_of(tmp_path / 'out')[0])
    assert summary['classes']['from_to'] == [] and summary['polygons']['polygons'] == 0


def test_rasters_of_another_size_are_refused(tmp_path, write_raster, write_truth, truth):
    from schanger_mm.scene.legend import Legend
    from schanger_mm.scene.polygons import write_polygons
    change = boxes((10, 10, 5, 5))[None].astype(np.uint8)
    paths = [write_raster(f'{name}.tif', change) for name in ('change', 'probability', 'before')]
    other = write_raster('after.tif', change[:, :100])
    classes = module.ClassRasters(paths[0], paths[2], other, Legend(('other', 'building'), 'building'))
    with pytest.raises(SceneError, match=r'after.tif has 260 x 100 px and .*change.tif 260 x 200'):
        write_polygons(*paths[:2], tmp_path / 'change.gpkg', classes=classes)


def test_buildings_without_any_are_other():
    nothing = np.zeros((4, 4), bool)
    found = Buildings.around(~nothing, nothing, nothing, 16)
    assert found.kind() == 'other' and found.agreeing('other') == 16


def matched(folder, drawn):
    """Return (true kind, kind found or None) of every site, matched one to one at an IoU of 0.5 or more."""
    columns, shapes = table_of(folder)
    with rasterio.open(folder / 'change.tif') as raster:
        ranks = rasterize(zip(shapes, columns['rank'].tolist()), raster.shape, transform=raster.transform,
                          dtype='int32')
    pairs = []
    for site in drawn.kinds:
        here = drawn.sites == site
        for rank in np.setdiff1d(np.unique(ranks[here]), [0]):
            polygon = ranks == rank
            pairs.append(((here & polygon).sum() / (here | polygon).sum(), site, int(rank)))
    found, used = {}, set()
    for iou, site, rank in sorted(pairs, reverse=True):
        if iou >= 0.5 and site not in found and rank not in used:
            found[site] = columns['kind'][rank - 1]
            used.add(rank)
    return [(kind, found.get(site)) for site, kind in drawn.kinds.items()]


def specks(mask, rng, share=0.03, side=3):
    """Swap the class in a share of the squares of a lattice."""
    squares = rng.random([length // side + 1 for length in mask.shape]) < share
    return mask ^ np.kron(squares, np.ones((side, side), bool))[:mask.shape[0], :mask.shape[1]]


@pytest.mark.parametrize('maps', ['true', 'displaced', 'specks'])
def test_kinds_of_drawn_buildings_are_found(tmp_path, write_truth, truth, drawn_kinds, maps):
    before, after, rng = drawn_kinds.before, drawn_kinds.after, np.random.default_rng(0)
    if maps == 'displaced':
        after = np.roll(after, (2, 1), (0, 1))
    if maps == 'specks':
        before, after = specks(before, rng), specks(after, rng)
    predict_scene(write_truth(drawn_kinds.sites > 0, before, after), truth(), tmp_path / 'out',
                  Settings(window=256, overlap=128, block=512, page=False))
    pairs = matched(tmp_path / 'out', drawn_kinds)
    table, totals = Counter(pairs), Counter(kind for kind, _ in pairs)
    recall = {kind: table[kind, kind] / totals[kind] for kind in NAMES}
    right, majority = sum(table[kind, kind] for kind in NAMES) / len(pairs), max(totals.values()) / len(pairs)
    print(dict(maps=maps, totals=dict(totals), recall=recall, right=right, majority=majority), table)
    assert min(totals.values()) >= 30 and set(totals) == set(NAMES)
    assert min(recall.values()) >= 0.85 and right > majority + 0.5
