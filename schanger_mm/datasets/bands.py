"""Read images of any number of bands and any depth, as values in 0..255. Needs the `[geo]` extra."""

from __future__ import annotations

import math
import os
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import mmengine.fileio as fileio
import numpy as np

from schanger_mm.datasets.band_grids import interpolated, places_of
from schanger_mm.geo.errors import SceneError
from schanger_mm.geo.scaling import Range, Scaling, to_bytes_range
from schanger_mm.utils.band_order import COLOUR_BANDS, turned
from schanger_mm.utils.errors import DatasetError, SettingError
from schanger_mm.utils.images import how_to_raise, most_pixels
from schanger_mm.utils.optional import require

if TYPE_CHECKING:
    from schanger_mm.geo.grid import Grid  # which needs the [geo] extra

ALL = 'all'
"""Every band that a file has."""
MOST = 512
"""Bands that OpenCV can hold in one array."""
MOST_OF_A_BYTE = 255
RGB = ('red', 'green', 'blue')
Header = tuple[tuple[int, int], int, str]
"""Size ``(h, w)``, number of bands, and type such as ``'uint16'``."""


@dataclass(frozen=True)
class BandReading:
    """The rule by which images of any number of bands are read.

    Args:
        bands: numbers of the bands to take, from 1, in this order; None: all, a band marked as alpha among them, in
            the order of the file, three that it marks as red, green and blue in that order.
        files: endings of the files of an image that has one per band, in the order of the bands; a path that ends
            in the first stands for the image. Smaller bands are resampled (bilinearly) to the grid of the largest, by
            their coordinates if the files have some.
        scale: values that become 0 and 255; those outside are clipped, NaN becomes 0. None: 8-bit files as they are.
    """

    bands: tuple[int, ...] | None = None
    files: tuple[str, ...] | None = None
    scale: Range | None = None

    @classmethod
    def of(cls, owner: str, bands: Sequence[int] | str | None = None, files: Sequence[str] | None = None,
           scale: str | None = None) -> BandReading | None:
        """Check settings, whose names follow ``owner`` in messages (``LoadImage.``); None where all of them are None.

        ``bands`` may also be ``'all'``, which 8-bit images of other than three bands need.

        Raises:
            SettingError: both ``bands`` and ``files``, an invalid one, or a scale of percentiles.
            MissingPackageError: rasterio is not installed.
        """
        if bands is None and files is None and scale is None:
            return None
        if bands is not None and files is not None:
            raise SettingError(f'{owner}bands, {owner}files: expected one of them, found both; files of one band each '
                               'are named in the order in which they are wanted.')
        if bands == ALL:
            bands = None
        numbers = all(type(band) is int and band > 0 for band in bands or ())
        if bands is not None and not (numbers and 0 < len(bands) <= MOST):
            raise SettingError(f"{owner}bands: expected numbers from 1, such as (4, 3, 2), or 'all', found {bands!r}.")
        if files is not None and (isinstance(files, str) or not all(isinstance(one, str) and one for one in files)
                                  or not 0 < len(set(files)) == len(files) <= MOST):
            raise SettingError(f"{owner}files: expected the ending of each band's file, such as ('/B02.tif', "
                               f"'/B03.tif'), found {files!r}.")
        require('rasterio', 'geo', 'Reading images by bands')
        return cls(None if bands is None else tuple(map(int, bands)), None if files is None else tuple(files),
                   _range(owner, scale))

    def describe(self) -> str:
        """Return the settings as the arguments of a loading transform."""
        scale = None if self.scale is None else str(self.scale)
        parts = (('bands', self.bands), ('files', self.files), ('scale', scale))
        return ', '.join(f'{name}={value!r}' for name, value in parts if value is not None) or f'bands={ALL!r}'

    def paths(self, path: str) -> list[str]:
        """Return the files of an image.

        Raises:
            DatasetError: ``path`` does not end as the first of ``files`` does.
        """
        if self.files is None:
            return [path]
        if not path.replace(os.sep, '/').lower().endswith(self.files[0].lower()):
            raise DatasetError(f'{path}: expected a file of the first band, which ends in {self.files[0]!r} (`files` '
                               'of the loading transform); set `img_suffix` of the data set so that it does.')
        start = path[:-len(self.files[0])]
        return [path, *(start + ending for ending in self.files[1:])]

    def header(self, path: str, backend_args: dict | None = None) -> Header:
        """Return size ``(h, w)``, number of bands and type of an image, without decoding it.

        Raises:
            DatasetError: a file is missing, is no raster, claims too many pixels, or has other bands or values than
                the rule takes.
        """
        return self._join(path, [open_image_raster(one, partial(self._check, one), backend_args)
                                 for one in self.paths(path)])[0]

    def read(self, path: str, backend_args: dict | None = None) -> np.ndarray:
        """Read an image.

        Returns:
            ``(H, W, C)``, values 0..255: uint8 if it is stored so and there is no ``scale``, else float32. Three
            bands are B, G, R, as everywhere in mmcv; another number keeps the order of ``bands`` or ``files``.

        Raises:
            DatasetError: as :meth:`header`, or the pixels cannot be decoded.
        """
        found = [open_image_raster(one, partial(self._decode, one), backend_args) for one in self.paths(path)]
        (_, _, kind), places = self._join(path, [checked for checked, _ in found])
        values = np.concatenate([layers if place is None else interpolated(layers[0], *place)[None]
                                 for place, (_, layers) in zip(places, found)])
        if self.scale is not None or kind != 'uint8':
            values = to_bytes_range(values, self.scale)
        return np.ascontiguousarray(turned(values, 0).transpose(1, 2, 0))

    def state(self, path: str) -> str:
        """Return what decides the pixels besides the first file: the rule, and the further files of an image."""
        stats = [os.stat(one) for one in self.paths(path)[1:] if os.path.exists(one)]
        rule = [self.describe()] if self.files is None else [self.describe(), 'by coordinates']
        return ', '.join([*rule, *(f'{stat.st_size}/{stat.st_mtime_ns}' for stat in stats)])

    def _check(self, path: str, data: Any) -> tuple[Header, Grid]:
        numbers = self._numbers(path, data)
        if data.width * data.height * len(numbers) > COLOUR_BANDS * most_pixels():
            raise DatasetError(
                f'{path}: its header claims {len(numbers)} bands of {data.width} x {data.height} pixels, more than the '
                'limit allows, so it is not decoded. '
                f'{how_to_raise(math.ceil(data.width * data.height * len(numbers) / COLOUR_BANDS))}.')
        kinds = sorted({data.dtypes[number - 1] for number in numbers})
        if len(kinds) > 1:
            raise DatasetError(f'{path}: expected bands of one type, found {", ".join(kinds)}; convert them to one.')
        if kinds[0].startswith('complex'):
            raise DatasetError(f'{path}: expected real values, found {kinds[0]}; convert it first, to amplitudes.')
        if self.scale is None and kinds[0] != 'uint8':
            raise DatasetError(f'{path}: holds {kinds[0]}, so set which of its values become 0 and 255 in its loading '
                               "transform: scale='MIN:MAX', such as '0:3000' ('0:255' if they already do).")
        if self.scale is not None and kinds[0] == 'uint8' and self.scale.high > MOST_OF_A_BYTE:
            raise DatasetError(f'{path}: holds 8-bit values, which end at 255, and scale={str(self.scale)!r} is for '
                               'others; take the file with the values of the sensor, or scale all alike.')
        from schanger_mm.geo.grid import Grid
        return ((data.height, data.width), len(numbers), kinds[0]), Grid.of(data)

    def _join(self, path: str, found: Sequence[tuple[Header, Grid]]) -> tuple[Header, list]:
        """Return the header of an image from those of its files, and where each lies under the largest."""
        kinds = sorted({kind for (_, _, kind), _ in found})
        if len(kinds) > 1:
            raise DatasetError(f'{path}: its bands have different types, {", ".join(kinds)}; convert them to one.')
        finest, places = places_of(self.paths(path), [grid for _, grid in found])
        return ((finest.height, finest.width), sum(count for (_, count, _), _ in found), kinds[0]), places

    def _decode(self, path: str, data: Any) -> tuple[tuple[Header, Grid], np.ndarray]:
        return self._check(path, data), data.read(self._numbers(path, data))

    def _numbers(self, path: str, data: Any) -> list[int]:
        if self.files is not None and data.count != 1:
            raise DatasetError(f'{path}: expected a file of one band, found {data.count}; for files with several, set '
                               '`bands` of the loading transform instead of `files`.')
        numbers = list(self.bands or _by_marks(data))
        if beyond := [number for number in numbers if number > data.count]:
            raise DatasetError(f'{path}: the loading transform takes band {beyond[0]}, found {data.count} '
                               f'band{"s" if data.count > 1 else ""}.')
        return numbers


