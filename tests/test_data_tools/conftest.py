"""Tiny data sets on disk, and the tools run as commands."""

import runpy
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

TOOLS = Path(__file__).parents[2] / 'tools/dataset_tools'


def save(path, array, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path, **options)
    return path


def noise(seed, height=32, width=48):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def square(top=255, height=32, width=48):
    mask = np.zeros((height, width), np.uint8)
    mask[4:12, 6:18] = top
    return mask


@pytest.fixture
def write():
    """Write an array as an image."""
    return save


@pytest.fixture
def picture():
    """Draw an image that no other seed gives."""
    return noise


@pytest.fixture
def mask():
    """Draw a mask with 96 changed pixels."""
    return square


@pytest.fixture
def pairs(tmp_path):
    """Write train (4 pairs) and val (2 pairs) below a root."""
    def make(folders=('A', 'B', 'label'), splits=(('train', 4), ('val', 2)), top=255) -> Path:
        root = tmp_path / 'set'
        for number, (split, count) in enumerate(splits):
            for i in range(count):
                seed = 100 * number + i
                save(root / split / folders[0] / f'{split}_{i}.png', noise(seed))
                save(root / split / folders[1] / f'{split}_{i}.png', noise(1000 + seed))
                save(root / split / folders[2] / f'{split}_{i}.png', square(top))
        return root
    return make


@pytest.fixture
def band_pairs(tmp_path):
    """Write train (3 pairs) and val (2 pairs) with images of any bands and type, values 100 to 3000 if not 8-bit."""
    rasterio = pytest.importorskip('rasterio')

    def make(count=4, dtype='uint16') -> Path:
        root = tmp_path / 'bands'
        for number, (split, pairs) in enumerate((('train', 3), ('val', 2))):
            for i in range(pairs):
                save(root / split / 'label' / f'{i}.png', square())
                for place, folder in enumerate(('A', 'B')):
                    values = np.random.default_rng(100 * number + 10 * i + place).uniform(100, 3000, (count, 32, 48))
                    values = (values % 256 if dtype == 'uint8' else values).astype(dtype)
                    path = root / split / folder / f'{i}.tif'
                    path.parent.mkdir(parents=True, exist_ok=True)
                    with rasterio.open(path, 'w', driver='GTiff', count=count, height=32, width=48,
                                       dtype=dtype) as file:
                        file.write(values)
        return root
    return make


@pytest.fixture
def class_pairs(tmp_path):
    """Write pairs with class maps of both dates below train and val: 0 everywhere, and 1 that became 2 in 96 px."""
    def make(paint=lambda classes: classes, folders=('label_a', 'label_b'), mask=False) -> Path:
        root = tmp_path / 'classes'
        for number, (split, count) in enumerate((('train', 3), ('val', 2))):
            for i in range(count):
                for place, folder in enumerate(('A', 'B')):
                    save(root / split / folder / f'{i}.png', noise(100 * number + 10 * i + place))
                    save(root / split / folders[place] / f'{i}.png', paint(square(place + 1)))
                if mask:
                    save(root / split / 'label' / f'{i}.png', square())
        return root
    return make


@pytest.fixture
def command(monkeypatch, capsys):
    """Run a tool with words as typed; returns exit status, stdout and stderr."""
    def run(tool, *words):
        monkeypatch.setattr(sys, 'argv', [f'tools/dataset_tools/{tool}.py', *map(str, words)])
        with pytest.raises(SystemExit) as stop:
            runpy.run_path(str(TOOLS / f'{tool}.py'), run_name='__main__')
        out, err = capsys.readouterr()
        return stop.value.code or 0, out, err
    return run
