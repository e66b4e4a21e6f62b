"""A pair of rasters on one grid, opened from a description and read window by window."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from schanger_mm.geo import scaling as rules
from schanger_mm.geo.addresses import approve
from schanger_mm.geo.errors import SceneError
from schanger_mm.geo.fingerprint import content_of, file_states, fingerprint
from schanger_mm.geo.grid import Grid
from schanger_mm.geo.raster import BANDS, Raster, limit_cache
from schanger_mm.geo.reading import EIGHT_BIT, Reading
from schanger_mm.geo.scaling import Range, Scaling


@dataclass(frozen=True)
class PairSpec:
    """Everything that says how to open a pair; it can be pickled, and stored as JSON by :meth:`as_dict`.

    Args:
        before, after: the two rasters, earlier date first: files, or
            addresses, which become :class:`~schanger_mm.geo.addresses.Address`.
        bands: bands of both dates counted from 1, red first of three, or two
            such lists, the earlier date's first; None if each date has exactly ``count`` besides an
            alpha band, or marks its own as red, green and blue where three are wanted.
        scaling: how their values become 0..255; None if both are 8-bit, or ``trained`` says it.
        align: warp the later date onto the earlier one's grid where the
            grids differ. Pixels outside of the overlap are without data.
        gsd: read both at this ground sampling distance, in metres; the
            output has it too.
        nodata: the value of pixels without data, in place of the one that
            the rasters name; alpha bands and masks count all the same.
        ignore_alpha: take a band that is marked as alpha for any other one,
            such as near infrared.
        remote: allow addresses of rasters, also as sources of a local VRT.
        count: number of bands that the network takes; None: all that the rasters have.
        trained: how the images that the network was trained on were read, for what ``bands`` and ``scaling`` leave
            open.
        stored: do not scale: other than 8-bit values are read as they are stored, of one type in both dates.

    Raises:
        SceneError: another number of bands, a distance that is not positive, or an address without ``remote``.
    """

    before: str
    after: str
    bands: tuple[int, ...] | tuple[tuple[int, ...], ...] | None = None
    scaling: Scaling | None = None
    align: bool = False
    gsd: float | None = None
    nodata: float | None = None
    ignore_alpha: bool = False
    remote: bool = False
    count: int | None = BANDS
    trained: Reading = EIGHT_BIT
    stored: bool = False

    def __post_init__(self) -> None:
        for date in ('before', 'after'):
            object.__setattr__(self, date, approve(getattr(self, date), self.remote))
        for bands in self.bands_of_dates():
            if bands is not None and (len(bands) != (self.count or len(bands)) or min(bands, default=0) < 1):
                number = self.count or 'any number of'
                raise SceneError(f'--bands: expected {number} numbers from 1 up, as the model needs {number} bands, or '
                                 f'two such lists (3,2,1/4,3,2), found {",".join(map(str, bands))}.')
        if self.gsd is not None and not 0 < self.gsd < float('inf'):
            raise SceneError(f'--resample-gsd: expected metres above 0, found {self.gsd:g}.')

    def bands_of_dates(self) -> tuple[tuple[int, ...] | None, tuple[int, ...] | None]:
        """Return the bands of the earlier and the later date."""
        if self.bands is not None and len(self.bands) == 2 and isinstance(self.bands[0], tuple):
            return self.bands  # type: ignore[return-value]  # two lists
        return self.bands, self.bands  # type: ignore[return-value]  # one list for both, or none

    def as_dict(self) -> dict[str, Any]:
        """Return the settings as plain values for JSON."""
        lists = None if self.bands is None else [
            list(part) if isinstance(part, tuple) else part for part in self.bands]
        marks = {name: True for name in ('ignore_alpha', 'stored') if getattr(self, name)}
        return dict(before=self.before, after=self.after, bands=lists, **marks,
                    scaling=None if self.scaling is None else str(self.scaling), align=self.align, gsd=self.gsd,
                    nodata='nan' if self.nodata is not None and np.isnan(self.nodata) else self.nodata)


def parse_bands(text: str) -> tuple[int, ...] | tuple[tuple[int, ...], ...]:
    """Read what ``--bands`` takes: ``3,2,1``, or one list per date with a slash between, ``3,2,1/4,3,2``.

    Raises:
        SceneError: something else.
    """
    try:
        lists = [tuple(map(int, part.split(','))) for part in text.split('/')]
    except ValueError:
        lists = []
    if not 1 <= len(lists) <= 2:
        raise SceneError(f'--bands: invalid, {text!r}; expected numbers with commas between (3,2,1), or two lists with '
                         'a slash between (3,2,1/4,3,2).')
    return lists[0] if len(lists) == 1 else tuple(lists)


def as_bands(bands: Sequence[Any] | None) -> Any:
    """Turn lists of bands into tuples, as :class:`PairSpec` has them."""
    return None if bands is None else tuple(part if isinstance(part, int) else tuple(part) for part in bands)


@dataclass
class PairWindow:
    """A piece of a pair.

    Args:
        images: ``(2, C, h, w)`` float32 in 0..255, RGB where there are three bands, earlier date first; 0 where
            ``valid`` is false. Of ``stored`` values, in their own type.
        valid: ``(h, w)`` bool, both dates have data in all bands.
    """

    images: np.ndarray
    valid: np.ndarray


class PairSource:
    """Two rasters on one grid, opened; a context manager for one thread. See :func:`open_pair`.

    Attributes:
        spec: the description, with percentiles replaced by the numbers they
            came to, and with the bands and the rule of the training where these are used: hand this one to workers,
            so that all use the same.
        notes: what was taken from the training, for the user.
        bands: number of bands of each date.
        grid: of the pair, and of what is made from it.
        before, after: the dates.
    """

    def __init__(self, spec: PairSpec) -> None:
        limit_cache()
        with ExitStack() as stack:
            self.before, self.after = dates = [
                stack.enter_context(closing(Raster(path, bands, spec.nodata, spec.ignore_alpha, spec.remote,
                                                   spec.count, spec.trained.bands)))
                for path, bands in zip((spec.before, spec.after), spec.bands_of_dates())]
            self.bands = len(self.before.bands)
            _check_alike(dates, spec.stored)
            spec, self.notes = _as_trained(spec, dates)
            self.spec = replace(spec, scaling=_resolve(spec.scaling, dates, spec.stored))
            self.grid = self._to_one_grid()
            self._stack = stack.pop_all()

    def __enter__(self) -> PairSource:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Close both rasters."""
        self._stack.close()

    def read(self, col: int, row: int, width: int, height: int) -> PairWindow:
        """Read a window.

        Args:
            col, row: its first pixel; may be negative.
            width, height: its size in pixels; what sticks out of the grid is without data.

        Raises:
            SceneError: a raster is truncated, damaged or out of reach.
        """
        images = np.zeros((2, self.bands, height, width), self.before.dtype if self.as_stored else np.float32)
        valid = np.zeros((height, width), bool)
        left, top = max(col, 0), max(row, 0)
        right, bottom = min(col + width, self.grid.width), min(row + height, self.grid.height)
        if left < right and top < bottom:
            rows, cols = slice(top - row, bottom - row), slice(left - col, right - col)
            valid[rows, cols] = True
            scalings = self.spec.scaling.before, self.spec.scaling.after
            for image, date, rule in zip(images, (self.before, self.after), scalings):
                values, has_data = date.read(left, top, right - left, bottom - top)
                image[:, rows, cols] = values if self.as_stored else rules.to_bytes_range(values, rule)
                valid[rows, cols] &= has_data
        images[:, :, ~valid] = 0
        return PairWindow(images, valid)

    @property
    def as_stored(self) -> bool:
        """Return whether values are not scaled, and neither 8-bit."""
        return self.spec.stored and self.before.dtype != 'uint8'

    def read_reduced(self, col: int, row: int, width: int, height: int, size: tuple[int, int],
                     shown: Sequence[int] | None = None) -> PairWindow:
        """Read a window inside the grid, averaged down to ``size`` (width, height), to look at.

        Args:
            col, row, width, height, size: the window, and what it becomes.
            shown: positions of the bands to return, from 0; None: all. All count for ``valid``.

        Raises:
            SceneError: a raster is truncated, damaged or out of reach.
        """
        shown = range(self.bands) if shown is None else shown
        images, valid = np.zeros((2, len(shown), *size[::-1]), np.float32), np.ones(size[::-1], bool)
        scalings = self.spec.scaling.before, self.spec.scaling.after
        for image, date, rule in zip(images, (self.before, self.after), scalings):
            values, has_data = date.read_reduced(col, row, width, height, size)
            image[:] = rules.to_bytes_range(values[list(shown)], rule)
            valid &= has_data
        images[:, :, ~valid] = 0
        return PairWindow(images, valid)

    def fingerprint(self, whole: bool = True) -> dict[str, Any]:
        """Identity of both inputs, as JSON holds it: changed pixels, files or sidecar files change it.

        See :func:`schanger_mm.geo.fingerprint.fingerprint`.
        """
        return {'before': fingerprint(self.before, whole), 'after': fingerprint(self.after, whole)}

    def content(self) -> dict[str, Any]:
        """Return :meth:`fingerprint` without the times of files."""
        return {date: content_of(identity) for date, identity in self.fingerprint().items()}

    def file_states(self) -> dict[str, tuple]:
        """Return what changes when a local file of either date is written."""
        return {**file_states(self.before), **file_states(self.after)}

    def _to_one_grid(self) -> Grid:
        spec, before, after = self.spec, self.before, self.after
        differences = before.grid.differences(after.grid)
        if differences:
            _refuse_unless_alignable(spec, before.grid, after.grid, differences)
        grid = before.grid
        if spec.gsd is not None:
            try:
                grid = before.grid.at_gsd(spec.gsd)
            except SceneError as error:
                raise SceneError(f'{spec.before}: {error}') from error
        resampled = bool(before.grid.differences(grid))
        if resampled:
            before.warp_to(grid)
        if resampled or differences:
            after.warp_to(grid)
        return grid