def open_image_raster(path: str, use: Callable[[Any], Any], backend_args: dict | None = None) -> Any:
    """Return what ``use`` returns of an open raster: an image, which need not have a place on earth.

    Raises:
        DatasetError: there is no such file, or it is no raster.
    """
    from rasterio.errors import NodataShadowWarning, NotGeoreferencedWarning, RasterioError

    from schanger_mm.geo.drivers import open_raster
    try:
        with fileio.get_local_path(path, backend_args=backend_args) as local, warnings.catch_warnings():
            warnings.simplefilter('ignore', NotGeoreferencedWarning)
            warnings.simplefilter('ignore', NodataShadowWarning)  # an alpha band is a band as any other
            with open_raster(local) as data:
                return use(data)
    except DatasetError:
        raise
    except (RasterioError, SceneError, OSError) as error:
        if backend_args is None and not os.path.exists(path):
            raise DatasetError(f'{path}: no such file.') from error
        raise DatasetError(f'{path}: truncated, corrupt or not a readable raster ({error}). Fetch the file '
                           'again.') from error


def _by_marks(data: Any) -> Sequence[int]:
    """Return the numbers of all bands, those of three that are marked as colours in the order red, green, blue."""
    uses = [use.name for use in data.colorinterp]
    return [uses.index(name) + 1 for name in RGB] if sorted(uses) == sorted(RGB) else data.indexes


def _range(owner: str, scale: str | None) -> Range | None:
    if scale is None:
        return None
    try:
        scaling = Scaling.parse(str(scale))
    except SceneError as error:
        raise SettingError(f"{owner}scale: expected 'MIN:MAX' in values of the files, such as '0:3000', found "
                           f'{scale!r}.') from error
    if scaling.before is None or scaling.before.percent or scaling.before != scaling.after:
        raise SettingError(f"{owner}scale: expected 'MIN:MAX' in values of the files, the same for all images, found "
                           f'{scale!r}.')
    return scaling.before


def read_options(bands: str | None, files: Sequence[str] | None, scale: str | None) -> BandReading | None:
    """Read ``--bands`` (``4,3,2`` or ``all``), ``--files`` and ``--scale`` of a command; None without any of them.

    Raises:
        SettingError: see :meth:`BandReading.of`.
    """
    numbers: Any = bands
    if bands is not None and bands != ALL:
        try:
            numbers = tuple(map(int, bands.split(',')))
        except ValueError as error:
            raise SettingError(f'--bands: expected numbers with commas between (4,3,2), or {ALL}, found {bands!r}.'
                               ) from error
    return BandReading.of('--', numbers, files, scale)
