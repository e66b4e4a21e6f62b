"""What is read: for each kind of file some good ones, and a reader that judges what came out of a damaged one.

A reader returns normally if the file was read and what came out is right, and
raises an error of this package otherwise; anything else is a finding.
"""

import dataclasses
import io
import json
import random
import shutil
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from mmengine.registry import DefaultScope
from PIL import Image
from safetensors.torch import save

from schanger_mm.checkpoints import read_checkpoint
from schanger_mm.data_tools import split, tile, tile_record
from schanger_mm.data_tools.pixels import encode_png, read_pixels
from schanger_mm.datasets import BiTemporalDataset
from schanger_mm.datasets.reading import read_header, read_image, read_label
from schanger_mm.deploy.card import Card, read_card
from schanger_mm.scene.pairs import find_pairs
from schanger_mm.scene.run_folder import SUMMARY, Journal, Outputs
from schanger_mm.utils.tiling import Tiling
from schanger_mm.visualization.report import read_log

SIDE = 24
PIPELINE = [dict(type='LoadBiTemporalImages', allow_grey=True), dict(type='LoadChangeLabel')]


@dataclass(frozen=True)
class Target:
    """A kind of file.

    Args:
        make: writes good files to a folder and returns their names by what they are.
        read: is given the folder, the name of the damaged file and its content before.
        share: of all cases.
    """

    make: Callable[[Path], list[str]]
    read: Callable[[Path, str, bytes], None]
    share: int


def noise(bands: int = 3, dtype: type = np.uint8, seed: int = 0) -> np.ndarray:
    top = 255 if dtype == np.uint8 else 4000
    values = np.random.default_rng(seed).integers(0, top, (SIDE, SIDE, bands)).astype(dtype)
    return values[..., 0] if bands == 1 else values


def mask() -> np.ndarray:
    values = np.zeros((SIDE, SIDE), np.uint8)
    values[4:15, 3:20] = 255
    return values


def _save(path: Path, array: np.ndarray, **options) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path, **options)


# --- pairs: three files, one of them damaged, through the data set and its loaders

COLOURS = {
    'png': dict(), 'jpg': dict(quality=90), 'tif': dict(compression='tiff_lzw'), 'bmp': dict(),
    'jpeg': dict(progressive=True), 'tiff': dict()}


def make_pairs(folder: Path) -> list[str]:
    for name, options in COLOURS.items():
        for date, seed in (('A', 0), ('B', 1)):
            _save(folder / name / date / f'0.{name}', noise(seed=seed), **options)
        _save(folder / name / 'label/0.png', mask())
    Image.fromarray(mask()).convert('1').save(folder / 'tif/label/0.png')
    Image.fromarray(mask()).convert('P').save(folder / 'bmp/label/0.png')
    Image.fromarray(mask()).save(folder / 'jpg/label/0.tif', compression='tiff_adobe_deflate')
    (folder / 'jpg/label/0.png').unlink()
    return [str(path.relative_to(folder)) for path in sorted(folder.glob('*/*/*'))]


def read_pair(folder: Path, name: str, before: bytes) -> None:
    root = folder / Path(name).parts[0]
    with DefaultScope.overwrite_default_scope('schanger_mm'):
        data = BiTemporalDataset(data_root=str(root), pipeline=PIPELINE, serialize_data=False)
        sample = data[0]
    shapes = {tuple(image.shape) for image in sample['img']}
    assert len(data) == 1 and len(shapes) == 1
    (height, width, bands), = shapes
    assert bands == 3 and sample['gt_seg_map'].shape == (height, width) == sample['img_shape']
    assert all(image.dtype == np.uint8 for image in sample['img']) and set(np.unique(sample['gt_seg_map'])) <= {0, 1}
    role = Path(name).parts[1]
    if role != 'A':  # the other files are whole, and are what they are beside a damaged one
        path, = (root / 'A').iterdir()
        np.testing.assert_array_equal(sample['img'][0], np.asarray(Image.open(path))[..., ::-1])


# --- pixels: what the data tools read, of any depth and number of bands

