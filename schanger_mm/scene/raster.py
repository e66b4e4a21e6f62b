"""One date: three bands of a raster, which of its pixels hold data, read window by window."""

from __future__ import annotations

import math
import os
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
from rasterio._err import CPLE_BaseError  # of what PROJ refuses; no public name
from rasterio.enums import ColorInterp, MaskFlags, Resampling
from rasterio.env import set_gdal_config
from rasterio.errors import NotGeoreferencedWarning, RasterioError
from rasterio.transform import Affine
from rasterio.vrt import WarpedVRT
from rasterio.warp import calculate_default_transform
from rasterio.windows import Window

from schanger_mm.datasets.errors import first_of
from schanger_mm.datasets.opening import how_to_raise, most_pixels

from .drivers import READ, VARIABLE, open_raster
from .errors import SceneError
from .grid import Grid

BANDS = 3  # of the images that networks here are trained on
RGB = ColorInterp.red, ColorInterp.green, ColorInterp.blue
CACHE_BYTES = 64 * 2 ** 20  # GDAL's own limit, 5 % of the machine's memory, would grow with the scene
WARP_TOLERANCE = 0.01  # pixels; GDAL's 0.125 is coarser than what a shift estimate sees, for a tenth of the time
NEARLY_ONE = 0.95  # pixels per pixel, from which bilinear values need no smoothing
HALF = 128  # of 255, what an averaged mask has where half of the pixels hold data
SAMPLE_SIDE, SAMPLES = 32, 24  # 576 windows over the raster
GDAL_ERRORS = (RasterioError, UnicodeDecodeError)  # the latter of a message that quotes a damaged file
warnings.filterwarnings('ignore', category=NotGeoreferencedWarning)  # said in words by schanger_mm.scene.checks


