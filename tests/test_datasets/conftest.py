"""Tiny data sets on disk."""

from pathlib import Path

import cv2
import numpy as np
import pytest


@pytest.fixture
def write():
    """Write an array as an image; Pillow is not used, so that it is tested against another library."""
    def write_image(path: Path, array: np.ndarray, *options: int) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        done, data = cv2.imencode(path.suffix, array, options)
        assert done
        path.write_bytes(data.tobytes())
        return path
    return write_image


@pytest.fixture
def picture():
    """Draw a colour image (h, w, 3) that differs everywhere."""
    def draw(h: int = 12, w: int = 16, seed: int = 0) -> np.ndarray:
        return np.random.RandomState(seed).randint(0, 256, (h, w, 3), np.uint8)
    return draw


@pytest.fixture
def pairs(tmp_path, write, picture):
    """Write A, B and label folders and return their root."""
    def make(stems=('1', '2', '10'), a='.png', b='.png', label='.png', names=('A', 'B', 'label'),
             top=255) -> Path:
        for i, stem in enumerate(stems):
            write(tmp_path / names[0] / f'{stem}{a}', picture(seed=i))
            write(tmp_path / names[1] / f'{stem}{b}', picture(seed=100 + i))
            mask = np.zeros((12, 16), np.uint8)
            mask[i:i + 3, 2:9] = top
            write(tmp_path / names[2] / f'{stem}{label}', mask)
        return tmp_path
    return make
