"""Describe the place of a scene for people: coordinates as text, the extent, the direction of north."""

from __future__ import annotations

import math

import numpy as np

from schanger_mm.geo.errors import SceneError
from schanger_mm.geo.grid import Grid, read_crs, to_degrees

STEPS = 16
"""Cells along a side of the lattice of longitudes and latitudes that a page interpolates: 1 m off in 100 km."""


class Place:
    """Texts and numbers about the place of a scene; empty without a CRS.

    Longitudes and latitudes lie on the CRS's own datum.

    Args:
        grid: of the scene.
    """

    def __init__(self, grid: Grid):
        self.grid = grid
        self.crs = None if grid.crs is None else read_crs(grid.crs)
        self._degrees = None
        if self.crs is not None and self.crs.geodetic_crs is not None:
            try:
                self._degrees = to_degrees(self.crs)
            except SceneError:  # no way to the ellipsoid; only coordinates of the CRS remain
                self._degrees = None

    def at(self, col: float, row: float) -> str:
        """Format the place of a pixel: coordinates of the CRS, and latitude and longitude; empty without a CRS."""
        ground, degrees = self._ground(col, row), self._latlon(col, row)
        if not (ground and degrees):
            return ground
        return degrees if self.crs.is_geographic else f'{ground} ({degrees})'

    def short(self, col: float, row: float) -> str:
        """Format the place of a pixel as latitude and longitude, or else as coordinates of the CRS."""
        return self._latlon(col, row) or self._ground(col, row)

    def _ground(self, col: float, row: float) -> str:
        if self.crs is None:
            return ''
        x, y = self.grid.affine @ (col, row)
        return f'{x:.{self._digits()}f}, {y:.{self._digits()}f}'

    def _latlon(self, col: float, row: float) -> str:
        degrees = self._lonlat(np.array([col]), np.array([row]))
        if degrees is None:
            return ''
        lon, lat = (degrees[0][0] + 180) % 360 - 180, degrees[1][0]
        return f'{abs(lat):.5f}° {"N" if lat >= 0 else "S"}, {abs(lon):.5f}° {"E" if lon >= 0 else "W"}'

    def extent(self) -> str:
        """Format the bounds of the scene; empty without a CRS."""
        if self.crs is None:
            return ''
        left, bottom, right, top = self.grid.bounds
        digits, lattice = self._digits(), self._lattice()
        words = f'x {left:.{digits}f} to {right:.{digits}f}, y {bottom:.{digits}f} to {top:.{digits}f}'
        if lattice is None:
            return words
        (lons, lats) = lattice
        degrees = f'latitude {lats.min():.5f} to {lats.max():.5f}, longitude {lons.min():.5f} to {lons.max():.5f}'
        return degrees if self.crs.is_geographic else f'{words}; {degrees}'

    def north(self) -> float | None:
        """Return degrees from up to true north at the scene's centre, clockwise; None if it is unknown."""
        if self.crs is None:
            return None
        width, height = self.grid.width, self.grid.height
        if self._degrees is None:
            return 0.0 if self.grid.transform[4] < 0 else 180.0  # the grid's own
        near = self._lonlat(width / 2 + np.array([0, 1, 0]), height / 2 + np.array([0, 0, 1]))
        if near is None:
            return None
        lons, lats = (np.unwrap(near[0], period=360), near[1])
        across, down = ((lons[step] - lons[0]) * math.cos(math.radians(lats[0])) for step in (1, 2))
        # the step (col, row) that leads north: no change of longitude, and latitude rises
        col, row = -down, across
        if col * (lats[1] - lats[0]) + row * (lats[2] - lats[0]) < 0:
            col, row = -col, -row
        wide, high = self.grid.ground_pixel or (1.0, 1.0)
        return round(math.degrees(math.atan2(col * wide, -row * high)), 1) % 360.0

    def as_dict(self) -> dict | None:
        """Return the data with which a page formats places itself; None without a CRS."""
        if self.crs is None:
            return None
        lattice = self._lattice()
        return {'transform': list(self.grid.transform), 'digits': self._digits(), 'steps': STEPS,
                'geographic': self.crs.is_geographic, 'north': self.north(),
                'lons': None if lattice is None else lattice[0].round(7).tolist(),
                'lats': None if lattice is None else lattice[1].round(7).tolist()}

    def _digits(self) -> int:
        """Return the number of decimals that distinguish pixels."""
        a, _, _, _, e, _ = self.grid.transform
        return max(0, math.ceil(-math.log10(min(abs(a), abs(e)))))

    def _lonlat(self, cols: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
        if self._degrees is None:
            return None
        a, b, c, d, e, f = self.grid.transform
        lons, lats = self._degrees(a * cols + b * rows + c, d * cols + e * rows + f)
        return (lons, lats) if np.isfinite(lons).all() and np.isfinite(lats).all() else None

    def _lattice(self) -> tuple[np.ndarray, np.ndarray] | None:
        """Return longitudes and latitudes of ``STEPS + 1`` by ``STEPS + 1`` places, row by row."""
        cols, rows = np.meshgrid(np.linspace(0, self.grid.width, STEPS + 1),
                                 np.linspace(0, self.grid.height, STEPS + 1))
        found = self._lonlat(cols.ravel(), rows.ravel())
        if found is None:
            return None
        lons = np.unwrap(np.unwrap(found[0].reshape(cols.shape), period=360, axis=1), period=360, axis=0)
        return lons.ravel(), found[1]

