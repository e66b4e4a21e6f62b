"""A raster's place on the ground, and how two such places differ."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyproj
from rasterio._err import CPLE_BaseError  # of what PROJ refuses; no public name
from rasterio.errors import RasterioError
from rasterio.transform import Affine
from rasterio.warp import transform_bounds

from schanger_mm.geo.errors import SceneError

TOLERANCE = 0.01  # pixels, at every corner: rounding of coordinates stays far below it
DISTORTION = 0.01  # up to here a map's metre is taken for a metre on the ground
FINER = 64  # times, as from 20 m to 0.3 m, that pixels are made smaller at most
ROUNDING = 1e-12  # of the factor between degrees and radians, as CRSs write it
OBLONG = 1.2  # width by height of a pixel on the ground, from which objects look stretched
FAR = 1.5  # factor between ground sampling distances from which a network sees other objects


@dataclass(frozen=True)
class Grid:
    """A raster's size, its transform from pixel to ground, and its coordinate reference system (CRS).

    Args:
        width, height: size in pixels.
        transform: the six numbers ``a, b, c, d, e, f`` of rasterio's ``Affine``:
            ``x = a * col + b * row + c``, ``y = d * col + e * row + f``.
        crs: the CRS as WKT, None if it is unknown (PNG, JPEG).
    """

    width: int
    height: int
    transform: tuple[float, ...]
    crs: str | None

    @classmethod
    def of(cls, dataset: Any) -> Grid:
        """Return the grid of an open rasterio dataset."""
        crs = dataset.crs.to_wkt() if dataset.crs else None
        return cls(dataset.width, dataset.height, tuple(map(float, dataset.transform[:6])), crs)

    @property
    def affine(self) -> Affine:
        """Return the transform as rasterio's ``Affine``."""
        return Affine(*self.transform)

    @property
    def georeferenced(self) -> bool:
        """Return whether the raster is georeferenced."""
        return self.crs is not None or self.affine != Affine.identity()

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """Return left, bottom, right and top, in units of the CRS."""
        xs, ys = zip(*self._corners(self.affine))
        return min(xs), min(ys), max(xs), max(ys)

    @property
    def crs_name(self) -> str:
        """Return the CRS as text, such as ``EPSG:32633 (WGS 84 / UTM zone 33N)``."""
        if self.crs is None:
            return 'none'
        crs = read_crs(self.crs)
        authority = crs.to_authority()
        return f'{":".join(authority)} ({crs.name})' if authority else crs.name

    @property
    def ground_pixel(self) -> tuple[float, float] | None:
        """Return width and height of a pixel in metres, at the raster's centre; None if the CRS is unknown.

        A projected CRS counts by its own unit where its scale at the centre is
        true within one per cent, as in UTM. Others (degrees, Web Mercator) are
        measured along the ellipsoid.

        Raises:
            SceneError: the CRS has no such place.
        """
        if self.crs is None:
            return None
        crs = read_crs(self.crs)
        a, b, _, d, e, _ = self.transform
        nominal = None
        if not crs.is_geographic:
            unit = crs.axis_info[0].unit_conversion_factor
            nominal = math.hypot(a, d) * unit, math.hypot(b, e) * unit
        if crs.geodetic_crs is None:  # a local CRS
            return nominal
        col, row = self.width / 2, self.height / 2
        xs, ys = zip(*(self.affine @ point for point in ((col, row), (col + 1, row), (col, row + 1))))
        lons, lats = to_degrees(crs)(xs, ys)
        _, _, true = crs.get_geod().inv([lons[0]] * 2, [lats[0]] * 2, lons[1:], lats[1:])
        if not all(map(math.isfinite, true)):
            raise SceneError(f'its centre ({xs[0]:g}, {ys[0]:g}) lies outside of what {self.crs_name} can describe; '
                             'correct its transform or CRS.')
        if nominal and all(abs(t / n - 1) <= DISTORTION for t, n in zip(true, nominal)):
            return nominal
        return float(true[0]), float(true[1])

    @property
    def gsd(self) -> float | None:
        """Return the ground sampling distance in metres, the geometric mean of :attr:`ground_pixel`; or None."""
        pixel = self.ground_pixel
        return pixel and math.sqrt(pixel[0] * pixel[1])

    def at_gsd(self, gsd: float) -> Grid:
        """Return the grid with the same upper left corner and area, with square pixels of ``gsd`` metres on the ground.

        Its last column and row may reach past the raster by less than a pixel.

        Raises:
            SceneError: the raster has no CRS, or pixels would be larger than it, or more than 64 times finer than its.
        """
        pixel = self.ground_pixel
        if pixel is None:
            raise SceneError('it has no CRS, so its ground sampling distance is unknown and cannot be changed; '
                             'omit --resample-gsd, or give it a CRS (gdal_translate -a_srs).')
        across, down = gsd / pixel[0], gsd / pixel[1]
        finest, coarsest = max(pixel) / FINER, max(self.width * pixel[0], self.height * pixel[1])
        if not finest <= gsd <= coarsest:
            raise SceneError(f'--resample-gsd {gsd:g}: its pixels are {pixel[0]:.4g} x {pixel[1]:.4g} m; expected '
                             f'{finest:.3g} m ({FINER} times finer) to {coarsest:.4g} m (one pixel for the scene).')
        a, b, c, d, e, f = self.transform
        return Grid(max(1, math.ceil(self.width / across - TOLERANCE)),
                    max(1, math.ceil(self.height / down - TOLERANCE)),
                    (a * across, b * down, c, d * across, e * down, f), self.crs)

    def check(self) -> None:
        """Refuse a transform that no north-up or south-up raster has.

        Raises:
            SceneError: rotated, mirrored, without extent, a CRS without a transform, or a place that it lacks.
        """
        a, b, _, d, e, _ = self.transform
        if not all(map(math.isfinite, self.transform)) or a * e - b * d == 0:
            raise SceneError(f'expected a transform with a pixel size, found {self.transform}; '
                             'correct it (gdal_edit -a_ullr).')
        if max(abs(b) * self.height, abs(d) * self.width) > TOLERANCE * min(abs(a), abs(e)):
            raise SceneError(f'its grid is rotated by {math.degrees(math.atan2(d, a)):.4g} degrees or sheared '
                             f'(transform {self.transform}); expected rows along an axis of its CRS: '
                             'warp it first (gdalwarp IN.tif OUT.tif).')
        if a < 0:
            raise SceneError(f'its columns run from right to left (transform {self.transform}); '
                             'warp it first (gdalwarp IN.tif OUT.tif).')
        if self.crs is not None and self.affine == Affine.identity():
            raise SceneError(f'it has a CRS, {self.crs_name}, but no transform, so its place is unknown; '
                             'give it one (gdal_edit -a_ullr).')
        _ = self.ground_pixel

    def overlaps(self, other: Grid) -> bool:
        """Return whether both cover common ground, in any CRSs; if neither is georeferenced, only sizes count."""
        bounds: tuple[float, ...] = other.bounds
        if self.crs and other.crs and not same_crs(self.crs, other.crs):
            try:
                bounds = transform_bounds(other.crs, self.crs, *bounds)
            except (RasterioError, CPLE_BaseError):  # not a place that the other CRS can describe
                return False
        left, bottom, right, top = self.bounds
        return left < bounds[2] and bounds[0] < right and bottom < bounds[3] and bounds[1] < top

    def differences(self, other: Grid) -> list[str]:
        """List how ``other`` differs from this grid, each difference with both values; empty if pixels coincide.

        Corners may differ by 0.01 pixel. Two rasters without any place on the
        ground are compared by size alone.
        """
        found = []
        if (self.width, self.height) != (other.width, other.height):
            found.append(f'size: {self.width} x {self.height} px and {other.width} x {other.height} px')
        if not self.georeferenced and not other.georeferenced:
            return found
        if not same_crs(self.crs, other.crs):
            found.append(f'CRS: {self.crs_name} and {other.crs_name}{_other_parts(self.crs, other.crs)}')
        else:
            found += self._moved(other)
        if (self.crs is None) == (other.crs is None) and not self.overlaps(other):
            found.append(f'no overlap: bounds {_numbers(self.bounds)} and {_numbers(other.bounds)} '
                         '(left, bottom, right, top)')
        return found

    def _moved(self, other: Grid) -> list[str]:
        pixels = ~self.affine @ other.affine  # from the other's pixels to ours
        across, down = (pixels.a - 1) * other.width, (pixels.e - 1) * other.height
        drift = max(map(abs, (across, down, pixels.b * other.height, pixels.d * other.width)))
        found = []
        if drift > TOLERANCE:
            found.append(f'pixel size: {_numbers((self.transform[0], self.transform[4]))} and '
                         f'{_numbers((other.transform[0], other.transform[4]))} units of the CRS')
        if max(abs(pixels.c), abs(pixels.f)) > TOLERANCE:
            found.append(f'shifted grid: upper left corners {_numbers(self.transform[2::3])} and '
                         f'{_numbers(other.transform[2::3])}, {pixels.c:+.6g} px across and {pixels.f:+.6g} px down')
        return found

    def _corners(self, affine: Affine) -> list[tuple[float, float]]:
        return [affine @ (col, row) for col in (0, self.width) for row in (0, self.height)]


