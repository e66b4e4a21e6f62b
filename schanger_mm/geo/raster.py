"""One date: the bands of a raster that a network takes, which of its pixels hold data, read window by window."""

from __future__ import annotations

import math
import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
from rasterio import shutil
from rasterio._err import CPLE_BaseError  # of what PROJ refuses; no public name
from rasterio.enums import ColorInterp, MaskFlags, Resampling
from rasterio.env import Env, set_gdal_config
from rasterio.errors import NotGeoreferencedWarning, RasterioError
from rasterio.io import MemoryFile
from rasterio.transform import Affine
from rasterio.vrt import WarpedVRT
from rasterio.warp import calculate_default_transform
from rasterio.windows import Window

from schanger_mm.geo.addresses import Address, UnreachableError, approve, environment, is_network
from schanger_mm.geo.drivers import READ, VARIABLE, open_raster
from schanger_mm.geo.errors import SceneError
from schanger_mm.geo.grid import Grid
from schanger_mm.geo.web import state_of
from schanger_mm.utils.images import how_to_raise, most_pixels
from schanger_mm.utils.text import first_of

BANDS = 3  # red, green and blue, which most networks take
RGB = ColorInterp.red, ColorInterp.green, ColorInterp.blue
CACHE_BYTES = 64 * 2 ** 20  # GDAL's own limit, 5 % of the machine's memory, would grow with the scene
WARP_TOLERANCE = 0.01  # pixels; GDAL's 0.125 is coarser than what a shift estimate sees, for a tenth of the time
NEARLY_ONE = 0.95  # pixels per pixel, from which bilinear values need no smoothing
HALF = 128  # of 255, what an averaged mask has where half of the pixels hold data
SAMPLE_SIDE, SAMPLES = 32, 24  # 576 windows over the raster
GDAL_ERRORS = (RasterioError, UnicodeDecodeError)  # the latter of a message that quotes a damaged file
warnings.filterwarnings('ignore', category=NotGeoreferencedWarning)  # reported by schanger_mm.scene.checks


