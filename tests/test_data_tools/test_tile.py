import hashlib
import json
import os
import shutil

import cv2
import numpy as np
import pytest
from PIL import Image

from schanger_mm.data_tools import tile
from schanger_mm.data_tools.tile import tile_folder
from schanger_mm.datasets import DatasetError
from schanger_mm.datasets.reading import read_header
from schanger_mm.utils.tiling import Tiling

SIXTEEN = Tiling(16, 16)


def contents(folder):
    return {path.relative_to(folder).as_posix(): (path.read_bytes(), path.stat().st_mtime_ns)
            for path in sorted(folder.rglob('*')) if path.is_file()}


@pytest.fixture
def images(tmp_path, write, picture, mask):
    """One image of 48 x 32 px (six tiles) with its mask, in two splits."""
    root = tmp_path / 'src'
    for seed, split in enumerate(('train', 'test')):
        write(root / split / 'A/a.tif', picture(seed))
        write(root / split / 'label/a.png', mask())
    return root


def test_tiles_put_together_are_the_image(images, tmp_path):
    text = tile_folder(images, tmp_path / 'dst', SIXTEEN, workers=2)
    assert f'{tmp_path}/dst/train/A: 6 tiles of 1 images' in text and '24 tiles of 16x16 px written' in text
    for split, folder, name in (('train', 'A', 'a.tif'), ('test', 'label', 'a.png')):
        tiles = [np.asarray(Image.open(tmp_path / f'dst/{split}/{folder}/a_{n}.png')) for n in range(1, 7)]
        whole = np.concatenate([np.concatenate(tiles[:3], axis=1), np.concatenate(tiles[3:], axis=1)])
        assert np.array_equal(whole, np.asarray(Image.open(images / split / folder / name)))


@pytest.mark.parametrize('edges, expected', [('shift', [(0, 0), (0, 20), (12, 0), (12, 20)]),
                                             ('drop', [(0, 0)]), ('pad', [(0, 0), (0, 28), (28, 0), (28, 28)])])
def test_edges(tmp_path, write, picture, edges, expected):
    array = picture(3, height=40)
    write(tmp_path / 'src/a.png', array)
    text = tile_folder(tmp_path / 'src', tmp_path / 'dst', Tiling(28, 28, edges), workers=1)
    padded = np.pad(array, [(0, 28), (0, 28), (0, 0)])
    assert len(list((tmp_path / 'dst').glob('*.png'))) == len(expected)
    for n, (top, left) in enumerate(expected, start=1):
        tile_ = np.asarray(Image.open(tmp_path / f'dst/a_{n}.png'))
        assert np.array_equal(tile_, padded[top:top + 28, left:left + 28])
    words = dict(shift='shifted back and overlaps', drop='is left out', pad='filled with zeros')
    assert 'In 1 images the tiles do not fill a side' in text and words[edges] in text


def test_depth_bands_and_palette_stay(tmp_path, write):
    deep = np.random.default_rng(0).integers(0, 65536, (8, 8, 3)).astype(np.uint16)
    (tmp_path / 'src').mkdir()
    cv2.imwrite(str(tmp_path / 'src/deep.tif'), deep)
    indexed = Image.fromarray(np.eye(8, dtype=np.uint8))
    indexed.putpalette([0, 0, 0, 255, 0, 0])
    indexed.save(tmp_path / 'src/indexed.png')
    write(tmp_path / 'src/grey.png', np.full((8, 8), 255, np.uint8))
    tile_folder(tmp_path / 'src', tmp_path / 'dst', Tiling(4, 4), workers=1)
    forms = {name: read_header(str(tmp_path / f'dst/{name}_4.png'))[1] for name in ('deep', 'indexed', 'grey')}
    assert forms == dict(deep='16-bit 3-band', indexed='8-bit palette', grey='8-bit grey')
    assert np.array_equal(cv2.imread(str(tmp_path / 'dst/deep_4.png'), cv2.IMREAD_UNCHANGED), deep[4:, 4:])
    with Image.open(tmp_path / 'dst/indexed_1.png') as image:
        assert np.array_equal(np.asarray(image), np.eye(4)) and image.convert('RGB').getpixel((0, 0)) == (255, 0, 0)


def test_a_second_run_does_nothing(images, tmp_path):
    tile_folder(images, tmp_path / 'dst', SIXTEEN, workers=1)
    before = contents(tmp_path / 'dst')
    text = tile_folder(images, tmp_path / 'dst', SIXTEEN, workers=1)
    assert text == f'{tmp_path}/dst: nothing to do, all 24 tiles of 4 images are there.'
    assert contents(tmp_path / 'dst') == before