class Raster:
    """Three bands of a raster, opened; of one thread, as GDAL's datasets are.

    Args:
        path: what GDAL opens: a file, ``/vsi...``, a URL.
        bands: which three, counted from 1, red first; None takes those of a
            raster that has exactly three beside an alpha band, as they stand
            or, where they are marked as red, green and blue, in this order.
        nodata: the value of pixels without data, instead of the raster's own.

    Attributes:
        grid: of what is read; ``own_grid`` is the raster's, before a warp.
        dtype: of the values, as rasterio names it.
        bands: that are read, counted from 1, red first.
        masked: whether it says at all which pixels hold data.
        files: what it is made of, sidecar files and sources of a VRT among it.

    Raises:
        SceneError: it cannot be opened, has other bands, blocks of too many
            pixels, or a transform that places it nowhere.
    """

    def __init__(self, path: str, bands: tuple[int, ...] | None = None, nodata: float | None = None) -> None:
        self.path = path
        self._stack = ExitStack()
        self._data = _open(path)
        self._stack.callback(self._data.close)
        try:
            self.files = _present_files(path, self._data.files)
            _check_blocks(path, self._data)
            self.grid = self.own_grid = _grid(path, self._data)
            self.bands = _choose_bands(path, self._data, bands)
            self.dtype = _common_type(path, self._data, self.bands)
            self.nodata = _nodata(path, self._data, self.bands, self.dtype, nodata)
            self._find_mask()
            self.masked = self.nodata is not None or self._alpha is not None or self._mask is not None
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close the raster."""
        self._stack.close()

    def warp_to(self, grid: Grid) -> None:
        """Read through a bilinear warp onto ``grid`` from now on; what it does not cover is without data."""
        fill = self._fill()
        missing = {'add_alpha': self._alpha is None} if fill is None else {'src_nodata': fill, 'nodata': fill}
        try:
            self._data = WarpedVRT(self._data, crs=grid.crs, transform=grid.affine, width=grid.width,
                                   height=grid.height, resampling=Resampling.bilinear, tolerance=WARP_TOLERANCE,
                                   **missing, **_scale(self.grid, grid))
        except (RasterioError, CPLE_BaseError, ValueError) as error:
            raise SceneError(f'{self.path}: cannot be warped onto {grid.width} x {grid.height} px of '
                             f'{grid.crs_name} ({_reason(error)}).') from error
        self._stack.callback(self._data.close)
        self.grid, self.nodata = grid, fill
        self._find_mask()

    def read(self, col: int, row: int, width: int, height: int) -> tuple[np.ndarray, np.ndarray]:
        """Read a window that lies inside the grid.

        Returns:
            Values ``(3, height, width)`` of the raster's own type, and ``(height, width)`` bool, true where there
            is data: not nodata in all bands, and neither masked, transparent nor (float) NaN or infinite in any.

        Raises:
            SceneError: the raster is truncated, damaged or out of reach.
        """
        window = Window(col, row, width, height)
        with self._reading(window):
            values = self._data.read(self.bands, window=window)
            valid = np.ones((height, width), bool)
            if self._alpha is not None:
                valid &= self._data.read(self._alpha, window=window) > 0
            elif self._mask is not None:
                valid &= self._data.read_masks(self._mask, window=window).all(axis=0)
        if values.dtype.kind == 'f':
            valid &= np.isfinite(values).all(axis=0)
        return values, valid & ~self.missing(values)

    def read_reduced(self, col: int, row: int, width: int, height: int,
                     size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
        """Read a window averaged down to ``size`` (width, height), from overviews where there are some.

        Returns:
            As :meth:`read`, of that size: means of the pixels with data, and true where there are some (of masked
            or transparent ones: where they are not the most).

        Raises:
            SceneError: the raster is truncated, damaged or out of reach.
        """
        window, average = Window(col, row, width, height), Resampling.average
        with self._reading(window), ExitStack() as stack:
            data, fill = self._data, self._fill()
            if fill is not None and {str(value) for value in data.nodatavals} != {str(fill)}:  # GDAL has to know it
                data = stack.enter_context(WarpedVRT(data, src_nodata=fill, nodata=fill, resampling=average))
            how = dict(window=window, resampling=average)
            values = data.read(self.bands, out_shape=(BANDS, *size[::-1]), **how)
            valid = np.isfinite(values).all(axis=0) & ~self.missing(values)
            if self._alpha is not None:
                valid &= data.read(self._alpha, out_shape=size[::-1], **how) >= HALF
            elif self._mask is not None:
                shares = data.read_masks(self._mask, out_shape=(len(self._mask), *size[::-1]), **how)
                valid &= (shares >= HALF).all(axis=0)
        return values, valid

    def missing(self, values: np.ndarray) -> np.ndarray:
        """Where all bands of values ``(3, h, w)`` are the nodata value; a dark or bright pixel has it in one or two."""
        if self.nodata is None or np.isnan(self.nodata):
            return np.zeros(values.shape[1:], bool)  # NaN is never data, whatever the nodata value
        return (values == values.dtype.type(self.nodata)).all(axis=0)

    def samples(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Read 576 windows of 32 px spread evenly over the raster, or what there is of a smaller one.

        Full resolution, since reading a raster without overviews decimated
        would read all of it.
        """
        columns, rows = (_spread(length) for length in (self.grid.width, self.grid.height))
        for row, height in rows:
            for col, width in columns:
                yield self.read(col, row, width, height)

    @contextmanager
    def _reading(self, window: Window) -> Iterator[None]:
        try:
            yield
        except (*GDAL_ERRORS, OSError) as error:
            left, top = window.col_off, window.row_off
            raise SceneError(f'{self.path}: pixels {left}..{left + window.width - 1} x {top}..'
                             f'{top + window.height - 1} cannot be read ({_reason(error)}); it is truncated, damaged '
                             'or out of reach: fetch it again.') from error

    def _fill(self) -> float | None:
        """The value of pixels without data, for GDAL: NaN is one also where nobody says so."""
        return np.nan if self.nodata is None and np.dtype(self.dtype).kind == 'f' else self.nodata

    def _find_mask(self) -> None:
        """Find what says which pixels hold data, beside the nodata value: an alpha band or the masks of bands."""
        colours = self._data.colorinterp
        self._alpha = colours.index(ColorInterp.alpha) + 1 if ColorInterp.alpha in colours else None
        flags = self._data.mask_flag_enums[self.bands[0] - 1]
        plain = MaskFlags.all_valid in flags or MaskFlags.nodata in flags
        self._mask = None if plain else self.bands[:1] if MaskFlags.per_dataset in flags else self.bands


def limit_cache() -> None:
    """Bound GDAL's cache of this process to 64 MiB, unless the environment sets ``GDAL_CACHEMAX``."""
    if 'GDAL_CACHEMAX' not in os.environ:
        set_gdal_config('GDAL_CACHEMAX', CACHE_BYTES)


def _open(path: str) -> Any:
    if os.path.isdir(path):
        raise SceneError(f'{path}: expected a raster, found a folder.')
    try:
        dataset = open_raster(path)
    except GDAL_ERRORS as error:
        if not os.path.exists(path):
            raise SceneError(f'{path}: no such raster ({_reason(error)}).') from error
        if not os.access(path, os.R_OK):
            raise SceneError(f'{path}: may not be read; ask its owner for the right to.') from error
        size = os.path.getsize(path)
        found = 'found an empty file' if size == 0 else f'found {size} bytes of something else ({_reason(error)})'
        raise SceneError(f'{path}: expected a raster ({", ".join(READ)}, or VRT in a file of that suffix), {found}. '
                         f'Convert it (gdal_translate), or, if you trust it, let {VARIABLE} name its driver of GDAL.'
                         ) from error
    if dataset.count == 0:
        inside = dataset.subdatasets
        dataset.close()
        raise SceneError(f'{path}: has no bands of its own, but {len(inside)} rasters inside; name one of them: '
                         f'{first_of(inside)}.')
    return dataset


