"""What a raster's text can make GDAL do: nothing."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.errors import RasterioError

from schanger_mm.geo.drivers import HELPERS, POLYGONS, READ, VARIABLE, open_raster, switch_off_drivers
from schanger_mm.geo.errors import SceneError
from schanger_mm.geo.raster import Raster

ROOT = Path(__file__).parents[2]


@pytest.fixture
def mrf(tmp_path, write_raster, noise):
    """Write a text that makes GDAL copy the pixels of a picture into a program; return both paths."""
    source, program = write_raster('b.tif', noise(256, 256)), tmp_path / 'sitecustomize.py'
    text = (f'<MRF_META><CachedSource><Source>{source}</Source></CachedSource><Raster><Size x="256" y="256" c="3"/>'
            '<PageSize x="256" y="256" c="3"/><Compression>NONE</Compression>'
            f'<DataFile>{program}</DataFile><IndexFile>{tmp_path}/index</IndexFile></Raster>'
            '<GeoTags><BoundingBox minx="500000" miny="4999872" maxx="500128" maxy="5000000"/>'
            '<Projection>EPSG:32633</Projection></GeoTags></MRF_META>')
    path = tmp_path / 'scene.tif'
    path.write_text(text)
    return path, program


def test_a_text_that_writes_a_file_is_no_raster(mrf):
    path, program = mrf
    with pytest.raises(SceneError, match=rf'scene.tif: expected a raster \(GTiff, COG, .*{VARIABLE}'):
        Raster(str(path))
    assert not program.exists() and not (program.parent / 'index').exists()


@pytest.mark.parametrize('inside', ['its name', 'its text', 'overviews'])
def test_nor_does_it_as_a_part_of_a_raster(tmp_path, mrf, inside, write_raster, noise):
    path, program = mrf
    text = path.read_text()
    if inside == 'overviews':
        raster = write_raster('c.tif', noise(256, 256))
        Path(f'{raster}.aux.xml').write_text('<PAMDataset><Metadata domain="OVERVIEWS"><MDI key="OVERVIEW_FILE">'
                                             f'{path}</MDI></Metadata></PAMDataset>')
        with open_raster(raster) as dataset:
            assert dataset.overviews(1) == []
            dataset.read(1, out_shape=(64, 64))
    else:
        source = str(path) if inside == 'its name' else text.replace('<', '&lt;')
        bands = ''.join(f'<VRTRasterBand dataType="Byte" band="{i}"><SimpleSource><SourceFilename>{source}'
                        f'</SourceFilename><SourceBand>{i}</SourceBand></SimpleSource></VRTRasterBand>'
                        for i in (1, 2, 3))
        (tmp_path / 'a.vrt').write_text(f'<VRTDataset rasterXSize="256" rasterYSize="256">{bands}</VRTDataset>')
        with pytest.raises((RasterioError, SceneError)), open_raster(tmp_path / 'a.vrt') as dataset:
            dataset.read()
    assert not program.exists() and not (program.parent / 'index').exists()


PROGRAM = '''
import os, sys, threading
os.environ['GDAL_SKIP'] = 'JPEG'
import rasterio
for path in sys.argv[1:]:
    rasterio.open(path).close()  # GDAL is in use before, with all that it has
import pyogrio
from schanger_mm.geo import drivers
from schanger_mm.geo.drivers import POLYGONS, open_raster, switch_off_drivers

def registered():
    with rasterio.Env() as env:
        return set(env.drivers())

if not os.fork():  # as if there was one GDAL for both
    assert 'MRF' in registered() and 'GPKG' in registered()
    pyogrio.list_drivers = registered
    drivers.brings_gdal = lambda package: False
    switch_off_drivers()
    assert {'GPKG', 'GeoJSON'} <= registered() and not {'MRF', 'JPEG'} & registered()
    os._exit(0)
assert os.wait()[1] == 0

def look():
    for path in sys.argv[1:]:
        try:
            with open_raster(path) as dataset:
                print(dataset.driver)
        except rasterio.RasterioIOError:
            print('refused')
    assert 'JPEG' not in registered()  # somebody has it off
    print(len(registered()), flush=True)

look()
thread = threading.Thread(target=look)
thread.start()
thread.join()
if not os.fork():
    look()
    os._exit(0)
os.wait()
assert {'GPKG', 'GeoJSON', 'ESRI Shapefile'} <= set(pyogrio.list_drivers(write=True))
'''


@pytest.mark.skipif(not hasattr(os, 'fork'), reason='needs fork')
def test_drivers_are_off_everywhere_in_a_process_that_has_used_them_but_those_asked_for(tmp_path):
    paths = tmp_path / 'heights.asc', tmp_path / 'a.ppm'
    paths[0].write_text('ncols 2\nnrows 1\nxllcorner 0\nyllcorner 0\ncellsize 1\n1 2\n')
    paths[1].write_bytes(b'P6 2 1 255 ' + bytes(6))
    run = subprocess.run([sys.executable, '-c', PROGRAM, *paths], capture_output=True, text=True, timeout=120,
                         env={**os.environ, VARIABLE: 'ESRI Shapefile, AAIGrid', 'PYTHONPATH': str(ROOT)})
    assert run.returncode == 0, run.stderr
    first, second, count = run.stdout.split()[:3]
    assert run.stdout.split() == 3 * ['AAIGrid', 'refused', count] and (first, second) == ('AAIGrid', 'refused')
    assert int(count) <= len((*READ, *HELPERS, *POLYGONS)) + 1


def test_formats_of_practice_are_read(tmp_path):
    values = np.random.default_rng(0).integers(0, 256, (3, 32, 40), np.uint8)
    switch_off_drivers()
    for name, driver, options in (('a.tif', 'GTiff', {}), ('b.png', 'PNG', {}), ('c.bmp', 'BMP', {}),
                                  ('d', 'ENVI', {}), ('e.img', 'HFA', {}),
                                  ('f.webp', 'WEBP', dict(LOSSLESS=True)),
                                  ('g.jp2', 'JP2OpenJPEG', dict(QUALITY=100, REVERSIBLE=True))):
        with rasterio.open(tmp_path / name, 'w', driver=driver, width=40, height=32, count=3, dtype='uint8',
                           **options) as file:
            file.write(values)
        with open_raster(tmp_path / name) as file:
            assert file.driver == driver and np.array_equal(file.read(), values)


def test_every_raster_of_this_package_is_opened_there():
    calls = [(path.name, line.strip()) for path in sorted((ROOT / 'schanger_mm').rglob('*.py'))
             for line in path.read_text(encoding='utf-8').splitlines() if re.search(r'\brasterio\.open\(', line)]
    reading = [call for call in calls if "'w'" not in call[1]]
    assert reading == [('drivers.py', "return rasterio.open(path.gdal, driver='GTiff')"),
                       ('drivers.py', 'dataset = rasterio.open(path)')]