def test_an_interrupted_run_goes_on(images, tmp_path, monkeypatch):
    class Interrupted(Exception):
        pass

    written = []

    def write_nine(path, data):
        if len(written) == 9:
            raise Interrupted
        written.append(path)
        tile_write(path, data)

    tile_write = tile.write_atomic
    monkeypatch.setattr(tile, 'write_atomic', write_nine)
    with pytest.raises(Interrupted):
        tile_folder(images, tmp_path / 'dst', SIXTEEN, workers=1)
    monkeypatch.setattr(tile, 'write_atomic', tile_write)
    half = contents(tmp_path / 'dst')
    assert len(half) == 9  # the record and eight tiles
    text = tile_folder(images, tmp_path / 'dst', SIXTEEN, workers=1)
    assert '16 tiles of 16x16 px written, 8 were there already' in text
    whole = contents(tmp_path / 'dst')
    assert len(whole) == 25 and half.items() <= whole.items()


@pytest.mark.parametrize('kept', [0, 20, 60, -20, -1])
def test_a_damaged_tile_is_made_again(images, tmp_path, kept):
    tile_folder(images, tmp_path / 'dst', SIXTEEN, workers=1)
    good = (tmp_path / 'dst/train/A/a_2.png').read_bytes()
    (tmp_path / 'dst/train/A/a_2.png').write_bytes(good[:kept])
    assert '1 tiles of 16x16 px written, 23 were' in tile_folder(images, tmp_path / 'dst', SIXTEEN, workers=1)
    assert (tmp_path / 'dst/train/A/a_2.png').read_bytes() == good


def test_new_sources_are_added(images, tmp_path, write, picture):
    tile_folder(images, tmp_path / 'dst', SIXTEEN, ['label'], workers=1)
    assert not (tmp_path / 'dst/train/A').exists()
    write(images / 'val/A/new.png', picture(9, width=16))
    assert '14 tiles of 16x16 px written, 12 were' in tile_folder(images, tmp_path / 'dst', SIXTEEN, workers=1)
    record = json.loads((tmp_path / 'dst/tiling.json').read_text())
    assert record['size'] == 16 and record['sources']['val/A/new.png']['tiles'] == 2 and len(record['sources']) == 5


@pytest.mark.parametrize('tiling, message', [
    (Tiling(8, 8), 'was cut with size 16, stride 16, edges shift, requested is size 8, stride 8'),
    (Tiling(16, 8), 'stride 8'), (Tiling(16, 16, 'pad'), 'edges pad')])
def test_another_tiling_in_the_same_folder_is_refused(images, tmp_path, tiling, message):
    tile_folder(images, tmp_path / 'dst', SIXTEEN, workers=1)
    before = contents(tmp_path / 'dst')
    with pytest.raises(FileExistsError, match=message):
        tile_folder(images, tmp_path / 'dst', tiling, workers=1)
    assert contents(tmp_path / 'dst') == before