def make_pixels(folder: Path) -> list[str]:
    _save(folder / 'grey16.png', noise(1, np.uint16))
    _save(folder / 'grey16.tif', noise(1, np.uint16), compression='tiff_lzw')
    _save(folder / 'rgba.png', noise(4))
    _save(folder / 'rgba.tif', noise(4))
    _save(folder / 'float.tif', noise(1).astype(np.float32))
    _save(folder / 'palette.png', noise(1))
    Image.open(folder / 'palette.png').convert('P').save(folder / 'palette.png')
    (folder / 'colour16.png').write_bytes(encode_png(_Colour16(), 'x'))
    _save(folder / 'cmyk.jpg', noise(3))
    Image.fromarray(noise(3)).convert('CMYK').save(folder / 'cmyk.jpg')
    return sorted(path.name for path in folder.iterdir())


class _Colour16:
    array, form, palette = noise(3, np.uint16), '16-bit 3-band', None


def read_any_pixels(folder: Path, name: str, before: bytes) -> None:
    path = folder / name
    pixels = read_pixels(path)
    (height, width), form = read_header(str(path))
    assert pixels.array.shape[:2] == (height, width) and form == pixels.form and pixels.array.size
    assert pixels.array.dtype != object
    for reader in (read_image, read_label):
        try:
            assert reader(str(path)).shape[:2] == (height, width)
        except ValueError as error:
            if path.name not in str(error):
                raise


# --- rasters of scenes, read window by window

def make_rasters(folder: Path) -> list[str]:
    import rasterio
    from rasterio.transform import from_origin
    kinds = {
        'strips.tif': dict(count=3), 'lzw.tif': dict(count=3, compress='lzw', predictor=2, interleave='pixel'),
        'tiled16.tif': dict(count=4, dtype='uint16', tiled=True, blockxsize=16, blockysize=16, compress='deflate'),
        'float.tif': dict(count=3, dtype='float32', nodata=-1.0), 'big.tif': dict(count=3, BIGTIFF='YES'),
        'jpeg.tif': dict(count=3, compress='jpeg', photometric='YCBCR', tiled=True, blockxsize=16, blockysize=16)}
    folder.mkdir(parents=True, exist_ok=True)
    for name, options in kinds.items():
        options = dict(dict(dtype='uint8', crs='EPSG:32633', transform=from_origin(5e5, 5e6, 0.5, 0.5)), **options)
        with rasterio.open(folder / name, 'w', driver='GTiff', width=SIDE, height=SIDE, **options) as raster:
            raster.write(np.moveaxis(noise(options['count']), -1, 0).astype(options['dtype']))
    _save(folder / 'plain.png', noise())
    _save(folder / 'plain.jpg', noise())
    bands = ''.join(f'<VRTRasterBand dataType="Byte" band="{band}"><SimpleSource><SourceFilename relativeToVRT="1">'
                    f'strips.tif</SourceFilename><SourceBand>{band}</SourceBand></SimpleSource></VRTRasterBand>'
                    for band in (1, 2, 3))
    (folder / 'mosaic.vrt').write_text(
        f'<VRTDataset rasterXSize="{SIDE}" rasterYSize="{SIDE}"><SRS>EPSG:32633</SRS>'
        f'<GeoTransform>500000,0.5,0,5000000,0,-0.5</GeoTransform>{bands}</VRTDataset>')
    return sorted(path.name for path in folder.iterdir())


def read_raster(folder: Path, name: str, before: bytes) -> None:
    from contextlib import closing

    from schanger_mm.geo.raster import Raster
    bands = (1, 2, 3) if '16' in name else None
    with closing(Raster(str(folder / name), bands)) as raster:
        width, height = min(raster.grid.width, 200), min(raster.grid.height, 200)
        values, valid = raster.read(0, 0, width, height)
        assert values.shape == (3, height, width) and valid.shape == (height, width)
        assert str(values.dtype) == raster.dtype
        values, valid = raster.read_reduced(0, 0, width, height, (5, 4))
        assert values.shape == (3, 4, 5) and valid.shape == (4, 5)


# --- lists, tables, records

def make_lists(folder: Path) -> list[str]:
    for index in range(4):
        for role, image in (('A', noise(seed=index)), ('B', noise(seed=10 + index)), ('label', mask())):
            _save(folder / f'data/{role}/{"city/" if index > 1 else ""}t {index}é.png', image)
    names = ['t 0é.png', 't 1é', 'city/t 2é.png', 'city\\t 3é.png']
    (folder / 'plain.txt').write_text('\n'.join(names), encoding='utf-8')
    (folder / 'windows.txt').write_bytes(('\r\n'.join(names[:2]) + '\r\n').encode('utf-8-sig'))
    (folder / 'table.csv').write_text(''.join(f'{name},{"train" if index else "val"}\n'
                                              for index, name in enumerate(names)), encoding='utf-8')
    return ['plain.txt', 'windows.txt', 'table.csv']


