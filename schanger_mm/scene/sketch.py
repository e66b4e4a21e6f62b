"""Where the polygons of each group lie, small enough for a page: it gives the changes on the page their colours."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import shapely
from rasterio.features import rasterize

from schanger_mm.geo.drivers import open_raster

NOWHERE = 255
"""Pixels of no polygon."""


class Sketch:
    """A reduced picture of polygons.

    Args:
        width, height: of the scene, px.
        longest: longer side of the picture, px; the memory it takes does not depend on the scene.
    """

    def __init__(self, width: int, height: int, longest: int):
        scale = max(1.0, max(width, height) / longest)
        shape = max(1, round(height / scale)), max(1, round(width / scale))
        self.size = width, height
        self._steps = width / shape[1], height / shape[0]
        self.groups = np.full(shape, NOWHERE, np.uint8)

    @classmethod
    def of(cls, raster: str | Path, longest: int) -> Sketch:
        """Return an empty sketch of a raster's size."""
        with open_raster(raster) as dataset:
            return cls(dataset.width, dataset.height, longest)

    def add(self, outlines: Sequence[shapely.Geometry], groups: np.ndarray) -> None:
        """Draw polygons, given in pixels of the scene; each covers every pixel of the picture that it touches.

        Args:
            outlines: the polygons.
            groups: ``(N, )`` uint8, the group of each; where polygons meet in a pixel, that of the later one.
        """
        if not len(outlines):
            return
        x, y = self._steps
        rasterize(zip(outlines, groups.tolist()), out=self.groups, transform=(x, 0, 0, 0, y, 0), all_touched=x * y > 1)

    def at(self, box: tuple[int, int, int, int], size: tuple[int, int]) -> np.ndarray:
        """Return the groups in a part of the scene.

        Args:
            box: column, row, width and height, px of the scene.
            size: width and height of the result.

        Returns:
            ``(height, width)`` uint8, :data:`NOWHERE` outside all polygons.
        """
        left, top, width, height = box
        cols = (left + (np.arange(size[0]) + 0.5) * width / size[0]) / self._steps[0]
        rows = (top + (np.arange(size[1]) + 0.5) * height / size[1]) / self._steps[1]
        return self.groups[np.ix_(rows.astype(int), cols.astype(int))]
