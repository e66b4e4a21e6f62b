"""Shared by all tests."""

import importlib
import importlib.util
import sys
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmengine.registry import MODELS as ROOT_MODELS
from mmengine.registry import DefaultScope

import schanger_mm  # noqa: F401  (adapts the installed stack)
from schanger_mm.apis import load_config, prepare
from schanger_mm.datasets.synthetic import draw_pair, draw_single
from schanger_mm.registry import DATASETS, SCOPE

ROOT = Path(__file__).parents[1]
DATA = Path(__file__).parent / 'data'
TINY = (8, 8, 12, 16, 20, 24)
SIZE = 64
SINGLE = ('train/images', 'train/gt'), *(
    (f'pretrain/{split}/images', f'pretrain/{split}/masks') for split in ('train', 'val'))


@pytest.fixture(autouse=True)
def _scope_and_seed():
    """Give every test our default scope and the same random numbers."""
    torch.manual_seed(0)
    with DefaultScope.overwrite_default_scope(SCOPE):
        yield


@pytest.fixture(scope='session')
def root() -> Path:
    """The repository."""
    return ROOT


@pytest.fixture(scope='session')
def data() -> Path:
    """Committed fixtures."""
    return DATA


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
        cls = DATASETS.get(kind if kind != 'FolderCDDataset' else 'LEVIRCDDataset')
        for split in cls.SPLITS.values():
            for index in range(2):
                for folder, image in zip(cls.FOLDERS, draw_pair(rng, SIZE)):
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
                loader.dataset.data_root = root_of(loader.dataset.type)
                for step in loader.dataset.pipeline:
                    if step.get('cache_dir'):
                        step.cache_dir = str(work_dir / 'decoded')
        for hook in cfg.get('custom_hooks') or []:
            if 'dataset' in hook:
                hook.dataset.data_root = root_of(hook.dataset.type)
        if 'views' in cfg.model:
            cfg.model.views.size = (SIZE, SIZE)
        return cfg
    return shrink
