"""Images of other bands and depth than 8-bit colours: which form they have, and how a training reads them."""

from __future__ import annotations

import math
import re
import warnings
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from schanger_mm.datasets.bands import ALL, COLOURS, BandReading
from schanger_mm.datasets.reading import COLOUR, wrong_form
from schanger_mm.geo.errors import SceneError
from schanger_mm.geo.scaling import Range
from schanger_mm.utils.errors import DatasetError
from schanger_mm.utils.optional import require
from schanger_mm.utils.text import first_of

from .pixels import Pixels, read_pixels

FEWEST, MOST = 2, 64
"""Numbers of bands that are taken; one band is a grey image."""
PERCENTILES = 0.1, 99.9
"""The values that become 0 and 255, of the valid values of all bands together."""
_FORM = re.compile(r'(\d+)-bit (?:float )?(\d+)-band')
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
        network = '' if self.bands == COLOURS else (
            f'; model.backbone.in_channels={self.bands}, {self.bands} means and standard deviations per date and '
            'bgr_to_rgb=False in data_preprocessor')
        return f'{self.text}: {loader} in the loading transforms{network}'


def form_of(text: str) -> ImageForm | None:
    """Read a form such as '16-bit 4-band'; None for grey, palettes, and what has too many bands."""
    match = _FORM.fullmatch(text)
    if match is None or not FEWEST <= int(match[2]) <= MOST:
        return None
    return ImageForm(text, int(match[2]), match[1] == '8')


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
        if Path(path).suffix.lower() not in ('.tif', '.tiff'):
            raise
        require('rasterio', 'geo', f'Reading {path}')
        try:
            _, count, kind = _ANY.header(str(path))
        except DatasetError as second:
            raise (error if 'truncated' in str(second) else second) from None
        if kind == 'uint8' and count <= COLOURS + 1:  # Pillow reads these, so the file is damaged
            raise
        return _open(path, lambda data: Pixels(data.read().transpose(1, 2, 0), _text(count, kind)))


def measure_scale(paths: Sequence[Path]) -> Range:
    """Return the percentiles 0.1 and 99.9 of all valid values, rounded outwards to two digits.

    Raises:
        DatasetError: a file cannot be read, or the values are all the same.
    """
    values = np.concatenate([_open(path, lambda data: data.read(masked=True).compressed()) for path in paths])
    values = values[np.isfinite(values)] if values.dtype.kind == 'f' else values
    low, high = np.percentile(values.astype(np.float64), PERCENTILES) if values.size else (0, 0)
    if low == high:
        raise DatasetError(f'{paths[0].parent}: (nearly) all values of {len(paths)} images are {low:g}; expected '
                           'images with different values.')
    return Range(_outwards(low, math.floor), _outwards(high, math.ceil))


def check_bands(paths: Sequence[Path], form: ImageForm) -> None:
    """Refuse images of another number of bands, by their headers.

    Raises:
        DatasetError: naming files; or one cannot be read.
    """
    found = {path: _ANY.header(str(path))[1] for path in paths}
    if wrong := [f'{path} has {count}' for path, count in found.items() if count != form.bands]:
        raise DatasetError(f'{len(wrong)} of {len(paths)} images have another number of bands than {form.bands}: '
                           f'{first_of(wrong, most=3)}; all of both dates need the same.')


def _open(path: str | Path, use: Callable[[Any], Any]) -> Any:
    """Call ``use`` with an open raster."""
    from rasterio.errors import NotGeoreferencedWarning, RasterioError

    from schanger_mm.geo.drivers import open_raster
    try:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore', NotGeoreferencedWarning)
            with open_raster(path) as data:
                return use(data)
    except (RasterioError, SceneError, OSError) as error:
        raise DatasetError(f'{path}: truncated, corrupt or not a readable raster ({error}). Fetch the file again.'
                           ) from error


def _text(count: int, kind: str) -> str:
    kind_of = np.dtype(kind)
    bits = f'{8 * kind_of.itemsize}-bit' + (' float' if kind_of.kind == 'f' else '')
    return f'{bits} grey' if count == 1 else f'{bits} {count}-band'


def _outwards(value: float, towards: Callable[[float], int]) -> float:
    """Round to two digits, down by ``math.floor`` or up by ``math.ceil``."""
    if value == 0:
        return 0.0
    unit = 10.0 ** (math.floor(math.log10(abs(value))) - 1)
    return float(f'{towards(round(value / unit, 9)) * unit:.6g}')
