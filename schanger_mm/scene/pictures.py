"""Make small pictures of large rasters: average piece by piece, then encode for a page."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import rasterio
from PIL import Image
from rasterio.enums import Resampling
from rasterio.windows import Window

from schanger_mm.geo.drivers import open_raster
from schanger_mm.geo.errors import SceneError
from schanger_mm.scene.look import Look

if TYPE_CHECKING:
    from schanger_mm.geo.pair import PairSource

PIECE = 2048
"""Side in px of the area read at once."""
NO_DATA_GREY = 176
CHANGE_COLOUR = (255, 45, 120)  # visible on roofs, fields, water and asphalt
FAINTEST = 0.4  # opacity of a preview pixel with little change, which must remain visible
SHADES = 16  # opacities of an overlay; more cost bytes without a visible effect
PLASMA = ((106, 0, 167), (126, 3, 167), (146, 15, 162), (164, 30, 152), (180, 45, 141), (194, 61, 128),
          (208, 77, 115), (219, 91, 103), (229, 108, 91), (239, 125, 79), (246, 142, 68), (251, 162, 56),
          (253, 182, 45), (252, 203, 37), (247, 226, 37), (239, 248, 33))
"""Matplotlib's colour map of this name from 0.2 to 1, one colour for each shade."""
LEVELS, NODATA = 254, 255
QUALITY = 80


@dataclass
class Picture:
    """A part of a scene, reduced.

    Args:
        dates: ``(2, h, w, 3)`` uint8 RGB, date A first; grey where there is no data.
        changed: ``(h, w)`` float32, share of changed pixels.
        probability: ``(h, w)`` float32, mean of the pixels with data.
    """

    dates: np.ndarray
    changed: np.ndarray
    probability: np.ndarray


def take_picture(source: PairSource, change_tif: str | Path, probability_tif: str | Path,
                 box: tuple[int, int, int, int], longest: int, look: Look | None = None) -> Picture:
    """Downsample a part of a scene to at most ``longest`` px on its longer side; never enlarge it.

    Dates and probabilities come from the rasters' overviews if they exist. Of
    the changes every pixel is read, otherwise small ones would be lost.
    Memory does not depend on the box: ``PIECE`` px square are read at a time.

    Args:
        source: the open pair.
        change_tif, probability_tif: the rasters of the result, on the source's grid.
        box: column, row, width and height of the part, inside the scene.
        longest: of the picture, px.
        look: bands and brightness; None: :meth:`Look.of`.

    Raises:
        SceneError: a raster of the result is not readable or of another size than the pair.
    """
    look = look or Look.of(source)
    left, top, width, height = box
    scale = max(1.0, max(width, height) / longest)
    out_width, out_height = max(1, round(width / scale)), max(1, round(height / scale))
    picture = Picture(np.full((2, out_height, out_width, 3), NO_DATA_GREY, np.uint8),
                      np.zeros((out_height, out_width), np.float32), np.zeros((out_height, out_width), np.float32))
    step = max(1, int(PIECE / scale))
    with _open(change_tif, source) as change, _open(probability_tif, source) as probability:
        for out_top in range(0, out_height, step):
            for out_left in range(0, out_width, step):
                piece = np.s_[out_top:min(out_top + step, out_height), out_left:min(out_left + step, out_width)]
                rows, cols = ([round(edge * full / out) for edge in (part.start, part.stop)] for part, full, out in
                              zip(piece, (height, width), (out_height, out_width)))
                area = left + cols[0], top + rows[0], cols[1] - cols[0], rows[1] - rows[0]
                size = piece[1].stop - piece[1].start, piece[0].stop - piece[0].start
                window = Window(*area)
                pair = source.read_reduced(*area, size, look.shown)
                picture.dates[:, piece[0], piece[1]] = np.where(
                    pair.valid[..., None], look.paint(pair.images), NO_DATA_GREY)
                changed = change.read(1, window=window) == 1
                if changed.any():
                    picture.changed[piece] = reduce_by_area(changed, size)
                levels = probability.read(1, window=window, out_shape=size[::-1], resampling=Resampling.average)
                picture.probability[piece] = np.where(levels == NODATA, 0, levels / np.float32(LEVELS))
    return picture


def photo(image: np.ndarray) -> str:
    """Encode an RGB image ``(h, w, 3)`` as a ``data:`` URI."""
    return _encode(Image.fromarray(image), 'webp', quality=QUALITY)


def change_overlay(changed: np.ndarray, colour: tuple[int, int, int] = CHANGE_COLOUR) -> str:
    """Encode shares of changed pixels ``(h, w)`` as a ``data:`` URI: one colour, as opaque as much has changed."""
    opacity = np.where(changed > 0, np.maximum(changed, FAINTEST), 0)
    return _overlay(opacity, np.tile(colour, (SHADES, 1)))


def probability_overlay(probability: np.ndarray) -> str:
    """Encode probabilities ``(h, w)`` as a ``data:`` URI: from clear violet to opaque yellow."""
    return _overlay(probability, np.array(PLASMA))


def reduce_by_area(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Average an image ``(h, w)`` down to ``size`` (width, height); pixels on a border count in parts. float32."""
    for length in reversed(size):
        edges = np.linspace(0, len(image), length + 1)
        sums = np.concatenate([np.zeros((1, image.shape[1])), np.cumsum(image, axis=0, dtype=np.float64)])
        whole = np.minimum(edges.astype(int), len(image) - 1)
        below = sums[whole] + (edges - whole)[:, None] * image[whole]  # of all rows above each edge
        image = (np.diff(below, axis=0) / (edges[1] - edges[0])).T  # the other axis in the next pass
    return image.astype(np.float32)


def _open(path: str | Path, source: PairSource) -> rasterio.DatasetReader:
    try:
        raster = open_raster(path)
    except rasterio.errors.RasterioError as error:
        raise SceneError(f'{path}: not readable as a raster: {error}') from error
    grid = source.grid
    if raster.shape != (grid.height, grid.width):
        raster.close()
        raise SceneError(f'{path} has {raster.width} x {raster.height} px and the pair {grid.width} x {grid.height} '
                         'px; expected the result of this pair.')
    return raster


def _overlay(opacity: np.ndarray, colours: np.ndarray) -> str:
    """Encode opacities in 0..1 as an indexed PNG, each shade with a colour of its own."""
    shades = np.rint(opacity * (SHADES - 1)).astype(np.uint8)
    image = Image.fromarray(shades)
    image.putpalette(colours.astype(np.uint8).tobytes())
    alphas = np.rint(np.arange(SHADES) * 255 / (SHADES - 1)).astype(np.uint8)
    return _encode(image, 'png', transparency=alphas.tobytes(), optimize=True)


def _encode(image: Image.Image, kind: str, **options) -> str:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return f'data:image/{kind};base64,{base64.b64encode(buffer.getvalue()).decode()}'
