"""Open image files: which formats, and how many pixels they may declare.

A few hundred bytes can declare an image that fills the memory when it is
decoded, so the size in the header is checked first.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

from PIL import Image

from schanger_mm.utils.errors import DatasetError

FORMATS = ('PNG', 'JPEG', 'TIFF', 'BMP')
VARIABLE = 'SCHANGER_MM_MAX_PIXELS'
"""Environment variable that sets a different limit."""
MOST_PIXELS = 1 << 29
"""Pixels of an image, 1.5 GiB in colour. The largest of the published sets, WHU's 32507 x 15354, is below it."""
_lock = threading.Lock()
_inside: list[int | None] = []
"""Pillow's own limit, once for every file open here."""


def most_pixels() -> int:
    """Return the limit: 2**29 pixels, or what the environment says.

    Raises:
        DatasetError: it says something that is not a number of pixels.
    """
    text = os.environ.get(VARIABLE, '').strip()
    if text and not (text.isdecimal() and len(text) < 19 and int(text)):
        raise DatasetError(f'{VARIABLE} in the environment: expected a number of pixels above 0, found {text[:40]!r}.')
    return int(text) if text else MOST_PIXELS


def how_to_raise(pixels: int) -> str:
    """Say which setting allows an image of this many pixels."""
    return (f'If it is what you expect and fits into memory, set {VARIABLE}={pixels} in the environment; otherwise the '
            'file is damaged, or made to fill the memory')


@contextmanager
def open_image(source: str | IO[bytes], path: str) -> Iterator[Image.Image]:
    """Open an image without decoding it; Pillow's own limit, a third of ours, does not count until the block ends.

    Args:
        source: file name, or the content.
        path: its name in messages.

    Raises:
        DatasetError: its header declares more pixels than :func:`most_pixels`.
        OSError, and other errors of Pillow: it cannot be read.
    """
    most = most_pixels()
    with _without_pillows_limit(), Image.open(source, formats=FORMATS) as image:
        if image.width * image.height > most:
            raise DatasetError(f'{path}: its header claims {image.width} x {image.height} pixels, more than the limit '
                               f'of {most}, so it is not decoded. {how_to_raise(image.width * image.height)}.')
        yield image


@contextmanager
def _without_pillows_limit() -> Iterator[None]:
    with _lock:
        _inside.append(Image.MAX_IMAGE_PIXELS if not _inside else _inside[0])
        Image.MAX_IMAGE_PIXELS = None
    try:
        yield
    finally:
        with _lock:
            limit = _inside.pop()
            if not _inside:
                Image.MAX_IMAGE_PIXELS = limit