def read_list(folder: Path, name: str, before: bytes) -> None:
    split_of = 'train' if name == 'table.csv' else None
    data = BiTemporalDataset(data_root=str(folder / 'data'), ann_file=str(folder / name), list_split=split_of,
                             pipeline=[], serialize_data=False)
    found = [data.get_data_info(index) for index in range(len(data))]
    names = [sample['name'] for sample in found]
    assert 1 <= len(names) == len(set(names)) <= 4
    for sample in found:
        paths = [*sample['img_path'], sample['seg_map_path']]
        assert [str(Path(path).relative_to(folder / 'data')) for path in paths] == [
            f'{role}/{sample["name"]}.png' for role in ('A', 'B', 'label')]


def make_tables(folder: Path) -> list[str]:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / 'pairs.csv').write_text('before,after,name\n2019/a.tif,2023/a.tif,north\n"b, c.tif",d.tif,\n')
    (folder / 'two.csv').write_bytes('\ufeffbefore,after\r\na.tif,b.tif\r\nc.tif,d.tif\r\n'.encode())
    return ['pairs.csv', 'two.csv']


def read_table(folder: Path, name: str, before: bytes) -> None:
    pairs = find_pairs(str(folder / name)).pairs
    names = [pair.name.lower() for pair in pairs]
    assert pairs and len(set(names)) == len(names)
    for pair in pairs:
        assert not set(pair.name) & set('/\\\0') and pair.name not in ('.', '..')
        for path in (pair.spec.before, pair.spec.after):
            assert path.startswith(f'{folder}/') and '..' != Path(path).relative_to(folder).parts[0]


def make_journal(folder: Path) -> list[str]:
    journal = Journal(folder, BINDING)
    for index in range(3):
        journal.store(index, np.full((8, 8), index, np.uint8))
    (folder / SUMMARY).write_text(json.dumps(BINDING))
    return ['.journal/run.json', '.journal/done.txt', '.journal/blocks/000001.npy', SUMMARY]


BINDING = dict(inputs=dict(before=dict(files=[dict(path='a.tif', bytes=3)])), settings=dict(window=64, overlap=32.5))


def read_journal(folder: Path, name: str, before: bytes) -> None:
    own = folder.with_name('journal-copy')  # going on with a run changes its files
    shutil.rmtree(own, ignore_errors=True)
    shutil.copytree(folder, own)
    folder = own
    if name == SUMMARY:
        shutil.rmtree(folder / '.journal')
        found = Outputs(folder, True).earlier(BINDING)
        assert {key: found[key] for key in BINDING} == BINDING
        return
    journal = Journal(folder, BINDING, resume=True)
    assert set(journal.done) <= {0, 1, 2}
    for index in journal.done:  # others are made again
        assert (journal.load(index) == index).all() and journal.load(index).shape == (8, 8)


DRAW = dict(draws=[dict(source='A', seed=0, lists={'train.txt': dict(images=3), 'val.txt': dict(images=1)})])


def make_records(folder: Path) -> list[str]:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / split.RECORD).write_text(json.dumps(DRAW))
    (folder / 'tiles').mkdir()
    record = dict(dataclasses.asdict(Tiling(16, 16)), sources={'a.png': 'x'})
    (folder / 'tiles' / tile.RECORD).write_text(json.dumps(record))
    (folder / 'rasters.json').write_text(json.dumps(BINDING))
    (folder / 'scalars.json').write_text('{"loss": 1.5, "step": 1}\n{"loss": 1.25, "step": 2}\n')
    return [split.RECORD, f'tiles/{tile.RECORD}', 'rasters.json', 'scalars.json']


def read_record(folder: Path, name: str, before: bytes) -> None:
    if name == 'scalars.json':
        curves = read_log(folder / name)
        assert all(isinstance(value, (int, float)) for curve in curves.values() for _, value in curve)
    elif name == 'rasters.json':
        tile_record.check_same_request(folder, folder / name, BINDING, 'remove it.')
    elif name == split.RECORD:
        assert isinstance(split._earlier_draws(folder, ['train']), list)
    else:
        assert isinstance(tile._earlier_sources(folder / 'tiles', Tiling(16, 16), []), dict)