class Raster:
    """Bands of a raster, opened; of one thread, as GDAL's datasets are.

    Args:
        path: what GDAL opens: a file, ``/vsizip/...``, or the address of a GeoTIFF.
        bands: as many as ``count``, counted from 1, red first of three; None uses, of three, those marked
            as red, green and blue, or else the bands of a raster with
            exactly ``count`` besides an alpha band, in their order.
        nodata: the value of pixels without data, instead of the raster's own values.
        ignore_alpha: treat a band marked as alpha as an ordinary band, as if named in ``bands``.
        remote: allow addresses, alone and as sources of a local VRT.
        count: number of bands to read; None: all besides an alpha band.
        trained: bands to take instead where ``bands`` is None and the raster has them, none of them alpha.

    GDAL's masks of these bands (nodata values, ``NODATA_VALUES``, masks in
    the file or next to it) and an alpha band define which pixels have data. A
    pixel that lacks one band has no data; with a nodata value in 8 bits it must
    lack all, since there 0 in one band is a dark colour. NaN and infinity
    are never data.

    Attributes:
        grid: of what is read; ``own_grid`` is the raster's, before a warp.
        dtype: of the values, as rasterio names it.
        bands: that are read, counted from 1, red first of three.
        colours: positions among ``bands`` of those marked as red, green and blue; None if not each is there once.
        bits: of a value, 8 or fewer for ``uint8``, which may be stored in one bit.
        names: descriptions of these bands, None where there is none.
        tags: scale and offset of these bands, which say what stored values mean; (1, 0) where there are none.
        masked: whether it says at all which pixels hold data.
        files: what it is made of, sidecar files and sources of a VRT among it.
        state: of an address: what changes when the raster there is replaced; None if that is not known.

    Raises:
        SceneError: it cannot be opened, has other bands, blocks of too many
            pixels, or a transform that places it nowhere.
    """

    def __init__(self, path: str, bands: tuple[int, ...] | None = None, nodata: float | None = None,
                 ignore_alpha: bool = False, remote: bool = False, count: int | None = BANDS,
                 trained: tuple[int, ...] | None = None) -> None:
        self.path = path = approve(path, remote)
        self._options = bands, nodata, ignore_alpha, remote, count, trained
        self.state = state_of(path) if isinstance(path, Address) else None
        self._stack = ExitStack()
        try:
            with self._environment():
                self._open(path, *self._options)
        except UnreachableError:  # as in _twice
            with self._environment():
                self._open(path, *self._options)

    def _environment(self) -> Env:
        return environment(self.path, self._options[3])

    def _open(self, path: str, bands: tuple[int, ...] | None, nodata: float | None, ignore_alpha: bool,
              remote: bool, count: int | None, trained: tuple[int, ...] | None) -> None:
        self._data = _open(path, remote)
        self._stack.callback(self._data.close)
        try:
            self.files = _present_files(path, self._data.files)
            _check_blocks(path, self._data)
            self.grid = self.own_grid = _grid(path, self._data)
            alpha = _alpha_of(self._data)
            if alpha is not None and (ignore_alpha or alpha in (bands or ())):
                self._data = self._stack.enter_context(_without_alpha(self._data))
            self.bands = _choose_bands(path, self._data, bands or _as_trained(path, self._data, trained), count)
            self.colours = _colours(self._data, self.bands)
            self.names = tuple(self._data.descriptions[band - 1] for band in self.bands)
            self.tags = tuple((self._data.scales[band - 1], self._data.offsets[band - 1]) for band in self.bands)
            self.dtype = _common_type(path, self._data, self.bands)
            self.bits = _bits(self._data, self.bands)
            self._unified = 'YES' if self.dtype == 'uint8' else 'NO'  # as GDAL's warps call it
            self._given = _given(path, self.dtype, nodata)
            self.nodata = _declared(self._data, self.bands) if nodata is None else nodata
            self._find_mask()
            self._own_alpha = self._alpha is not None
            self.masked = nodata is not None or self._alpha is not None or self._mask is not None
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close the raster."""
        self._stack.close()

    def warp_to(self, grid: Grid) -> None:
        """Read through a bilinear warp onto ``grid`` from now on; what it does not cover is without data."""
        if isinstance(self.nodata, tuple):
            raise SceneError(f'{self.path}: its bands have different nodata values, '
                             f'{", ".join(map(str, self.nodata))}, so it cannot be warped; name one: --nodata.')
        fill = self._fill()
        if fill is None:
            missing: dict[str, Any] = {'add_alpha': self._alpha is None}
        else:
            missing = {'src_nodata': fill, 'nodata': fill, 'UNIFIED_SRC_NODATA': self._unified}
        with self._environment():
            try:
                self._data = WarpedVRT(self._data, crs=grid.crs, transform=grid.affine, width=grid.width,
                                       height=grid.height, resampling=Resampling.bilinear, tolerance=WARP_TOLERANCE,
                                       **missing, **_scale(self.grid, grid))
            except (RasterioError, CPLE_BaseError, ValueError) as error:
                raise SceneError(f'{self.path}: cannot be warped onto {grid.width} x {grid.height} px of '
                                 f'{grid.crs_name} ({_reason(error)}).') from error
            self._stack.callback(self._data.close)
            self.grid = grid
            self._find_mask()

    def read(self, col: int, row: int, width: int, height: int) -> tuple[np.ndarray, np.ndarray]:
        """Read a window that lies inside the grid.

        Returns:
            Values ``(C, height, width)`` of the raster's own type, and ``(height, width)`` bool, true where all
            C bands have data.

        Raises:
            SceneError: the raster is truncated, damaged or out of reach.
        """
        return self._twice(lambda: self._read(Window(col, row, width, height)))

    def _read(self, window: Window) -> tuple[np.ndarray, np.ndarray]:
        with self._reading(window):
            values = self._data.read(self.bands, window=window)
            valid = ~self._is_given(values)
            if values.dtype.kind == 'f':
                valid &= np.isfinite(values).all(axis=0)
            if self._alpha is not None:
                valid &= self._data.read(self._alpha, window=window) > 0
            if self._mask is not None:
                valid &= self._together(self._data.read_masks(self._mask, window=window) > 0)
        return values, valid

    def read_reduced(self, col: int, row: int, width: int, height: int,
                     size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
        """Read a window averaged down to ``size`` (width, height), from overviews where there are some.

        Returns:
            As :meth:`read`, of that size: means of the pixels with data, and true where there are some (of masked
            or transparent ones: where they are not the most).

        Raises:
            SceneError: the raster is truncated, damaged or out of reach.
        """
        return self._twice(lambda: self._read_reduced(Window(col, row, width, height), size))

    def _read_reduced(self, window: Window, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
        average = Resampling.average
        with self._reading(window), ExitStack() as stack:
            data, fill = self._data, self._fill()
            if self._given is not None or (fill is not None and self.nodata is None):  # GDAL has to know it
                data = stack.enter_context(WarpedVRT(data, src_nodata=fill, nodata=fill, resampling=average,
                                                     UNIFIED_SRC_NODATA=self._unified))
            how = dict(window=window, resampling=average)
            values = data.read(self.bands, out_shape=(len(self.bands), *size[::-1]), **how)
            valid = np.isfinite(values).all(axis=0) & ~self._is_given(values)
            if self._alpha is not None:
                valid &= data.read(self._alpha, out_shape=size[::-1], **how) >= HALF
            if self._mask is not None:
                shares = data.read_masks(self._mask, out_shape=(len(self._mask), *size[::-1]), **how)
                valid &= self._together(shares >= HALF)
        return values, valid

    def samples(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Read 576 windows of 32 px spread evenly over the raster, or what there is of a smaller one.

        Full resolution, since reading a raster without overviews decimated
        would read all of it.
        """
        for place in self._places():
            yield self.read(*place)

    def _places(self) -> Iterator[tuple[int, int, int, int]]:
        columns, rows = (_spread(length) for length in (self.grid.width, self.grid.height))
        for row, height in rows:
            for col, width in columns:
                yield col, row, width, height

    def half_transparent(self) -> float:
        """Share of sampled pixels whose alpha is neither 0 nor the greatest one; 0 without an alpha band."""
        if not self._own_alpha:
            return 0.0
        found = []
        for place in self._places():
            found.append(self._twice(lambda: self._read_alpha(Window(*place))))  # noqa: B023
        alpha = np.concatenate(found)
        return float(((alpha != 0) & (alpha != alpha.max())).mean())

    def _read_alpha(self, window: Window) -> np.ndarray:
        with self._reading(window):
            return self._data.read(self._alpha, window=window).ravel()

    @contextmanager
    def _reading(self, window: Window) -> Iterator[None]:
        try:
            with self._environment():
                yield
        except (*GDAL_ERRORS, OSError) as error:
            left, top = window.col_off, window.row_off
            pixels = f'pixels {left}..{left + window.width - 1} x {top}..{top + window.height - 1}'
            if not isinstance(self.path, Address):
                raise SceneError(f'{self.path}: {pixels} cannot be read ({_reason(error)}); it is truncated, damaged '
                                 'or out of reach: fetch it again.') from error
            raise UnreachableError(
                f'{self.path}: {pixels} cannot be read, after several tries ({self.path.redact(_reason(error))}); the '
                'connection fails or the raster is damaged: the same command with --resume continues, or download it '
                'first.') from None

    def _twice(self, read: Callable[[], Any]) -> Any:
        """Read; open an address again where that fails: GDAL keeps half an answer, and does not ask for the rest."""
        try:
            return read()
        except UnreachableError:
            self._open_again()
            return read()

    def _open_again(self) -> None:
        grid, own = self.grid, self.own_grid
        self.close()
        if isinstance(self.path, Address) and self.state != state_of(self.path):
            raise SceneError(f'{self.path}: the raster there was replaced while it was read; delete the results so far '
                             'and run again.')
        Raster.__init__(self, self.path, *self._options)
        if grid != own:
            self.warp_to(grid)

    def _is_given(self, values: np.ndarray) -> np.ndarray:
        """Return where values ``(C, h, w)`` equal the nodata value given by the user."""
        if self._given is None or np.isnan(self._given):
            return np.zeros(values.shape[1:], bool)
        return ~self._together(values != values.dtype.type(self._given))

    def _together(self, valid: np.ndarray) -> np.ndarray:
        """Join masks ``(n, h, w)`` of bands, true where there is data."""
        return np.asarray(valid.any(axis=0) if self._unified == 'YES' else valid.all(axis=0))

    def _fill(self) -> float | None:
        """Return the nodata value for GDAL: NaN always counts as nodata."""
        if self._given is not None:
            return self._given
        if isinstance(self.nodata, float) and _can_hold(self.dtype, self.nodata):
            return self.nodata
        return np.nan if np.dtype(self.dtype).kind == 'f' else None

    def _find_mask(self) -> None:
        """Find what tells which pixels hold data: an alpha band, and those of GDAL's masks that are not made of it."""
        self._alpha = _alpha_of(self._data)
        flags = {flag for band in self.bands for flag in self._data.mask_flag_enums[band - 1]}
        replaced = MaskFlags.nodata in flags and self._given is not None
        same = MaskFlags.per_dataset in flags
        plain = flags == {MaskFlags.all_valid} or MaskFlags.alpha in flags or replaced
        self._mask = None if plain else self.bands[:1] if same else self.bands