def _present_files(path: str, files: list[str]) -> list[str]:
    gone = [name for name in files if not _remote(name) and not os.path.exists(name)]
    if gone:
        raise SceneError(f'{path}: {len(gone)} of the files it is made of do not exist: {first_of(gone)}. Restore '
                         'them, or build the VRT again (gdalbuildvrt).')
    return files


def _check_blocks(path: str, dataset: Any) -> None:
    """Refuse tiles or strips that fill the memory: GDAL decodes a whole one for the smallest window."""
    height, width = max(dataset.block_shapes, key=math.prod)
    if height * width > most_pixels():
        raise SceneError(f'{path}: its header claims tiles or strips of {width} x {height} pixels, more than the limit '
                         f'of {most_pixels()}, so it is not decoded. {how_to_raise(height * width)} (gdal_translate '
                         '-co TILED=YES writes smaller ones).')


def _remote(name: str) -> bool:
    return name.startswith('/vsi') or '://' in name


def _grid(path: str, dataset: Any) -> Grid:
    grid = Grid.of(dataset)
    if grid.affine == Affine.identity() and (dataset.gcps[0] or dataset.rpcs):
        raise SceneError(f'{path}: is placed by {"control points" if dataset.gcps[0] else "a sensor model (RPC)"}, not '
                         'by a transform; warp it first (gdalwarp IN.tif OUT.tif).')
    try:
        grid.check()
    except SceneError as error:
        raise SceneError(f'{path}: {error}') from error
    return grid


def _choose_bands(path: str, dataset: Any, bands: tuple[int, ...] | None) -> list[int]:
    colours = [index for index, use in zip(dataset.indexes, dataset.colorinterp) if use != ColorInterp.alpha]
    if bands is None:
        if len(colours) != BANDS:
            example = '3,2,1' if len(colours) > BANDS else ','.join(map(str, (colours * BANDS)[:BANDS]))
            alpha = ' and an alpha band' if len(colours) < dataset.count else ''
            raise SceneError(f'{path}: the model needs {BANDS} bands (red, green, blue), found {len(colours)}{alpha}; '
                             f'name those to take: --bands {example}.')
        uses = {dataset.colorinterp[band - 1]: band for band in colours}
        bands = tuple(uses[use] for use in RGB) if uses.keys() == {*RGB} else tuple(colours)
    beyond = [band for band in bands if band not in dataset.indexes]
    if beyond:
        raise SceneError(f'{path}: --bands {",".join(map(str, bands))} names band {beyond[0]}, found '
                         f'{dataset.count} in it.')
    if ColorInterp.palette in [dataset.colorinterp[band - 1] for band in bands]:
        raise SceneError(f'{path}: its band holds indices of a palette, not colours; expand it first '
                         '(gdal_translate -expand rgb IN OUT.tif).')
    return list(bands)


def _common_type(path: str, dataset: Any, bands: list[int]) -> str:
    types = sorted({dataset.dtypes[band - 1] for band in bands})
    if len(types) > 1:
        raise SceneError(f'{path}: expected bands of one type, found {", ".join(types)}; convert it first '
                         '(gdal_translate -ot).')
    return types[0]


def _nodata(path: str, dataset: Any, bands: list[int], dtype: str, given: float | None) -> float | None:
    if given is not None:
        if not _can_hold(dtype, given):
            raise SceneError(f'{path}: --nodata {given:g} is no value of its type, {dtype}.')
        return given
    values = [dataset.nodatavals[band - 1] for band in bands]
    if len({str(value) for value in values}) > 1:
        raise SceneError(f'{path}: its bands have different nodata values, {", ".join(map(str, values))}; name one: '
                         '--nodata.')
    return values[0] if values[0] is not None and _can_hold(dtype, values[0]) else None


def _can_hold(dtype: str, value: float) -> bool:
    if np.dtype(dtype).kind not in 'iu':
        return True
    limits = np.iinfo(dtype)
    return bool(value == np.floor(value) and limits.min <= value <= limits.max)


def _scale(source: Grid, target: Grid) -> dict[str, float]:
    """Pixels of the target per pixel of the source, by which GDAL smooths before it makes them fewer.

    GDAL's own estimate is one per window that is read, and values would depend on the windows.
    """
    if source.crs == target.crs:
        affine = source.affine
    else:
        affine, *_ = calculate_default_transform(source.crs, target.crs, source.width, source.height, *source.bounds)
    scale = math.sqrt(abs(affine.determinant / target.affine.determinant))
    return dict.fromkeys(('XSCALE', 'YSCALE'), 1.0 if scale > NEARLY_ONE else scale)


def _spread(length: int) -> list[tuple[int, int]]:
    side = min(SAMPLE_SIDE, length)
    count = min(SAMPLES, -(-length // side))
    return [(int(start), side) for start in np.linspace(0, length - side, count)]


def _reason(error: BaseException) -> str:
    """The first cause that GDAL gives."""
    while error.__cause__ is not None:
        error = error.__cause__
    return str(error).rstrip('. ')
