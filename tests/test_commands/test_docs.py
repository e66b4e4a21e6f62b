"""Every command line of the documentation runs, page by page, on small drawn data that stands where the pages say.

The lines are run as they are written, with options added that make them short (see :func:`shorter`).
"""

import glob
import importlib
import re
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from fixtures.shell_lines import LINES, PAGES, ROOT, Line, lines_of

from schanger_mm.apis import load_config
from schanger_mm.commands.table import module_of
from schanger_mm.config.loading import parse_options
from schanger_mm.demo.scenes import draw_pair, draw_pair_with_masks, draw_single

pytestmark = pytest.mark.long
CITY = 'data/my_city'
LINKS = 'configs', 'tools', 'requirements', 'requirements.txt'
PRETRAINED = 'work_dirs/pretrain_inria/iter_1124000.pth'
CHECKPOINTS = sorted({word for line in LINES for word in re.findall(r'work_dirs/[\w./-]+\.pth', line.text)})
"""What the pages call the checkpoints of a complete training."""
PRELUDE = (
    'schanger tile AerialImageDataset/train data/inria_1000/train --size 1000',
    'schanger train levir', 'schanger export levir best.pth --format onnx --out levir.onnx',
    'schanger publish best.pth published --hub ORG/NAME --dry-run',
    f'schanger train custom --work-dir work_dirs/my_city --cfg-options train_dataloader.dataset.data_root={CITY} '
    f'val_dataloader.dataset.data_root={CITY}')
"""What several pages need and only one of them makes."""


def write(path, image):
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), image)


def draw_city(folder, rng):
    """Draw pairs as a city keeps them: in folders by split, and in folders by date with a table."""
    rows = []
    for index, split in enumerate(['train'] * 4 + ['val'] * 2 + ['test'] * 2):
        pair = draw_pair(rng, 72)
        for name, suffix, image in zip(('A', 'B', 'label'), ('.jpg', '.jpg', '.png'), pair):
            write(folder / CITY / split / name / f'block {index}{suffix}', image)
        for name, suffix, image in zip(('2019', '2023', 'masks'), ('.jpg', '.jpg', '.png'), pair):
            write(folder / 'data/my_table' / name / f'block {index}{suffix}', image)
        rows.append(f'block {index}.jpg,{split}')
    (folder / 'data/my_table/split.csv').write_text('\n'.join(rows))
    (folder / 'my_table.py').write_text(re.search(
        r'```python\n(# my_table\.py\n.*?)```', (ROOT / 'docs/own_pairs.md').read_text(), re.DOTALL)[1])


def draw_classes(folder, rng):
    """Draw pairs with class maps of both dates, of two of the classes that docs/semantic.md names."""
    for index, split in enumerate(['train'] * 4 + ['val'] * 2):
        *dates, _, before, after = draw_pair_with_masks(rng, 72)
        maps = [np.where(mask[..., None] > 0, (100, 30, 230), (0, 155, 0)) for mask in (before, after)]  # B, G, R
        for name, image in zip(('A', 'B', 'label_a', 'label_b'), (*dates, *maps)):
            write(folder / 'data/my_city_classes' / split / name / f'{index}.png', image)


def draw_bands(folder, rng):
    """Draw pairs of four bands of 16 bits, and two rasters."""
    import rasterio
    place = rasterio.transform.from_origin(500000, 5000000, 10, 10)
    for year, image in zip((2019, 2023), draw_pair(rng, 288)):
        with rasterio.open(folder / f'bands_{year}.tif', 'w', driver='GTiff', width=288, height=288, count=4,
                           dtype='uint16', crs='EPSG:32633', transform=place) as file:
            file.write(30 * image[..., [0, 1, 2, 1]].transpose(2, 0, 1).astype(np.uint16))
    for index in range(4):
        *dates, label = draw_pair(rng, 72)
        for name, image in zip('AB', dates):
            path = folder / f'data/my_bands/{name}/{index}.tif'
            path.parent.mkdir(parents=True, exist_ok=True)
            with rasterio.open(path, 'w', driver='GTiff', width=72, height=72, count=4, dtype='uint16') as file:
                file.write(30 * image[..., [0, 1, 2, 1]].transpose(2, 0, 1).astype(np.uint16))
        write(folder / f'data/my_bands/label/{index}.png', label)


def draw_pairs(folder, count):
    """Write pairs of one colour each, named as tiles are."""
    for index in range(count):
        for name in ('A', 'B', 'label'):
            write(folder / name / f'area{index // 2}_{index % 2 + 1}.png', np.full((64, 64, 3), index, np.uint8))


def draw_region(folder, rng):
    """Draw 12 pairs with labels and 4 without, under the names of the two pages that train with both."""
    for index in range(16):
        pair = draw_pair(rng, 72)
        for names in (('my_region', '2019', '2023', 'masks'), ('custom', 'A', 'B', 'label')):
            for name, image in zip(names[1:], pair[:2] if index >= 12 else pair):
                write(folder / 'data' / names[0] / name / f'{index}.png', image)
    (folder / 'my_region.py').write_text(re.search(
        r'```python\n(# my_region\.py\n.*?)```', (ROOT / 'docs/own_pairs.md').read_text(), re.DOTALL)[1])