def same_crs(one: str | None, other: str | None) -> bool:
    """Return whether two CRSs mean the same, however each is written and whichever axis it names first."""
    if one is None or other is None:
        return one is other
    first, second = (_without_datum_shift(read_crs(crs)) for crs in (one, other))
    if first.equals(second, ignore_axis_order=True):
        return True
    # PROJ ignores the order of geographic axes only; EPSG:3035 and half of Europe's grids name north first
    return first.is_projected and second.is_projected and not _differing(first, second)


def _without_datum_shift(crs: pyproj.CRS) -> pyproj.CRS:
    """Return a CRS without its conversion to WGS 84 (TOWGS84), if it has one."""
    return crs.source_crs if crs.is_bound else crs


def _differing(one: pyproj.CRS, other: pyproj.CRS) -> list[str]:
    """List the parts in which two projected or geographic CRSs differ, each with both values."""
    found = []
    if one.geodetic_crs is None or other.geodetic_crs is None:
        return ['kind']
    if not one.geodetic_crs.equals(other.geodetic_crs, ignore_axis_order=True):
        pairs = {'datum': [crs.datum.name for crs in (one, other)],
                 'ellipsoid': [f'{crs.ellipsoid.name} ({crs.ellipsoid.semi_major_metre:.12g} m, 1 / '
                               f'{crs.ellipsoid.inverse_flattening:.12g})' for crs in (one, other)],
                 'prime meridian': [crs.prime_meridian.name for crs in (one, other)]}
        found += [f'{name}: {first} and {second}' for name, (first, second) in pairs.items() if first != second
                  ] or ['datum']
    steps = one.coordinate_operation, other.coordinate_operation
    if (steps[0] is None) != (steps[1] is None) or (steps[0] is not None and steps[0] != steps[1]):
        found += _other_projection(*steps)
    axes = [sorted((axis.direction, axis.unit_name) for axis in crs.axis_info[:2]) for crs in (one, other)]
    if axes[0] != axes[1]:
        words = [', '.join(f'{direction} in {unit}' for direction, unit in axis) for axis in axes]
        found.append(f'axes: {words[0]} and {words[1]}')
    return found


