"""Shared by all tests."""

import ast
import gc
import importlib
import importlib.util
import logging
import sys
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import config as mmengine_config
from mmengine.logging import MMLogger
from mmengine.registry import MODELS as ROOT_MODELS
from mmengine.registry import DefaultScope
from yapf.yapflib import yapf_api

import schanger_mm  # noqa: F401  (adapts the installed stack)
from schanger_mm.apis import load_config, prepare
from schanger_mm.demo.scenes import draw_pair, draw_pair_with_masks, draw_single
from schanger_mm.registry import DATASETS, SCOPE

pytest_plugins = ['fixtures.commands', 'fixtures.exports', 'fixtures.hub', 'fixtures.kinds', 'fixtures.range_server',
                  'fixtures.rasters', 'fixtures.trained', 'fixtures.web']

ROOT = Path(__file__).parents[1]
DATA = Path(__file__).parent / 'data'
TINY = (8, 8, 12, 16, 20, 24)
SIZE = 64
SINGLE = ('train/images', 'train/gt'), *(
    (f'pretrain/{split}/images', f'pretrain/{split}/masks') for split in ('train', 'val'))


@pytest.fixture(autouse=True)
def _scope_and_seed():
    """Give every test our default scope, the same random numbers, and loggers of its own.

    A test must leave the root logger as it was: at another level it would hide the warnings of all later tests.
    """
    level = logging.root.level
    MMLogger._instance_dict.clear()  # their names hold the second of their making, and their streams end with a test
    torch.manual_seed(0)
    with DefaultScope.overwrite_default_scope(SCOPE):
        yield
    left = logging.root.level
    logging.root.setLevel(level)
    assert left == level, f'the root logger is left at {logging.getLevelName(left)}'