def limit_cache() -> None:
    """Bound GDAL's cache of this process to 64 MiB, unless the environment sets ``GDAL_CACHEMAX``."""
    if 'GDAL_CACHEMAX' not in os.environ:
        set_gdal_config('GDAL_CACHEMAX', CACHE_BYTES)


def _open(path: str, remote: bool) -> Any:
    if os.path.isdir(path):
        raise SceneError(f'{path}: expected a raster, found a folder.')
    try:
        dataset = open_raster(path, remote)
    except GDAL_ERRORS as error:
        if isinstance(path, Address):
            reason = path.redact(_reason(error))
            raise UnreachableError(f'{path}: expected a GeoTIFF that GDAL can read there ({reason}); check the '
                                   'address, or download it first.') from None
        if not os.path.exists(path):
            raise SceneError(f'{path}: no such raster ({_reason(error)}).') from error
        if not os.access(path, os.R_OK):
            raise SceneError(f'{path}: no permission to read it; ask its owner for access.') from error
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
    gone = [name for name in files if not name.startswith('/vsi') and not is_network(name)
            and not os.path.exists(name)]
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


def _alpha_of(dataset: Any) -> int | None:
    """Return the number of the alpha band."""
    uses = dataset.colorinterp
    return uses.index(ColorInterp.alpha) + 1 if ColorInterp.alpha in uses else None