def _other_projection(one: Any, other: Any) -> list[str]:
    if one is None or other is None or one.method_name != other.method_name:
        return [f'projection: {" and ".join("none" if step is None else step.method_name for step in (one, other))}']
    values = [{parameter.name: f'{parameter.value:.12g} {parameter.unit_name}' for parameter in step.params}
              for step in (one, other)]
    return [f'{name}: {values[0].get(name)} and {values[1].get(name)}' for name in {**values[0], **values[1]}
            if values[0].get(name) != values[1].get(name)] or ['projection']


def _other_parts(one: str | None, other: str | None) -> str:
    """Describe the difference between two CRSs of the same name."""
    if one is None or other is None or read_crs(one).name != read_crs(other).name:
        return ''
    parts = _differing(*(_without_datum_shift(read_crs(crs)) for crs in (one, other)))
    return f' (of one name, but with another {"; another ".join(parts) or "definition"})'


def read_crs(crs: str) -> pyproj.CRS:
    """Read a CRS as WKT or by its name.

    Raises:
        SceneError: one that pyproj does not read.
    """
    try:
        return pyproj.CRS.from_user_input(crs)
    except pyproj.exceptions.CRSError as error:
        raise SceneError(f'its CRS is not readable: {error}; expected WKT or a name such as EPSG:32633. Assign the '
                         'right one with `gdal_edit.py -a_srs`.') from error


def to_degrees(crs: pyproj.CRS) -> Callable[[Any, Any], tuple[Any, Any]]:
    """Return a function from coordinates ``(x, y)`` to degrees of longitude and latitude.

    They lie on the CRS's own datum and count from its own prime meridian; its own unit may be the grad.

    Raises:
        SceneError: the CRS has no way back to the ellipsoid.
    """
    try:
        transform = pyproj.Transformer.from_crs(crs, crs.geodetic_crs, always_xy=True).transform
    except pyproj.exceptions.ProjError as error:
        raise SceneError(f'its CRS, {crs.name}, cannot be turned into longitude and latitude ({error}); warp it first '
                         'into one that can (gdalwarp -t_srs EPSG:...).') from error
    unit = math.degrees(crs.geodetic_crs.axis_info[0].unit_conversion_factor)  # 0.9 for grads
    if abs(unit - 1) < ROUNDING:
        return transform
    return lambda x, y: tuple(np.multiply(values, unit) for values in transform(x, y))


def gsd_warning(grid: Grid, trained_gsd: float | None) -> str | None:
    """Warn when the ground sampling distance is off the training one by more than 1.5 times.

    Args:
        grid: of the scene.
        trained_gsd: metres; None if it is not known.
    """
    gsd = grid.gsd
    if gsd is None or not trained_gsd or 1 / FAR <= gsd / trained_gsd <= FAR:
        return None
    return (f'the scene has {gsd:.3g} m per pixel, the model was trained at {trained_gsd:.3g} m: objects look '
            f'{max(gsd / trained_gsd, trained_gsd / gsd):.1f} times too {"small" if gsd > trained_gsd else "large"} '
            f'to it; --resample-gsd {trained_gsd:g} reads the scene at the training distance.')


def shape_warning(grid: Grid) -> str | None:
    """Warn when pixels are not square on the ground, by more than 1.2 to 1."""
    pixel = grid.ground_pixel
    if pixel is None or max(pixel) / min(pixel) <= OBLONG:
        return None
    return (f'pixels are {pixel[0]:.3g} m wide and {pixel[1]:.3g} m high on the ground, so everything looks stretched '
            f'to the model; --resample-gsd {grid.gsd:.3g} makes them square, or warp both dates into a projected CRS '
            '(gdalwarp -t_srs EPSG:...).')


def _numbers(values: tuple[float, ...]) -> str:
    return '(' + ', '.join(f'{value:.12g}' for value in values) + ')'