@pytest.fixture(autouse=True, scope='module')
def _what_is_there_is_no_garbage():
    """Keep gc.collect(), which mmengine calls for each data set, from looking through torch and all tests each time."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True, scope='session')
def _without_layout():
    """Leave the texts of configs as mmengine writes them, checked but not laid out by yapf.

    A run lays its config out for the log, for the work directory and for each checkpoint, which takes longer than most
    tests do otherwise.
    """
    def leave(text, **style):
        ast.parse(text)
        return text, False

    with pytest.MonkeyPatch.context() as patch:
        for module in yapf_api, mmengine_config:  # imported by each call, or once
            if hasattr(module, 'FormatCode'):
                patch.setattr(module, 'FormatCode', leave)
        yield


@pytest.fixture(scope='session')
def root() -> Path:
    """The repository."""
    return ROOT


@pytest.fixture(scope='session')
def data() -> Path:
    """Committed fixtures."""
    return DATA


def draw_semantic(cls, rng):
    """Draw a pair for a data set with classes: buildings are its last class, other ground that changed its first."""
    a, b, label, *masks = draw_pair_with_masks(rng, SIZE)
    first, *_, last = cls.CLASSES.values()
    found = []
    for mask in masks:
        classes = np.where((mask > 0)[..., None], np.broadcast_to(last, 3), np.broadcast_to(first, 3))
        if cls.NO_CHANGE is not None:
            classes = np.where((label > 0)[..., None], classes, np.broadcast_to(cls.NO_CHANGE, 3))
        classes = classes[..., ::-1] if isinstance(last, tuple) else classes[..., 0]
        found.append(classes.astype(np.uint8))
    return [a, b, *found]


@pytest.fixture(scope='session')
def fakes(tmp_path_factory):
    """Return a function that draws two samples per split in the folders that a data set of this type reads."""
    made: dict[str, Path] = {}

    def write(path, image):
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), image)

    def draw(kind: str) -> Path:
        root, rng = tmp_path_factory.mktemp(kind), np.random.default_rng(0)
        if kind in ('InriaDataset', 'BuildingDataset'):
            (root / 'splits').mkdir()
            for split in ('train', 'val'):
                (root / f'splits/{split}.txt').write_text('0\n1\n')
            for index in range(2):
                for folders in SINGLE:
                    for folder, image in zip(folders, draw_single(rng, SIZE)):
                        write(root / folder / f'{index}.png', image)
            return root
        if kind == 'SemiDataset':
            lists = dict(labelled='0 1', train='0 1 2 3', unlabelled='2 3', val='4 5', test='6 7')
            for index in range(8):
                for folder, image in zip(('A', 'B', 'label'), draw_pair(rng, SIZE)):
                    for below in ('', 'train', 'val', 'test'):
                        write(root / below / folder / f'{index}.png', image)
            for name, stems in lists.items():
                (root / f'{name}.txt').write_text(stems.replace(' ', '\n'))
            return root
        of_type = dict(FolderCDDataset='LEVIRCDDataset', SemanticChangeDataset='DemoSemanticDataset')
        cls = DATASETS.get(of_type.get(kind, kind))
        if kind == 'SemanticChangeDataset':  # values as semantic_custom.py has them
            cls = type(kind, (cls, ), dict(CLASSES=dict(class_0=0, class_1=1)))
        if kind == 'OSCDDataset':
            for name in ('train', 'val', 'test'):
                for city in cls.CITIES[name]:
                    *dates, label = draw_pair(rng, SIZE)
                    for number, (folder, date) in enumerate(zip(cls.FOLDERS, dates), start=1):
                        for band in ['B8A', *(f'B{band:02}' for band in range(1, 13))]:
                            write(root / folder / city / f'imgs_{number}_rect' / f'{band}.tif',
                                  30 * date[..., 1].astype(np.uint16))
                    write(root / cls.FOLDERS[2].replace('Train', 'Test' if name == 'test' else 'Train') / city /
                          'cm/cm.png', label)
            return root
        for split in cls.SPLITS.values():
            for index in range(2):
                images = draw_semantic(cls, rng) if hasattr(cls, 'CLASSES') else draw_pair(rng, SIZE)
                for folder, image in zip(cls.FOLDERS, images):
                    write(root / split.folder / folder / f'{index}.png', image)
            if split.names:
                (root / split.names).parent.mkdir(exist_ok=True)
                (root / split.names).write_text('0\n1\n')
        return root

    def root_of(kind: str) -> str:
        if kind not in made:
            made[kind] = draw(kind)
        return str(made[kind])

    return root_of


@pytest.fixture(scope='module')
def mmpretrain():
    """Put a stand-in for mmpretrain on the path where it is not installed."""
    if importlib.util.find_spec('mmpretrain') is not None:
        yield
        return
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / 'tests/test_neighbours/stand_in_mmpretrain'))
        patch.setattr(sys, 'dont_write_bytecode', True)
        importlib.invalidate_caches()
        yield
    for name in [name for name in sys.modules if name.partition('.')[0] == 'mmpretrain']:
        del sys.modules[name]
    ROOT_MODELS.children.pop('mmpretrain', None)


@pytest.fixture
def longest_file():
    """Return a context within which no file can grow beyond so many bytes, as on a full disk."""
    resource = pytest.importorskip('resource')

    @contextmanager
    def limited(size):
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    return limited


def _shrink_data(loader, root_of, work_dir, listed):
    """Set the folder of the data, and the list of a split, if there is one."""
    data, parts = loader.dataset, [loader.dataset]
    if data.type == 'SemiDataset':
        data.percent, parts = None, [data.labelled, data.unlabelled]
        loader.batch_size = 2 * (1 + loader.sampler.ratio)
        data.labelled.ann_file = 'labelled.txt'
        data.unlabelled.ann_file = 'train.txt' if data.get('without_labelled') else 'unlabelled.txt'
    elif listed:
        data.ann_file = f'{listed}.txt'
    for part in parts:
        part.data_root = root_of('SemiDataset' if listed else part.type)
        for step in part.pipeline:
            if step.get('cache_dir'):
                step.cache_dir = str(work_dir / 'decoded')
            for inner in step.get('transforms', ()) if data.type == 'SemiDataset' else ():
                if 'size' in inner or 'crop_size' in inner:  # all crops of a batch have one size
                    inner.update({'size' if 'size' in inner else 'crop_size': (SIZE, SIZE)})


@pytest.fixture
def small(fakes):
    """Return a function that reads a config and shrinks what it costs, not what it is: two steps of two samples."""
    def shrink(path: Path, work_dir: Path, root_of=fakes):
        cfg = load_config(path)
        prepare(cfg, path.name, str(work_dir))
        cfg.load_from = None
        cfg.train_cfg.update({'max_epochs' if 'max_epochs' in cfg.train_cfg else 'max_iters': 2})
        if cfg.get('val_cfg'):
            cfg.train_cfg.update(val_interval=2)
        for key in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
            if loader := cfg.get(key):
                loader.update(num_workers=0, persistent_workers=False, batch_size=min(loader.batch_size, 2))
                semi = cfg.train_dataloader.dataset.type == 'SemiDataset'
                _shrink_data(loader, root_of, work_dir, key.removesuffix('_dataloader') if semi else None)
        for hook in cfg.get('custom_hooks') or []:
            if 'dataset' in hook:
                hook.dataset.data_root = root_of(hook.dataset.type)
        if 'views' in cfg.model:
            cfg.model.views.size = (SIZE, SIZE)
        return cfg
    return shrink