@contextmanager
def _without_alpha(dataset: Any) -> Iterator[Any]:
    """Open the same bands again, none of them marked as alpha."""
    with MemoryFile(ext='.vrt') as memory:
        shutil.copy(dataset, memory.name, driver='VRT')
        text = memory.read()
    text = text.replace(b'<ColorInterp>Alpha<', b'<ColorInterp>Undefined<')
    with MemoryFile(text, ext='.vrt') as memory, memory.open() as unmarked:
        yield unmarked


def _as_trained(path: str, dataset: Any, trained: tuple[int, ...] | None) -> tuple[int, ...] | None:
    """Return the bands of the training, None if the raster does not have them or one of them is alpha.

    Raises:
        SceneError: they would be red, green and blue, and the raster marks others as these.
    """
    there = {index for index, use in zip(dataset.indexes, dataset.colorinterp) if use != ColorInterp.alpha}
    if not trained or not there.issuperset(trained):
        return None
    uses = list(dataset.colorinterp)
    if len(trained) == BANDS and all(uses.count(use) == 1 for use in RGB):
        marked = tuple(uses.index(use) + 1 for use in RGB)
        if marked != trained:
            raise SceneError(f'{path}: marks the bands {_listed(marked)} as red, green and blue, and the network was '
                             f'trained on the bands {_listed(trained)} of its files; choose them, red first: --bands '
                             f'{_listed(marked)} or --bands {_listed(trained)}.')
    return trained


def _listed(bands: tuple[int, ...]) -> str:
    return ','.join(map(str, bands))


def _colours(dataset: Any, bands: list[int]) -> tuple[int, ...] | None:
    uses = [dataset.colorinterp[band - 1] for band in bands]
    return tuple(uses.index(use) for use in RGB) if all(uses.count(use) == 1 for use in RGB) else None


