import numpy as np
import pytest
import rasterio

from schanger_mm.geo.errors import SceneError
from schanger_mm.geo.grid import Grid
from schanger_mm.scene.plan import Block, Plan
from schanger_mm.scene.writer import write_cog

GRID = Grid(1300, 900, (0.5, 0.0, 500000.0, 0.0, -0.5, 5000000.0), 'EPSG:32633')


@pytest.fixture(scope='module')
def pixels():
    values = np.random.default_rng(0).integers(0, 255, (GRID.height, GRID.width), np.uint8)
    values[:, :700] = 255
    return values


def write(path, pixels, grid=GRID, block=512, **options):
    plan = Plan(grid, block, 64, 32)
    settings = dict(description='probability = value / 254', average=True, tags=dict(threshold='0.5'), **options)
    write_cog(path, grid, plan.blocks(), lambda b: pixels[b.row:b.row + b.height, b.col:b.col + b.width], **settings)


def test_a_tiled_compressed_raster_with_overviews_and_all_it_needs(tmp_path, pixels):
    write(tmp_path / 'p.tif', pixels)
    with rasterio.open(tmp_path / 'p.tif') as raster:
        np.testing.assert_array_equal(raster.read(1), pixels)
        assert raster.tags(ns='IMAGE_STRUCTURE')['LAYOUT'] == 'COG'
        assert raster.block_shapes == [(512, 512)] and raster.compression.value == 'DEFLATE'
        assert raster.overviews(1) == [2, 4]
        assert (raster.nodata, raster.dtypes, raster.crs.to_epsg()) == (255, ('uint8',), 32633)
        assert tuple(raster.transform)[:6] == GRID.transform
        assert raster.descriptions == ('probability = value / 254',) and raster.tags()['threshold'] == '0.5'
    with rasterio.open(tmp_path / 'p.tif', overview_level=0) as raster:
        overview = raster.read(1)
    assert (overview[:, :350] == 255).all()
    expected = pixels[:900, 700:1300].reshape(450, 2, 300, 2).mean((1, 3))
    assert np.abs(overview[:, 350:] - expected).max() <= 1
    assert [path.name for path in tmp_path.iterdir()] == ['p.tif']


def test_the_same_pixels_give_the_same_bytes_whatever_the_blocks(tmp_path, pixels):
    write(tmp_path / 'a.tif', pixels)
    write(tmp_path / 'b.tif', pixels, block=300)
    assert (tmp_path / 'a.tif').read_bytes() == (tmp_path / 'b.tif').read_bytes()


def test_a_scene_without_crs_gets_none(tmp_path, pixels):
    write(tmp_path / 'p.tif', pixels, Grid(GRID.width, GRID.height, (1.0, 0.0, 0.0, 0.0, 1.0, 0.0), None))
    with rasterio.open(tmp_path / 'p.tif') as raster:
        assert raster.crs is None and raster.transform.is_identity


def test_a_full_disk_leaves_no_file(tmp_path, pixels, longest_file):
    for limit in (100_000, 1_300_000):  # in the plain file; in the compressed one
        with longest_file(limit), pytest.raises(SceneError, match='p.tif: cannot be written .*disk'):
            write(tmp_path / 'p.tif', pixels)
        assert not [path for path in tmp_path.iterdir() if path.suffix == '.tif' and path.name[0] == '.']
    write(tmp_path / 'p.tif', pixels)


def test_a_raster_of_classes_has_colours_and_names(tmp_path):
    grid = Grid(20, 10, (1.0, 0.0, 0.0, 0.0, 1.0, 0.0), None)
    values = np.arange(200, dtype=np.uint8).reshape(10, 20) % 3
    write_cog(tmp_path / 'c.tif', grid, [Block(0, 0, 0, 20, 10)], lambda block: values, 'classes', False, {},
              ('field', 'road', 'house'), [(1, 2, 3), (4, 5, 6), (7, 8, 9)])
    with rasterio.open(tmp_path / 'c.tif') as raster:
        assert [raster.colormap(1)[value] for value in range(3)] == [(1, 2, 3, 255), (4, 5, 6, 255), (7, 8, 9, 255)]
        assert {key: raster.tags(1)[key] for key in ('CLASS_0', 'CLASS_2')} == dict(CLASS_0='field', CLASS_2='house')
        assert raster.nodata == 255 and raster.tags(ns='IMAGE_STRUCTURE')['LAYOUT'] == 'COG'
        np.testing.assert_array_equal(raster.read(1), values)
