"""schanger area: points are drawn, a person checks them, areas are estimated."""

import csv
import json

import numpy as np
import pytest

rasterio = pytest.importorskip('rasterio')
import pyogrio  # noqa: E402
import shapely  # noqa: E402
from rasterio.transform import from_origin  # noqa: E402

from schanger_mm.analysis.map_classes import MapClasses  # noqa: E402
from schanger_mm.commands import area  # noqa: E402
from schanger_mm.utils.errors import UserError  # noqa: E402

UTM = 'EPSG:32633'
LEFT, TOP, SIZE = 500_000, 5_000_000, 0.5
NEW = (slice(100, 140), slice(490, 560))  # 40 x 70 px, over a border of blocks
GONE = (slice(300, 330), slice(20, 60))
EMPTY = (slice(0, 90), slice(0, 90))


@pytest.fixture
def result(tmp_path):
    """Write a map of 600 x 400 px with two polygons and a corner without data; return its folder."""
    change = np.zeros((400, 600), np.uint8)
    change[NEW] = change[GONE] = 1
    change[EMPTY] = 255
    return write(tmp_path, change, UTM)


def write(folder, change, crs, kinds=('new', 'demolished')):
    place = from_origin(LEFT, TOP, SIZE, SIZE)
    with rasterio.open(folder / 'change.tif', 'w', driver='GTiff', width=change.shape[1], height=change.shape[0],
                       count=1, dtype='uint8', crs=crs, transform=place) as file:
        file.write(change, 1)
    shapes = [shapely.box(LEFT + SIZE * cols.start, TOP - SIZE * rows.stop, LEFT + SIZE * cols.stop,
                          TOP - SIZE * rows.start) for rows, cols in (NEW, GONE)]
    pyogrio.raw.write(folder / 'change.gpkg', shapely.to_wkb(shapes), [np.array(kinds, object)], ['kind'],
                      layer='changes', geometry_type='Polygon', crs=crs, driver='GPKG')
    return folder


def run(*words):
    area.main(area.parser().parse_args([str(word) for word in words]))


def sample(path):
    meta, _, geometry, values = pyogrio.raw.read(path)
    return dict(zip(meta['fields'], values)), shapely.from_wkb(geometry), meta


def answer(path, truth, out, leave=0):
    """Write a CSV with what a person would say of each point, the last ones left blank."""
    found, _, _ = sample(path)
    with open(out, 'w', newline='') as file:
        table = csv.writer(file)
        table.writerow(['id', 'x', 'y', 'map', 'truth'])
        for k, (number, x, y, name) in enumerate(zip(found['id'], found['x'], found['y'], found['map'])):
            table.writerow([number, x, y, name, truth(x, y, name) if k < len(found['id']) - leave else ''])
    return out


def test_classes_and_areas_of_a_map(result):
    classes = MapClasses.read(result / 'change.gpkg', column='kind')
    pixels, areas = classes.areas()
    assert classes.names == ('demolished', 'new', 'unchanged')
    assert pixels.tolist() == [30 * 40, 40 * 70, 600 * 400 - 90 * 90 - 30 * 40 - 40 * 70]
    assert areas == pytest.approx(0.25 * pixels, rel=1e-9)
    assert classes.at(np.array([490, 560, 0, 599, -1]), np.array([100, 100, 0, 399, 0])).tolist() == [1, 2, -1, 2, -1]


def test_points_are_pixels_of_their_class_and_the_same_for_a_seed(result, capsys):
    run(result / 'change.gpkg', '--draw', 100, '--by', 'kind')
    assert '100 points (25 demolished, 25 new, 50 unchanged)' in capsys.readouterr().out
    found, points, meta = sample(result / 'sample.gpkg')
    classes = MapClasses.read(result / 'change.gpkg', column='kind')
    codes = classes.at(found['col'], found['row'])
    assert [classes.names[code] for code in codes] == found['map'].tolist()
    assert len({*zip(found['col'], found['row'])}) == 100 and found['id'].tolist() == list(range(1, 101))
    assert shapely.get_coordinates(points) == pytest.approx(np.column_stack((
        LEFT + SIZE * (found['col'] + 0.5), TOP - SIZE * (found['row'] + 0.5))))
    assert meta['crs'] == UTM and set(found['truth']) == {''}
    assert len(set(found['map'][:12])) > 1  # in random order
    run(result / 'change.gpkg', '--draw', 100, '--by', 'kind', '--out', result / 'again.gpkg')
    run(result / 'change.gpkg', '--draw', 100, '--by', 'kind', '--out', result / 'other.gpkg', '--seed', 1)
    assert (sample(result / 'again.gpkg')[0]['col'] == found['col']).all()
    assert (sample(result / 'other.gpkg')[0]['col'] != found['col']).any()


def test_every_pixel_of_a_class_is_drawn_as_often(result):
    """20 draws of 200 changed pixels: the mean place is the polygon's centre within four standard errors."""
    places = []
    for seed in range(20):
        run(result / 'change.gpkg', '--draw', 400, '--seed', seed, '--out', result / f'{seed}.gpkg')
        found, _, _ = sample(result / f'{seed}.gpkg')
        here = found['map'] == 'changed'
        places.append(np.column_stack((found['col'], found['row']))[here])
    places = np.concatenate(places)
    new = places[places[:, 0] > 400]
    assert len(places) == 20 * 200
    assert len(new) / len(places) == pytest.approx(2800 / 4000, abs=4 * np.sqrt(0.7 * 0.3 / 4000))
    assert new.mean(axis=0) == pytest.approx([490 + 34.5, 100 + 19.5], abs=4 * 21 / np.sqrt(len(new)))