def draw_rasters(folder, rng):
    """Draw two rasters with a GeoPackage of what changed, the same in folders, and a table."""
    import geopandas
    import rasterio
    from rasterio.features import shapes
    from shapely.geometry import shape
    *dates, label = draw_pair(rng, 288)
    label[100:140, 100:140] = 255  # also where none was drawn
    place = rasterio.transform.from_origin(500000, 5000000, 0.5, 0.5)
    for image, names in zip(dates, (('before', '2019', '2019/city'), ('after', '2023', '2023/city'))):
        for name in names:
            (folder / name).parent.mkdir(exist_ok=True)
            with rasterio.open(folder / f'{name}.tif', 'w', driver='GTiff', width=288, height=288, count=3,
                               dtype='uint8', crs='EPSG:32633', transform=place) as file:
                file.write(image.transpose(2, 0, 1))
    (folder / 'pairs.csv').write_text('before,after,name\n2019.tif,2023.tif,city\n')
    changes = [shape(outline) for outline, value in shapes(label, transform=place) if value]
    geopandas.GeoDataFrame(geometry=changes, crs='EPSG:32633').to_file(folder / 'new_buildings.gpkg')


@pytest.fixture(scope='module')
def world(tmp_path_factory, fakes):
    """A folder in which every file that the pages name exists, except what their own lines make."""
    folder, rng = tmp_path_factory.mktemp('world'), np.random.default_rng(0)
    for name in LINKS:
        (folder / name).symlink_to(ROOT / name)
    draw_city(folder, rng)
    draw_region(folder, rng)
    draw_rasters(folder, rng)
    draw_classes(folder, rng)
    draw_bands(folder, rng)
    shutil.copytree(fakes('LEVIRCDDataset'), folder / 'data/LEVIR-CD')
    shutil.copytree(fakes('SECONDDataset'), folder / 'data/SECOND')
    shutil.copytree(fakes('OSCDDataset'), folder / 'data/OSCD')
    draw_pairs(folder / 'data/LEVIR-CD+/train', 70)  # enough for the lists that the pages draw
    draw_pairs(folder / 'data/GZ-CD', 12)
    for index in range(4):
        for name, image in zip(('images', 'gt'), draw_single(rng, 250)):
            large = cv2.resize(image, (1000, 1000), interpolation=cv2.INTER_NEAREST)
            write(folder / f'AerialImageDataset/train/{name}/town{index}.png', large)
    return folder


@pytest.fixture(scope='module')
def run_line(world, run):
    """Return a function that runs a line in that folder, shortened, and returns what it printed."""
    from schanger_mm.checkpoints.convert import mm_to_published, network
    cache = world / 'torch/hub/checkpoints'  # where downloads are kept: random weights in the authors' layout
    cache.mkdir(parents=True)
    for size, name, dates in (('base', 'levir', 2), ('small', 'levir', 2), ('base', 'pretrain', 1),
                              ('small', 'pretrain', 1)):
        torch.save(mm_to_published(network(size, dates).state_dict())[0], cache / f'schanger_{size}_{name}.pth')
    (world / 'work_dirs/pretrain_inria').mkdir(parents=True)
    torch.save(dict(state_dict=network('base', 1).state_dict()), world / PRETRAINED)

    def run_it(line):
        name, words = line.command
        words = [found for word in words for found in expanded(world, word)]
        if name == 'area' and '--draw' in words:
            find_changes(world)
        if name == 'correct':
            mark_changes(world)
        text = run(name, *shorter(world, name, words), cwd=world)
        if name == 'train':
            provide_checkpoints(world)
        if name == 'area' and '--draw' in words:
            check_points(world)
        return text

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv('TORCH_HOME', str(world / 'torch'))
        for text in PRELUDE:
            run_it(Line('what other pages make', text))
        run_it.world = world
        yield run_it


def serve_model(hub, world):
    """Put the model that the pages call ORG/NAME on the hub."""
    hub.add('ORG/NAME', {path.name: path.read_bytes() for path in (world / 'published').iterdir()},
            private=True)


def find_changes(world):
    """Let the map be what was drawn: random weights may find nothing, or changes everywhere."""
    import rasterio
    shutil.copy(world / 'new_buildings.gpkg', world / 'changes/change.gpkg')
    with rasterio.open(world / 'changes/change.tif') as file:
        profile = {**file.profile, 'driver': 'GTiff'}
    with rasterio.open(world / 'changes/change.tif', 'w', **profile) as file:
        file.write(np.zeros((1, profile['height'], profile['width']), np.uint8))