def open_pair(spec: PairSpec) -> PairSource:
    """Open two rasters for reading, or say why they cannot be compared.

    Each thread and each process opens its own: ``with open_pair(spec) as source``.

    Raises:
        SceneError: a raster cannot be read, has other bands or needs a rule
            for its values; or the two differ in size, CRS or grid without
            ``align``, or share no ground.
    """
    return PairSource(spec)


def _check_alike(dates: list[Raster], stored: bool) -> None:
    """Refuse dates of different numbers of bands; stored values also of different types."""
    before, after = dates
    if len(before.bands) != len(after.bands):
        raise SceneError(f'{before.path} has {len(before.bands)} bands and {after.path} {len(after.bands)}; expected '
                         'the same number: choose them, one list per date: --bands 1,2,4/1,2,3, for example.')
    if None not in before.names and before.names != after.names and set(before.names) == set(after.names):
        raise SceneError(f'{before.path} has the bands {", ".join(map(str, before.names))}; {after.path} has them in '
                         f'another order, {", ".join(map(str, after.names))}. Choose them in one order, one list per '
                         'date: --bands 1,2,3/3,2,1, for example.')
    if stored and before.dtype != after.dtype:
        raise SceneError(f'{before.path} holds {before.dtype} and {after.path} {after.dtype}; values that are kept as '
                         'stored need one type in both dates: scale them to 8 bits (--scale), or convert one '
                         '(gdal_translate -ot).')