def _choose_bands(path: str, dataset: Any, bands: tuple[int, ...] | None, count: int | None) -> list[int]:
    if bands is None:
        uses = list(dataset.colorinterp)
        ordinary = tuple(index for index, use in zip(dataset.indexes, uses) if use != ColorInterp.alpha)
        if count == BANDS and all(uses.count(use) == 1 for use in RGB):
            bands = tuple(uses.index(use) + 1 for use in RGB)
        elif count in (None, len(ordinary)):
            bands = ordinary
        else:
            raise _other_number(path, dataset, count, len(ordinary))
    beyond = [band for band in bands if band not in dataset.indexes]
    if beyond:
        raise SceneError(f'{path}: --bands {",".join(map(str, bands))} names band {beyond[0]}, found '
                         f'{dataset.count} in it.')
    if ColorInterp.palette in [dataset.colorinterp[band - 1] for band in bands]:
        raise SceneError(f'{path}: its band holds indices of a palette, not colours; expand it first '
                         '(gdal_translate -expand rgb IN OUT.tif).')
    return list(bands)


def _other_number(path: str, dataset: Any, count: int, found: int) -> SceneError:
    """Make an error for a raster of which it is not known which ``count`` bands to take; ``found`` are not alpha."""
    alpha = ' and an alpha band' if found < dataset.count else ''
    named = [f'{index} ({name})' for index, name in zip(dataset.indexes, dataset.descriptions) if name]
    names = f'; the raster calls them {first_of(named)}' if named else ''
    if count == BANDS:
        return SceneError(f'{path}: the model needs {BANDS} bands (red, green, blue), found {found}{alpha} '
                          'that are not marked as these; choose them, red first: --bands R,G,B, such as 4,3,2'
                          f'{" (--bands 1,1,1 takes a grey one)" if found < BANDS else ""}{names}.')
    if dataset.count == count:
        return SceneError(f'{path}: the model needs {count} bands, found {found}{alpha}; if that one is an ordinary '
                          f'band, such as near infrared, set --ignore-alpha{names}.')
    numbers = ','.join(map(str, range(1, count + 1)))
    advice = (f'choose them in the order of the training: --bands {numbers}, for example' if found > count else
              f'take a raster that has them, or name one band several times: --bands with {count} numbers, such as '
              f'{numbers} where all are there')
    return SceneError(f'{path}: the model needs {count} bands, found {found}{alpha}; {advice}{names}.')


def _common_type(path: str, dataset: Any, bands: list[int]) -> str:
    types = sorted({dataset.dtypes[band - 1] for band in bands})
    if len(types) > 1:
        raise SceneError(f'{path}: expected bands of one type, found {", ".join(types)}; convert it first '
                         '(gdal_translate -ot).')
    return types[0]


def _bits(dataset: Any, bands: list[int]) -> int:
    """Return the number of bits per value in the file."""
    whole = 8 * np.dtype(dataset.dtypes[bands[0] - 1]).itemsize
    return max(int(dataset.tags(band, ns='IMAGE_STRUCTURE').get('NBITS', whole)) for band in bands)


def _declared(dataset: Any, bands: list[int]) -> float | tuple[float | None, ...] | None:
    """Return the nodata value of bands, or one per band if they differ."""
    values = tuple(dataset.nodatavals[band - 1] for band in bands)
    return values[0] if len({str(value) for value in values}) == 1 else values


def _given(path: str, dtype: str, given: float | None) -> float | None:
    if given is not None and not _can_hold(dtype, given):
        raise SceneError(f'{path}: --nodata {given:g} is not a value of its type, {dtype}.')
    return given


def _can_hold(dtype: str, value: float) -> bool:
    if np.dtype(dtype).kind not in 'iu':
        return True
    limits = np.iinfo(dtype)
    return bool(value == np.floor(value) and limits.min <= value <= limits.max)


def _scale(source: Grid, target: Grid) -> dict[str, float]:
    """Return target pixels per source pixel, by which GDAL smooths before downsampling.

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
    """Return the first cause that GDAL reports."""
    while error.__cause__ is not None:
        error = error.__cause__
    return str(error).rstrip('. ')