def mark_changes(world):
    """Check the polygons of the map, as the reader does: the first is wrong, the others are right."""
    import geopandas
    changes = geopandas.read_file(world / 'new_buildings.gpkg')
    changes['rank'] = range(1, len(changes) + 1)
    changes['correct'] = ['no', *['yes'] * (len(changes) - 1)]
    changes.to_file(world / 'changes/change.gpkg', layer='changes')


def check_points(world):
    """Check the points of a sample, as the reader does: the map is right."""
    import geopandas
    points = geopandas.read_file(world / 'changes/sample.gpkg')
    points['truth'] = points['map']
    points.to_file(world / 'checked.gpkg')


def expanded(world, word):
    """Expand a pattern as a shell does."""
    return sorted(glob.glob(word, root_dir=world)) or [word] if '*' in word else [word]


def shorter(world, name, words):
    """Add options that make a line short and let it run again."""
    if name == 'train':
        words = [*(word for word in words if word not in ('--max-iters', '300')), '--max-iters', '2', '--cfg-options',
                 *small_settings(world, words)]
    elif name == 'test':
        words = [*words, '--cfg-options', 'test_dataloader.num_workers=0']
    elif name == 'benchmark':
        if 'cuda:0' in words:  # lines for a GPU are run without one
            del words[words.index('--device'):words.index('cuda:0') + 1]
        words = [*words, '--arch', 'small', '--sizes', '64', '--rounds', '1', '--variants', 'plain']
    elif name == 'browse':
        words = [*words, '--number', '2']
    elif name in ('from-rasters', 'correct'):
        words = [*words, '--size', '32', '--block', '64']
    known = importlib.import_module(module_of(name)).parser().format_help()
    if '--overwrite' in known and not {'--overwrite', '--resume'} & set(words) and (name != 'test' or '--out' in words):
        words = ['--overwrite', *words]
    return words


def small_settings(world, words):
    """Yield --cfg-options for two crops of 64 px in this process, from random instead of ImageNet weights."""
    options = words[words.index('--cfg-options') + 1:] if '--cfg-options' in words else []
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(world)
        cfg = load_config(words[0], parse_options(options))
    for loader in ('train_dataloader', 'val_dataloader'):
        if cfg.get(loader):
            yield from (f'{loader}.num_workers=0', f'{loader}.persistent_workers=False', f'{loader}.batch_size=2')
    parts = {'': cfg.train_dataloader.dataset,
             **{f'.{name}': part for name in ('labelled', 'unlabelled')
                if isinstance(part := cfg.train_dataloader.dataset.get(name), dict)}}
    steps = {f'train_dataloader.dataset{name}.pipeline.{index}': step for name, part in parts.items()
             for index, step in enumerate(part.get('pipeline') or [])}
    inner = {f'{key}.transforms.{index}': step for key, whole in steps.items()
             for index, step in enumerate(whole.get('transforms', []))}
    for key, step in {**steps, **inner}.items():
        yield from (f'{key}.{size}=(64,64)' for size in ('crop_size', 'size') if size in step)
    if 'views' in cfg.model:
        yield 'model.views.size=(64,64)'
    if cfg.model.backbone.get('init_cfg'):
        yield 'model.backbone.init_cfg=None'


def provide_checkpoints(world):
    """Give the checkpoints of short trainings the names that those of complete ones have."""
    for folder in (world / 'work_dirs').iterdir():
        if (folder / 'last_checkpoint').exists():
            last = (folder / 'last_checkpoint').read_text().strip()
            names = [Path(name).name for name in CHECKPOINTS if Path(name).parent.name == folder.name]
            if not any(folder.glob('best_changed_F1_iter_*.pth')):
                names.append('best_changed_F1_iter_2.pth')
            for path in [folder / name for name in names] + [world / 'best.pth'] * (folder.name == 'levir'):
                if not path.exists():
                    shutil.copy(last, path)
                    if path.name == 'best.pth':
                        decide(path)


def decide(path):
    """Let a network that has hardly learnt anything call every pixel changed, with or without rounding (int8)."""
    content = torch.load(path, weights_only=False)
    content['state_dict']['decode_head.conv_seg.bias'] += 10
    torch.save(content, path)


@pytest.mark.parametrize('page', [page for page in PAGES if page.suffix == '.md' and
                                  any(line.is_ours and not line.reason for line in lines_of(page))],
                         ids=lambda page: page.relative_to(ROOT).as_posix())
def test_the_lines_of_a_page_run_one_after_the_other(page, run_line, request):
    if 'hf://' in page.read_text(encoding='utf-8'):
        serve_model(request.getfixturevalue('hub'), run_line.world)
        request.getfixturevalue('monkeypatch').setenv('HF_TOKEN', 'hf_right')
    failed = []
    for line in lines_of(page):
        if line.is_ours and not line.reason:
            try:
                run_line(line)
            except Exception as error:  # all lines of a page are reported, not only the first
                failed.append(f'{line}:\n{error}')
    assert not failed, '\n'.join(failed)
