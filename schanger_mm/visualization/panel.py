"""One picture per sample: images, truth and prediction side by side, with titles and a legend."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import cv2
import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from schanger_mm.evaluation.confusion import Confusion, as_map
from schanger_mm.utils.band_order import COLOUR_BANDS, SHARES, shown_bands, turned
from schanger_mm.utils.errors import SettingError
from schanger_mm.visualization import colours

MIN_CELL, MAX_CELL = 256, 1024  # pixels of a cell's longer side
PAPER, INK, FAINT = (30, 34, 41), (236, 238, 241), (160, 167, 176)


def draw_change_panel(images: np.ndarray | Sequence[np.ndarray],
                      truth=None,
                      prediction=None,
                      title: str | None = None,
                      ignore_index: int = 255,
                      positive: str = 'changed',
                      classes: Sequence[tuple[str, np.ndarray]] = (),
                      class_colours: Sequence[tuple[str, tuple[int, int, int]]] = ()) -> np.ndarray:
    """Draw ``before | after | truth | prediction``, or with one image ``image | truth | prediction``.

    With truth the prediction is coloured by its errors and the picture's F1
    is shown in the title. Cells with a longer side below 256 px are enlarged by
    an integer with hard pixel edges, cells above 1024 px are reduced. Images
    of another size than the maps are resampled to theirs.

    Args:
        images: one RGB image ``(H, W, 3)`` or a list of up to two; dtypes other
            than uint8 are stretched, grey and four-band images shown as RGB.
        truth: 0/1/``ignore_index`` map ``(H, W)`` or ``(1, H, W)``, or None.
        prediction: 0/1 map of the same size, or None.
        title: text above, usually the image's name.
        ignore_index: truth value of ignored pixels.
        positive: name of the positive class, for the legend.
        classes: further cells, name and RGB picture of the size of the maps: class maps of the dates.
        class_colours: names and colours of the classes, for the legend.

    Returns:
        RGB uint8 array ``(height, width, 3)``.

    Raises:
        ValueError: nothing to draw, or truth and prediction do not fit.
    """
    images = [images] if isinstance(images, np.ndarray) and images.ndim <= 3 else list(images)
    if not images and truth is None and prediction is None:
        raise SettingError('draw_change_panel: no image, no truth and no prediction; give at least one.')
    if len(images) > 2:
        raise SettingError(
            f'draw_change_panel: {len(images)} images; expected a list of at most two, date A first.')
    truth, prediction = (None if m is None else as_map(m) for m in (truth, prediction))
    reference = next(x for x in (prediction, truth, *images) if x is not None)
    height, width = reference.shape[:2]

    names = ['before', 'after'] if len(images) == 2 else ['image'] * len(images)
    cells = [(name, _fit(to_rgb8(image), height, width)) for name, image in zip(names, images, strict=True)]
    legend, score = [(positive, colours.POSITIVE)], ''
    if truth is not None:
        cells.append(('truth', colours.colour_map(truth, ignore_index)))
    if prediction is not None and truth is None:
        cells.append(('prediction', colours.colour_map(prediction, ignore_index)))
    elif prediction is not None:
        cells.append(('prediction', colours.colour_outcome(prediction, truth, ignore_index)))
        f1 = Confusion.of(prediction, truth, ignore_index).f1
        score = f'nothing {positive}, nothing found' if math.isnan(f1) else f'F1 {f1:.1f} %'
        legend += [('false alarm', colours.FALSE_ALARM), ('missed', colours.MISSED)]
        legend[0] = (f'{positive}, found', colours.POSITIVE)
    if truth is not None and (truth == ignore_index).any():
        legend.append(('ignored', colours.IGNORED))
    cells += [(name, _fit(cell, height, width)) for name, cell in classes]
    legend += class_colours
    return _compose([(name, _zoom(cell)) for name, cell in cells],
                    legend if truth is not None or prediction is not None else [], title or '', score)


def to_rgb8(image: np.ndarray) -> np.ndarray:
    """Convert ``(H, W)`` or ``(H, W, C)`` of any dtype to an RGB uint8 image for display.

    uint8 is unchanged; anything else is stretched from its 2nd to its 98th percentile.
    """
    image = np.asarray(image)
    if image.ndim == 2 or image.shape[2] < 3:
        image = np.repeat(image.reshape(*image.shape[:2], -1)[..., :1], 3, axis=2)
    image = image[..., :3]
    if image.dtype == np.uint8:
        return np.ascontiguousarray(image)
    values = np.nan_to_num(image.astype(np.float32))
    low, high = np.percentile(values, SHARES)
    return (np.clip((values - low) / max(high - low, 1e-9), 0, 1) * 255).round().astype(np.uint8)


def paint(image: np.ndarray, bands: Sequence[int] | None = None) -> np.ndarray:
    """Convert an image in memory ``(H, W, C)``, of three bands B, G, R, to an RGB uint8 image for display.

    Args:
        image: what to show, stretched as by :func:`to_rgb8`.
        bands: numbers, from 1, of the bands that are shown as red, green and blue where there are more than three;
            None: see :func:`~schanger_mm.utils.band_order.shown_bands`.

    Raises:
        SettingError: the image lacks one of them.
    """
    count = image.shape[-1]
    if bands is None or count <= COLOUR_BANDS:
        return to_rgb8(turned(image, -1)[..., list(shown_bands(count))])
    if len(bands) != COLOUR_BANDS or not 0 < min(bands) <= max(bands) <= count:
        raise SettingError(f'visualizer.bands={tuple(bands)}: expected three numbers from 1 to {count}, of the bands '
                           'that are shown as red, green and blue.')
    return to_rgb8(image[..., [band - 1 for band in bands]])


def _fit(image: np.ndarray, height: int, width: int) -> np.ndarray:
    if image.shape[:2] == (height, width):
        return image
    return cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR)


def _zoom(cell: np.ndarray) -> np.ndarray:
    height, width = cell.shape[:2]
    longer = max(height, width)
    if longer < MIN_CELL:
        factor = math.ceil(MIN_CELL / longer)
        return cell.repeat(factor, axis=0).repeat(factor, axis=1)
    if longer > MAX_CELL:
        size = (max(1, round(width * MAX_CELL / longer)), max(1, round(height * MAX_CELL / longer)))
        return cv2.resize(cell, size, interpolation=cv2.INTER_AREA)
    return cell


def _compose(cells: list[tuple[str, np.ndarray]], legend: list[tuple[str, tuple]], title: str,
             score: str) -> np.ndarray:
    """Arrange cells of equal size on one sheet, with texts around them."""
    height, width = cells[0][1].shape[:2]
    size = max(14, max(height, width) // 20)  # text height in pixels
    gap, row = size * 2 // 3, size * 2
    column = max(width, 5 * size)  # leaves room for the title of a narrow cell
    sheet_width = max(gap + (column + gap) * len(cells), 24 * size)
    left = (sheet_width - (column + gap) * len(cells) + gap) // 2
    top = row * bool(title or score) + row
    bottom = row + gap // 2 if legend else gap
    sheet = Image.new('RGB', (sheet_width, top + height + bottom), PAPER)
    draw = ImageDraw.Draw(sheet)
    if title or score:
        _draw_heading(draw, title, score, gap, sheet_width - gap, row, size)
    for i, (name, cell) in enumerate(cells):
        x = left + i * (column + gap)
        draw.text((x + column // 2, top - row // 2), name, INK, _font(size), anchor='mm')
        sheet.paste(Image.fromarray(cell), (x + (column - width) // 2, top))
    if legend:
        _draw_legend(draw, legend, sheet_width, top + height + row // 2 + gap // 4, size)
    return np.asarray(sheet).copy()


def _draw_heading(draw: ImageDraw.ImageDraw, title: str, score: str, left: int, right: int, row: int,
                  size: int) -> None:
    font = _font(size, bold=True)
    middle = row // 2 + size // 6
    room = right - left - (draw.textlength(score, font) + size if score else 0)
    title = ' '.join(title.split())
    if draw.textlength(title, font) > room:
        while title and draw.textlength(title + '…', font) > room:
            title = title[:-1]
        title += '…'
    draw.text((left, middle), title, INK, font, anchor='lm')
    draw.text((right, middle), score, INK, font, anchor='rm')


def _draw_legend(draw: ImageDraw.ImageDraw, legend: list[tuple[str, tuple]], width: int, middle: int,
                 size: int) -> None:
    def length(size: int) -> float:
        return sum(draw.textlength(text, _font(size)) + 3.1 * size for text, _ in legend) - 1.6 * size

    while length(size) > width and size > 8:
        size -= 1
    x, half = (width - length(size)) / 2, size // 2
    for text, colour in legend:
        draw.rectangle((x, middle - half, x + 2 * half, middle + half), fill=colour, outline=FAINT)
        draw.text((x + 1.5 * size, middle), text, FAINT, _font(size), anchor='lm')
        x += draw.textlength(text, _font(size)) + 3.1 * size


@lru_cache(maxsize=32)
def _font(size: int, bold: bool = False) -> ImageFont.FreeTypeFont:
    # matplotlib, which mmengine requires, includes this font; no system font is needed
    name = 'DejaVuSans-Bold.ttf' if bold else 'DejaVuSans.ttf'
    file = Path(matplotlib.get_data_path(), 'fonts', 'ttf', name)
    return ImageFont.truetype(str(file), size)  # Pillow 9.3 takes no Path