def test_estimate_of_a_map_whose_mistakes_are_known(result, capsys):
    """The right half of the new building was there before."""
    run(result / 'change.gpkg', '--draw', 200, '--by', 'kind', '--seed', 3)
    truth = lambda x, y, name: 'unchanged' if name == 'new' and x > LEFT + SIZE * 525 else name  # noqa: E731
    checked = answer(result / 'sample.gpkg', truth, result / 'checked.csv', leave=10)
    run(result / 'change.gpkg', checked, '--by', 'kind', '--out', result / 'area.json')
    out = capsys.readouterr().out
    found = json.loads((result / 'area.json').read_text())
    new = found['classes']['new']
    assert new['mapped_m2'] == pytest.approx(700) and abs(new['estimated_m2'] - 350) < new['interval95_m2']
    assert 50 < new['interval95_m2'] < 150 and new['producers_accuracy'] == 1
    assert found['classes']['demolished']['estimated_m2'] == pytest.approx(300)
    assert found['unchecked'] == 10 and sum(map(sum, (row.values() for row in found['counts'].values()))) == 190
    assert f"{new['estimated_m2']:,.0f}" in out and '10 points have no truth' in out
    assert 'No point mapped as demolished or unchanged has another truth' in out


def test_a_geopackage_filled_in_a_gis_is_read(result, capsys):
    run(result / 'change.gpkg', '--draw', 40)
    found, points, meta = sample(result / 'sample.gpkg')
    found['truth'] = found['map']
    pyogrio.raw.write(result / 'done.gpkg', shapely.to_wkb(points), list(found.values()), list(found),
                      layer='sample', geometry_type='Point', crs=meta['crs'], driver='GPKG')
    run(result / 'change.gpkg', result / 'done.gpkg')
    assert 'overall accuracy 1.000 +- 0.000' in capsys.readouterr().out


def test_without_a_crs_areas_are_in_pixels(tmp_path, capsys):
    change = np.zeros((400, 600), np.uint8)
    write(tmp_path, change, None)
    run(tmp_path / 'change.gpkg', '--draw', 40)
    checked = answer(tmp_path / 'sample.gpkg', lambda x, y, name: name, tmp_path / 'checked.csv')
    run(tmp_path / 'change.gpkg', checked)
    assert 'mapped, px' in capsys.readouterr().out


@pytest.mark.parametrize(('words', 'said'), [
    (['--draw', '3'], r'--draw 3: expected 4 to 231900 points for 2 classes'),
    (['--draw', '10', '--by', 'sort'], r"no column 'sort'; it has kind"),
    (['--draw', '10', '--map', 'none.tif'], r'none.tif: no such file; expected the change map .* --map'),
    (['--draw', '10', '--out', 'points.csv'], r"points.csv: points are written as .gpkg, found the suffix '.csv'"),
    ([], r'expected CHANGES and either --draw N'),
    (['checked.csv', '--draw', '10'], r'expected CHANGES and either --draw N'),
    (['checked.csv', '--out', 'area.txt'], r'--out area.txt: the estimate is written as .json'),
])
def test_options_that_make_no_sense(words, said, result):
    with pytest.raises(UserError, match=said):
        run(result / 'change.gpkg', *words)


@pytest.mark.parametrize(('lines', 'said'), [
    (['x,y,truth', '500001,4999850,change'], r"truth 'change'; expected one of the map's classes: changed, unchanged"),
    (['x,y,truth', '500001,4999999,changed'], r'point 1 at 500001, 4999999 lies where .*change.tif has no data'),
    (['x,y,truth', '1,2,changed'], r'point 1 at 1, 2 lies where .* expected x and y in EPSG:32633'),
    (['x,y,truth,map', '500001,4999850,changed,changed'], r"drawn as 'changed', and the map says 'unchanged' there"),
    (['x,y,truth', '500001,4999850,unchanged', '500002,4999850,unchanged'],
     r"0 checked points where the map says 'changed'; expected 2 or more"),
    (['x,y', '1,2'], r'expected lines with the columns x, y and truth, found no truth'),
    (['x,y,truth', 'a,2,changed'], r'x and y are not numbers'),
    (['x,y,truth'], r'found no line'),
])
def test_checked_points_that_cannot_be_used(lines, said, result):
    (result / 'checked.csv').write_text('\n'.join(lines))
    with pytest.raises(UserError, match=said):
        run(result / 'change.gpkg', result / 'checked.csv')


def test_polygons_without_a_class(tmp_path):
    write(tmp_path, np.zeros((400, 600), np.uint8), UTM, kinds=('new', None))
    with pytest.raises(ValueError, match=r"column 'kind' of 1 polygons is ''; expected the name of a class"):
        run(tmp_path / 'change.gpkg', '--draw', 10, '--by', 'kind')


def test_a_sample_is_never_overwritten(result):
    run(result / 'change.gpkg', '--draw', 40)
    before = (result / 'sample.gpkg').read_bytes()
    with pytest.raises(FileExistsError, match='exists already'):
        run(result / 'change.gpkg', '--draw', 40)
    assert (result / 'sample.gpkg').read_bytes() == before
