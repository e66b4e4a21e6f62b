"""The plugin, from its zip, in QGIS."""

import json
import shutil
import sqlite3
from pathlib import Path

import numpy as np
import pytest
import rasterio

from schanger_mm.commands.main import main

pytestmark = pytest.mark.long


def rows(path):
    """Return the polygons of a GeoPackage, without what GDAL writes about the file itself."""
    with sqlite3.connect(path) as file:
        return file.execute('select * from changes order by rank').fetchall()


@pytest.fixture(scope='module')
def expected(pair):
    """What the command itself finds."""
    out = pair.parent / 'by command'
    rasters = [str(pair / f'{date}.tif') for date in (2019, 2023)]
    assert main(['predict', str(pair / 'net.onnx'), *rasters, '--out', str(out)]) == 0
    return out


def test_the_provider_lists_its_algorithms(profile):
    found, accepted = profile.script('names')
    assert list(found) == [f'schanger:{name}' for name in ('detectchanges', 'makeenvironment', 'predictpairs',
                                                           'trainingtiles')]
    assert found['schanger:detectchanges'][0][:4] == ['BEFORE', 'AFTER', 'MODEL', 'EXTENT']
    assert all(help == '<p>' for _, help in found.values())
    assert accepted == [True, True, True, False]


def test_the_map_is_that_of_the_command(profile, pair, expected):
    done = profile.process('detectchanges', BEFORE=pair / '2019.tif', AFTER=pair / '2023.tif', MODEL=pair / 'net.onnx')
    assert done.returncode == 0, done.stdout + done.stderr
    (kept, ) = profile.cache()
    assert kept.name.startswith('2019_2023-') and 'COUNT:\t3' in done.stdout
    found = kept / 'changes'
    assert rows(found / 'change.gpkg') == rows(expected / 'change.gpkg') and len(rows(found / 'change.gpkg')) == 3
    for name in ('change.tif', 'probability.tif'):
        with rasterio.open(found / name) as ours, rasterio.open(expected / name) as theirs:
            np.testing.assert_array_equal(ours.read(), theirs.read())


def test_a_wrong_input_ends_in_the_message_of_the_command(profile, pair):
    with rasterio.open(pair / '2023.tif') as raster:
        options = dict(raster.profile, width=50)
        with rasterio.open(pair / 'narrow.tif', 'w', **options) as narrow:
            narrow.write(raster.read()[:, :, :50])
    done = profile.process('detectchanges', BEFORE=pair / '2019.tif', AFTER=pair / 'narrow.tif',
                           MODEL=pair / 'net.onnx', OUTPUT=pair / 'out of narrow')
    assert done.returncode == 1 and 'Traceback' not in done.stdout + done.stderr
    assert '96 x 96' in done.stdout + done.stderr and '50 x 96' in done.stdout + done.stderr, done.stderr
    assert not (pair / 'out of narrow/change.gpkg').exists()
    done = profile.process('detectchanges', BEFORE=pair / '2019.tif', AFTER=pair / '2023.tif', MODEL=pair / 'net.onnx',
                           SEMANTIC=pair / 'nothing.pth', OUTPUT=pair / 'out of nothing')
    assert done.returncode == 1 and 'nothing.pth' in done.stdout + done.stderr


def test_a_batch_goes_on_after_a_bad_pair_and_extents_are_cut(profile, pair, expected):
    files = dict(BEFORE=str(pair / '2019.tif'), AFTER=str(pair / '2023.tif'), MODEL=str(pair / 'net.onnx'))
    (pair / 'broken.tif').write_bytes(b'no raster')
    # the second square alone: columns and rows 38 to 60
    extent = '620019.1,620029.9,3349970.1,3349980.9 [EPSG:32614]'
    good, bad, part = profile.script('batch', rows=[dict(files, OUTPUT=str(pair / 'batch')),
                                                    dict(files, AFTER=str(pair / 'broken.tif')),
                                                    dict(files, EXTENT=extent, OUTPUT=str(pair / 'part'))])
    assert (good[0]['COUNT'], good[1]) == (3, [])
    assert bad[0] is None and 'broken.tif' in ' '.join(bad[1])
    assert (part[0]['COUNT'], part[1]) == (1, [])
    with rasterio.open(pair / 'part/change.tif') as cut, rasterio.open(expected / 'change.tif') as whole:
        assert (cut.transform.c, cut.transform.f) == (620_019, 3_349_981) and cut.shape == (22, 22)
        np.testing.assert_array_equal(cut.read(1), whole.read(1)[38:60, 38:60])


def test_a_model_of_the_modeler_takes_its_polygons_on(profile, pair):
    found = profile.script('modeler', before=pair / '2019.tif', after=pair / '2023.tif', model=pair / 'net.onnx')
    assert found == dict(errors=[], changes=3, points=3)