def _as_trained(spec: PairSpec, dates: list[Raster]) -> tuple[PairSpec, list[str]]:
    """Fill in what the user left open with what the training did, and say so."""
    notes = []
    trained = spec.trained.bands
    taken = [tuple(date.bands) == trained for date in dates]
    if spec.bands is None and trained is not None and any(taken):
        if not all(taken):
            raise SceneError(f'{dates[taken.index(False)].path}: lacks some of the bands {_listed(trained)} that the '
                             f'training took, and {dates[taken.index(True)].path} has them; choose them, one list per '
                             'date: --bands 4,3,2/3,2,1, for example.')
        spec = replace(spec, bands=trained)
        notes.append(f'bands as in the training: --bands {_listed(trained)}')
    if spec.scaling is None and spec.trained.scale is not None:
        rule = spec.trained.scale
        for date in dates:
            if date.dtype == 'uint8':
                raise SceneError(f'{date.path}: holds 8-bit values, and the network was trained on values that were '
                                 f'scaled from {rule} to 0..255. Take the raster with the values of the sensor; or, if '
                                 f'these were scaled in that way, set --scale none; --scale {rule} scales them.')
        spec = replace(spec, scaling=Scaling(rule, rule))
        notes.append(f'values as in the training: --scale {rule}')
    return spec, notes


def _listed(bands: tuple[int, ...]) -> str:
    return ','.join(map(str, bands))


def _resolve(scaling: Scaling | None, dates: list[Raster], stored: bool) -> Scaling:
    scaling = scaling or Scaling()
    rules.check_tags(scaling, [date.tags for date in dates], [date.path for date in dates])
    ranges = []
    for date, rule in zip(dates, (scaling.before, scaling.after)):
        if stored and date.dtype != 'uint8' and not date.dtype.startswith('complex'):
            ranges.append(None)
            continue
        rules.check_type(rule, date.dtype, date.path)
        if rule is None and date.bits < 8:  # 1 is white where values have one bit
            rule = Range(0, 2 ** date.bits - 1)
        ranges.append(rules.resolve(rule, lambda: _sampled(date), date.path))  # noqa: B023
    return Scaling(*ranges)


def _sampled(date: Raster) -> np.ndarray:
    return np.concatenate([values[:, valid].ravel() for values, valid in date.samples()])


def _refuse_unless_alignable(spec: PairSpec, before: Grid, after: Grid, differences: list[str]) -> None:
    facts = f'{spec.before} and {spec.after} do not lie on one grid: {"; ".join(differences)}.'
    if before.crs is None or after.crs is None:
        without = [path for path, grid in ((spec.before, before), (spec.after, after)) if grid.crs is None]
        raise SceneError(f'{facts} They cannot be aligned, since {" and ".join(without)} '
                         f'{"has" if len(without) == 1 else "have"} no CRS; give both a CRS and a transform '
                         '(gdal_translate -a_srs ... -a_ullr ...), or cut them to one size.')
    if not before.overlaps(after):
        raise SceneError(f'{facts} They show different places, or one of their CRSs or transforms is wrong.')
    if not spec.align:
        raise SceneError(f'{facts} --align warps the later date onto the grid of the earlier one; what only one of '
                         'them covers is then nodata.')