def test_a_changed_source_is_refused(images, tmp_path):
    tile_folder(images, tmp_path / 'dst', SIXTEEN, workers=1)
    source = images / 'train/A/a.tif'
    stat, content = source.stat(), bytearray(source.read_bytes())
    content[-1] ^= 1
    source.write_bytes(content)
    os.utime(source, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert source.stat().st_mtime_ns == stat.st_mtime_ns and source.stat().st_size == stat.st_size
    with pytest.raises(FileExistsError, match='1 sources differ from those.*: train/A/a.tif'):
        tile_folder(images, tmp_path / 'dst', SIXTEEN, workers=1)


def test_the_same_pixels_elsewhere_or_at_another_time_go_on(images, tmp_path, monkeypatch):
    """A copied folder, a touched file: the content decides, is hashed once, and its new place is recorded."""
    tile_folder(images, tmp_path / 'dst', SIXTEEN, workers=1)
    moved = images.rename(tmp_path / 'moved')
    shutil.copytree(moved, images)
    os.utime(images / 'train/A/a.tif', ns=(1, 1))
    assert 'nothing to do' in tile_folder(images, tmp_path / 'dst', SIXTEEN, workers=1)
    record = json.loads((tmp_path / 'dst/tiling.json').read_text())['sources']['train/A/a.tif']
    assert record['mtime_ns'] == 1 and record['path'] == str(images / 'train/A/a.tif')
    assert record['sha256'] == hashlib.sha256((images / 'train/A/a.tif').read_bytes()).hexdigest()
    monkeypatch.setattr(tile, 'sha256_of', None)  # not called again
    assert 'nothing to do' in tile_folder(images, tmp_path / 'dst', SIXTEEN, workers=1)


def test_a_folder_that_is_linked_to_other_pixels_is_refused(images, tmp_path):
    """`current -> v1`, then `-> v2`: the same names, sizes and times."""
    other = shutil.copytree(images, tmp_path / 'v2')
    content = bytearray((other / 'test/A/a.tif').read_bytes())
    content[-1] ^= 1
    stat = (images / 'test/A/a.tif').stat()
    (other / 'test/A/a.tif').write_bytes(content)
    os.utime(other / 'test/A/a.tif', ns=(stat.st_atime_ns, stat.st_mtime_ns))
    link = tmp_path / 'current'
    link.symlink_to(images)
    tile_folder(link, tmp_path / 'dst', SIXTEEN, workers=1)
    link.unlink()
    link.symlink_to(other)
    with pytest.raises(FileExistsError, match='1 sources differ from those.*: test/A/a.tif'):
        tile_folder(link, tmp_path / 'dst', SIXTEEN, workers=1)


def test_files_of_others_are_left_alone(images, tmp_path, write, picture):
    (tmp_path / 'dst').mkdir()
    (tmp_path / 'dst/notes.txt').write_text('mine')
    with pytest.raises(FileExistsError, match='holds other things'):
        tile_folder(images, tmp_path / 'dst', SIXTEEN, workers=1)
    assert contents(tmp_path / 'dst').keys() == {'notes.txt'}
    tile_folder(images, tmp_path / 'other', SIXTEEN, ['label'], workers=1)
    mine = write(tmp_path / 'other/train/A/a_3.png', picture(1)).read_bytes()
    with pytest.raises(FileExistsError, match='1 files have the names of new tiles'):
        tile_folder(images, tmp_path / 'other', SIXTEEN, workers=1)
    assert (tmp_path / 'other/train/A/a_3.png').read_bytes() == mine
    (tmp_path / 'other/tiling.json').write_text('{"size": 16')
    with pytest.raises(DatasetError, match='tiling.json: damaged'):
        tile_folder(images, tmp_path / 'other', SIXTEEN, workers=1)


def test_the_source_is_never_written_to(images, tmp_path):
    before = contents(images)
    (tmp_path / 'link').symlink_to(images)
    for dst in (images, images / 'tiles', images / '../src/x', tmp_path / 'link/x'):
        with pytest.raises(ValueError, match='lies in it'):
            tile_folder(images, dst, SIXTEEN)
    assert contents(images) == before


def test_mistakes_are_named_before_anything_is_written(images, tmp_path, write, picture):
    with pytest.raises(DatasetError, match=r'4 images are smaller than a tile of 33 px: .*A/a.tif \(48x32\)'):
        tile_folder(images, tmp_path / 'dst', Tiling(33, 33))
    with pytest.raises(DatasetError, match='no images below a folder named B .*; there are A, label, test, train'):
        tile_folder(images, tmp_path / 'dst', SIXTEEN, ['A', 'B'])
    write(images / 'train/A/a.png', picture(1))
    with pytest.raises(DatasetError, match='a.png and .*a.tif'):
        tile_folder(images, tmp_path / 'dst', SIXTEEN)
    assert not (tmp_path / 'dst').exists()


def test_images_above_pillows_limit_are_cut(images, tmp_path, monkeypatch):
    monkeypatch.setattr(Image, 'MAX_IMAGE_PIXELS', 600)
    assert '24 tiles' in tile_folder(images, tmp_path / 'dst', SIXTEEN, workers=2)


def test_command(images, tmp_path, command):
    status, out, _ = command('tile', images, tmp_path / 'dst', '--size', 16, '--stride', 8, '--drop-edge',
                             '--folders', 'A', '--workers', 1)
    assert status == 0 and out.splitlines()[-1].startswith(f'{tmp_path}/dst: 30 tiles of 16x16 px written')
    status, _, err = command('tile', images, tmp_path / 'dst', '--size', 64)
    assert status == 2 and err.startswith('error: 4 images are smaller') and err.count('\n') == 1
    (images / 'test/A/a.tif').write_bytes((images / 'test/A/a.tif').read_bytes()[:-500])
    status, _, err = command('tile', images, tmp_path / 'new', '--size', 16, '--workers', 2)
    assert status == 2 and err.startswith('error: ') and 'a.tif' in err and err.count('\n') == 1


@pytest.mark.filterwarnings('ignore::rasterio.errors.NotGeoreferencedWarning')
def test_rasters_that_pillow_cannot_open(tmp_path):
    rasterio = pytest.importorskip('rasterio')
    path = tmp_path / 'src/a.tif'
    path.parent.mkdir()

    def save(values):
        with rasterio.open(path, 'w', driver='GTiff', count=4, height=16, width=16, dtype=values.dtype,
                           photometric='minisblack', alpha='no') as file:
            file.write(values)

    values = np.random.default_rng(0).integers(0, 256, (4, 16, 16), np.uint8)
    save(values)
    tile_folder(tmp_path / 'src', tmp_path / 'dst', SIXTEEN, workers=1)
    assert (np.asarray(Image.open(tmp_path / 'dst/a_1.png')).transpose(2, 0, 1) == values).all()
    save(values.astype(np.uint16))
    with pytest.raises(DatasetError, match=r'a\.tif: expected an 8-bit image .*, found 16-bit 4-band\. `schanger from'):
        tile_folder(tmp_path / 'src', tmp_path / 'new', SIXTEEN, workers=1)
    path.write_bytes(path.read_bytes()[:6])
    with pytest.raises(DatasetError, match=r'a\.tif: truncated, corrupt or'):
        tile_folder(tmp_path / 'src', tmp_path / 'new', SIXTEEN, workers=1)