def test_cancelling_keeps_the_finished_blocks_and_a_second_run_continues(profile, pair):
    for name, value in (('large_2019.tif', 100), ('large_2023.tif', 102)):
        with rasterio.open(pair / name, 'w', driver='GTiff', width=6200, height=1500, count=3, dtype='uint8',
                           crs='EPSG:32614', transform=rasterio.Affine(0.5, 0, 620_000, 0, -0.5, 3_350_000)) as raster:
            raster.write(np.full((3, 1500, 6200), value, np.uint8))
    files = dict(BEFORE=str(pair / 'large_2019.tif'), AFTER=str(pair / 'large_2023.tif'), MODEL=str(pair / 'net.onnx'),
                 LOAD=False)  # to the cache, by inputs and settings
    found = profile.script('cancel', parameters=files)
    assert found['first'] is None and found['errors'][-1].startswith('Cancelled. What is finished is kept')
    assert found['later'] == [] and found['second']['COUNT'] == 1 and max(found['shares']) < 100
    speed = json.loads(Path(found['second']['SUMMARY']).read_text())['speed']
    assert speed['resumed_blocks'] >= 1 and speed['resumed_blocks'] + speed['blocks'] == 4


def test_results_are_styled_grouped_and_described(profile, pair):
    found = profile.script('load', parameters=dict(
        BEFORE=str(pair / '2019.tif'), AFTER=str(pair / '2023.tif'), MODEL=str(pair / 'net.onnx'), THRESHOLD=0.6))
    assert found['errors'] == [] and found['group'] == 'map before - map after'
    polygons, raster = found['layers']
    assert (polygons['name'], polygons['renderer']) == ('Changes', 'graduatedSymbol')
    assert (raster['name'], raster['renderer']) == ('Probability of change', 'singlebandpseudocolor')
    assert 'SHA-256' in polygons['notes'] and '0.6' in polygons['notes'] and '2019.tif' in polygons['notes']


def test_layers_that_are_no_files_are_exported_or_refused(profile, pair):
    found = profile.script('refused', folder=pair, model=pair / 'net.onnx')
    assert found['wms'].startswith('a map: expected a raster file, found a layer of the provider wms')
    assert found['exported'] == [[3, []]] * 3
    assert found['crs'] == ['EPSG:32614', 'EPSG:32614', 'EPSG:32615']


def test_polygons_with_kinds_are_coloured_by_them(profile, expected):
    assert profile.script('polygons', path=expected / 'change.gpkg') == dict(
        count=3, renderer='categorizedSymbol', categories=['new', 'demolished', 'replaced', 'altered', ''])


PYTHON = """#!/bin/sh
case "$*" in
    "-m venv "*) mkdir -p "$3/bin"; touch "$3/pyvenv.cfg"; cp "$0" "$3/bin/python" ;;
    *install*) cd "${0%/*}"; printf '#!/bin/sh\\necho schanger-mm 0.1.0\\n' > schanger; chmod +x schanger ;;
esac
"""


def test_the_button_makes_an_environment_and_keeps_its_command(profile):
    """With a Python that only writes what venv and pip would."""
    python, home = profile.folder / 'python3', profile.folder / 'own env'
    python.write_text(PYTHON)
    python.chmod(0o755)
    found = profile.script('environment', parameters=dict(PYTHON=str(python), OUTPUT=str(home)))
    assert found == dict(results=dict(OUTPUT=str(home), COMMAND=str(home / 'bin/schanger')), errors=[],
                         command=str(home / 'bin/schanger'))
    found = profile.script('environment', parameters=dict(PYTHON=str(python), OUTPUT=str(profile.plugins)))
    assert found['results'] is None and 'expected a new or empty folder' in found['errors'][-1]


def test_a_folder_of_pairs_with_a_bad_one(profile, pair):
    for date in ('2019', '2023'):
        (pair / date).mkdir()
        for name in ('a', 'b', 'c'):
            shutil.copy(pair / f'{date}.tif', pair / date / f'{name}.tif')
    (pair / '2023/b.tif').write_bytes(b'no raster')
    done = profile.process('predictpairs', BEFORE=pair / '2019', AFTER=pair / '2023', MODEL=pair / 'net.onnx',
                           OUTPUT=pair / 'pairs')
    said = done.stdout + done.stderr
    assert done.returncode == 1 and '1 of 3 pairs failed' in said and 'b.tif' in said, said
    assert sorted(path.parent.name for path in (pair / 'pairs').glob('*/change.gpkg')) == ['a', 'c']


def test_tiles_for_training(profile, pair, expected):
    done = profile.process('trainingtiles', BEFORE=pair / '2019.tif', AFTER=pair / '2023.tif',
                           CHANGES=expected / 'change.gpkg', SIZE=32, VAL=0, OUTPUT=pair / 'tiles')
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(list((pair / 'tiles/train/label').glob('*.png'))) == 9