# --- networks

CARD = Card(inputs=('before', 'after'), classes=('unchanged', 'changed'), mean=((0.0, ) * 3, ) * 2,
            std=((1.0, ) * 3, ) * 2, normalisation='inside', threshold=0.5, tile=256, fixed_size=False, gsd=0.5,
            align_corners=True, config='c.py', checkpoint='c.pth', checkpoint_sha256='0' * 64, versions=dict(torch='2'))


def make_cards(folder: Path) -> list[str]:
    folder.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(folder / 'net.pt2', 'w') as archive:
        archive.writestr('net/extra/schanger_mm.json', CARD.dumps())
        archive.writestr('net/data/weights/weight_0', bytes(100))
    text = CARD.dumps().replace('&', '&amp;').replace('"', '&quot;')
    (folder / 'net.xml').write_text(f'<?xml version="1.0"?><net><layers/><rt_info><schanger_mm value="{text}"/>'
                                    '</rt_info></net>')
    names = ['net.pt2', 'net.xml']
    try:
        import onnx
    except ImportError:
        return names
    weight = onnx.helper.make_tensor('w', onnx.TensorProto.FLOAT, [4], bytes(16), True)
    value = onnx.helper.make_tensor_value_info('x', onnx.TensorProto.FLOAT, [4])
    graph = onnx.helper.make_graph([onnx.helper.make_node('Add', ['x', 'w'], ['y'])], 'g', [value], [
        onnx.helper.make_tensor_value_info('y', onnx.TensorProto.FLOAT, [4])], [weight])
    model = onnx.helper.make_model(graph)
    onnx.helper.set_model_props(model, {'schanger_mm': CARD.dumps()})
    (folder / 'net.onnx').write_bytes(model.SerializeToString())
    return [*names, 'net.onnx']


def read_any_card(folder: Path, name: str, before: bytes) -> None:
    card = read_card(folder / name)
    assert 0 <= card.threshold <= 1 and card.tile >= 1 and len(card.mean) == len(card.std) == 2
    assert np.isfinite(np.array([card.mean, card.std], np.float64)).all()
    assert json.loads(card.dumps())  # what a report repeats


def make_weights(folder: Path) -> list[str]:
    folder.mkdir(parents=True, exist_ok=True)
    state = {'a.weight': torch.arange(12.0).reshape(3, 4), 'b': torch.ones(2, dtype=torch.int64)}
    (folder / 'w.safetensors').write_bytes(save(state))
    torch.save(dict(state_dict=state, meta=dict(cfg='a = 1', epoch=3)), folder / 'w.pth')
    torch.save(dict(state_dict=state), folder / 'old.pth', _use_new_zipfile_serialization=False)
    (folder / 'net').mkdir()
    (folder / 'net/model.safetensors').write_bytes(save(state))
    (folder / 'net/config.json').write_text(json.dumps(dict(model=dict(type='X', arch=[8, 8]), gsd=0.5, a=[[1], None])))
    return ['w.safetensors', 'w.pth', 'old.pth', 'net/config.json']


def read_weights(folder: Path, name: str, before: bytes) -> None:
    if name == 'net/config.json':  # as it comes from the hub
        assert isinstance(read_checkpoint(folder / 'net').config(), dict)
        return
    content = read_checkpoint(folder / name).content
    assert isinstance(content, dict)
    torch.save(content, io.BytesIO())  # every tensor is walked through


TARGETS = {
    'pairs': Target(make_pairs, read_pair, 32), 'pixels': Target(make_pixels, read_any_pixels, 16),
    'rasters': Target(make_rasters, read_raster, 16), 'lists': Target(make_lists, read_list, 10),
    'tables': Target(make_tables, read_table, 6), 'journals': Target(make_journal, read_journal, 6),
    'records': Target(make_records, read_record, 4), 'cards': Target(make_cards, read_any_card, 6),
    'weights': Target(make_weights, read_weights, 6)}


def file_of(target: str, case: int, names: list[str]) -> tuple[random.Random, str]:
    """Random numbers of a case, and the file that it damages."""
    rng = random.Random(f'{target} {case}')
    return rng, names[case % len(names)]
