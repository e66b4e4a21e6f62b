"""Images of other bands and depth than 8-bit colours: which form they have, and how a training reads them."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from schanger_mm.datasets.band_grids import nearest, places_of
from schanger_mm.datasets.bands import ALL, BandReading, open_image_raster
from schanger_mm.datasets.reading import COLOUR, GREY, read_header, wrong_form
from schanger_mm.geo.scaling import Range
from schanger_mm.utils.band_order import COLOUR_BANDS
from schanger_mm.utils.errors import DatasetError
from schanger_mm.utils.optional import require
from schanger_mm.utils.text import first_of

from .pixels import Pixels, read_pixels

MOST = 64
"""Bands that are taken, at most."""
TIFF = '.tif', '.tiff'
PERCENTILES = 0.1, 99.9
"""The valid values of each band by which its range is measured."""
_FORM = re.compile(r'(\d+)-bit (?:grey|float|(?:float )?(\d+)-band)')
_ANY = BandReading(scale=Range(0, 1))
"""A rule that takes any type; its values are not used."""


@dataclass(frozen=True)
class ImageForm:
    """The form that all images of a data set have, if it is not that of 8-bit colours.

    Args:
        text: such as '16-bit 4-band'.
        bands: their number.
        bytes: whether they are 8-bit, so that no scale is needed.
    """

    text: str
    bands: int
    bytes: bool

    def settings(self, scale: str = 'MIN:MAX') -> dict[str, str]:
        """Return the settings of the loading transform."""
        return dict(bands=ALL) if self.bytes else dict(bands=ALL, scale=scale)

    def needs(self) -> str:
        """Say what a config needs."""
        loader = ', '.join(f'{name}={value!r}' for name, value in self.settings().items())
        network = '' if self.bands == COLOUR_BANDS else (
            f'; model.backbone.in_channels={self.bands}, {self.bands} mean{"s" if self.bands > 1 else ""} and standard '
            f'deviation{"s" if self.bands > 1 else ""} per date and '
            'bgr_to_rgb=False in data_preprocessor')
        return f'{self.text}: {loader} in the loading transforms{network}'


def form_of(text: str) -> ImageForm | None:
    """Read a form such as '16-bit 4-band' or '16-bit grey'; None for 8-bit grey, palettes, and too many bands."""
    match = _FORM.fullmatch(text)
    if match is None or text == GREY or int(match[2] or 1) > MOST:
        return None
    return ImageForm(text, int(match[2] or 1), match[1] == '8')


def judge_forms(forms: Mapping[str, str]) -> tuple[ImageForm | None, list[str]]:
    """Find the form in which a training can read images of these forms, by path: the most frequent one.

    Returns:
        The form, None for 8-bit colours (also where the most frequent form cannot be taken); and a line for each
        image of another form.
    """
    common = next((form for form, _ in Counter(forms.values()).most_common(1)), COLOUR)
    taken = None if common == COLOUR else form_of(common)
    if taken is None:
        return None, [f'{path}: {wrong_form(form)}' for path, form in forms.items() if form != COLOUR]
    return taken, [f'{path}: found {form}, and {common} in most images; all of both dates need the same bands and type.'
                   for path, form in forms.items() if form != common]


def read_any(path: str | Path) -> Pixels:
    """Read an image as :func:`~schanger_mm.data_tools.pixels.read_pixels`, and TIFFs that Pillow cannot open.

    Raises:
        DatasetError: see there.
        MissingPackageError: a TIFF needs rasterio, which is not installed.
    """
    try:
        return read_pixels(path)
    except DatasetError as error:
        _, text = _raster_header(path, error)
        return open_image_raster(str(path), lambda data: Pixels(data.read().transpose(1, 2, 0), text))


def header_of_any(path: str | Path) -> tuple[tuple[int, int], str]:
    """Return size ``(h, w)`` and form of what :func:`read_any` reads, without decoding it.

    Raises:
        DatasetError, MissingPackageError: see there.
    """
    try:
        return read_header(str(path))
    except DatasetError as error:
        return _raster_header(path, error)


def _raster_header(path: str | Path, error: DatasetError) -> tuple[tuple[int, int], str]:
    """Return size and form of a TIFF that Pillow cannot read, or raise its ``error``."""
    if Path(path).suffix.lower() not in TIFF:
        raise error
    require('rasterio', 'geo', f'Reading {path}')
    try:
        size, count, kind = _ANY.header(str(path))
    except DatasetError as second:
        raise (error if 'truncated' in str(second) else second) from None
    if kind == 'uint8' and count in (1, COLOUR_BANDS):  # Pillow has to read these, as a training does by default
        raise error
    return size, _text(count, kind)


def measure_scale(paths: Sequence[Path]) -> Range:
    """Return the range of values of all bands, rounded outwards to two digits.

    Of each band, the percentiles 0.1 and 99.9 of its valid values count, so that no band is cut off because the others
    are brighter.

    Raises:
        DatasetError: a file cannot be read, or the values are all the same.
    """
    images = [open_image_raster(str(path), lambda data: data.read(masked=True)) for path in paths]
    ranges = []
    for band in range(len(images[0])):
        values = np.concatenate([image[band].compressed() for image in images]).astype(np.float64)
        values = values[np.isfinite(values)]
        if values.size:
            ranges.append(np.percentile(values, PERCENTILES))
    low, high = (min(low for low, _ in ranges), max(high for _, high in ranges)) if ranges else (0, 0)
    if low == high:
        raise DatasetError(f'{paths[0].parent}: (nearly) all values of {len(paths)} images are {low:g}; expected '
                           'images with different values.')
    return Range(_outwards(low, math.floor), _outwards(high, math.ceil))


def valid_pixels(path: str | Path, reading: BandReading = _ANY) -> np.ndarray:
    """Return where an image has data, by the nodata values that its files name: ``(H, W)`` of 0 and 1, uint8.

    As in scenes, a pixel has none if one of its bands has none; in 8 bits, where 0 may be a dark colour, if all bands
    have none. Of an image with a file per band, smaller files are enlarged.

    Raises:
        DatasetError: a file cannot be read.
        MissingPackageError: rasterio is not installed.
    """
    require('rasterio', 'geo', f'Reading {path}')
    from schanger_mm.geo.grid import Grid
    paths = reading.paths(str(path))
    found = [open_image_raster(one, lambda data: (Grid.of(data), *_valid(data, reading.bands))) for one in paths]
    _, places = places_of(paths, [grid for grid, *_ in found])
    masks = np.concatenate([mask if place is None else [nearest(band, *place) for band in mask]
                            for place, (_, mask, _) in zip(places, found)])
    together = np.max if all(kind == 'uint8' for *_, kind in found) else np.min
    return together(masks, axis=0)


def _valid(data: Any, bands: tuple[int, ...] | None) -> tuple[np.ndarray, str]:
    """Return where bands have data, ``(C, h, w)`` of 0 and 1, and their type."""
    numbers = list(bands or data.indexes)
    named = [number for number in numbers if data.nodatavals[number - 1] is not None]
    masks = np.ones((len(numbers), data.height, data.width), np.uint8)
    for number in named:
        masks[numbers.index(number)] = data.read_masks(number) > 0
    return masks, data.dtypes[numbers[0] - 1]


def check_bands(paths: Sequence[Path], form: ImageForm) -> None:
    """Refuse images of another number of bands, by their headers.

    Raises:
        DatasetError: naming files; or one cannot be read.
    """
    found = {path: _ANY.header(str(path))[1] for path in paths}
    if wrong := [f'{path} has {count}' for path, count in found.items() if count != form.bands]:
        raise DatasetError(f'{len(wrong)} of {len(paths)} images have another number of bands than {form.bands}: '
                           f'{first_of(wrong, most=3)}; all of both dates need the same.')


def _text(count: int, kind: str) -> str:
    kind_of = np.dtype(kind)
    words = ['float'] if kind_of.kind == 'f' else ['grey'] if count == 1 else []
    return ' '.join([f'{8 * kind_of.itemsize}-bit', *words, *([f'{count}-band'] if count > 1 else [])])


def _outwards(value: float, towards: Callable[[float], int]) -> float:
    """Round to two digits, down by ``math.floor`` or up by ``math.ceil``."""
    if value == 0:
        return 0.0
    unit = 10.0 ** (math.floor(math.log10(abs(value))) - 1)
    return float(f'{towards(round(value / unit, 9)) * unit:.6g}')
