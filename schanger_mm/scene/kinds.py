"""From which class into which a polygon changed, and what happened to the buildings in it."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import numpy as np
import rasterio
import shapely
from rasterio.features import rasterize
from rasterio.windows import Window

from schanger_mm.geo.drivers import open_raster
from schanger_mm.geo.errors import SceneError
from schanger_mm.scene.block import NODATA
from schanger_mm.scene.labelling import label_runs
from schanger_mm.scene.legend import KINDS, Legend
from schanger_mm.scene.outline_store import OutlineStore

MARGIN = (32, 256)
"""Ground that is looked at around a polygon, px: as much as its longer side, but not less or more than these."""
PIECE = 2048
"""Side in px of what is read at a time; a building on the border of two pieces counts as two."""
TOUCHED = 0.1
"""A building belongs to a polygon that has at least this share of its pixels in it ..."""
COVERED = 0.5
"""... or that covers at least this share of the building."""
PRESENT = 0.2
"""Buildings are there at a date if they cover this share of the ground that they cover at either date."""
REPLACED = 0.5
"""Of buildings that are there at both dates, more than this share of the earlier ones has changed if replaced."""
STRIP = 512
FOUND = np.dtype([('from', 'u1'), ('to', 'u1'), ('from_share', 'f4'), ('to_share', 'f4'), ('kind', 'u1'),
                  ('kind_share', 'f4')])
"""Of a polygon: class of each date and the share of its changed pixels that has it; kind, and the share that agrees."""


class ClassRasters:
    """The rasters of a result by which polygons are classified.

    Args:
        change, before, after: paths of the change map and of the classes of both dates, all of one size.
        legend: of the classes.
    """

    def __init__(self, change: str | Path, before: str | Path, after: str | Path, legend: Legend):
        self.paths, self.legend = (change, before, after), legend

    def classify(self, store: OutlineStore, table: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Classify polygons, strip by strip of the raster, so that its tiles are decoded a few times only.

        Args:
            store: holds their outlines.
            table: of the store.
            rows: the polygons, as rows of the table.

        Returns:
            ``(len(rows), )`` of :data:`FOUND`, in the order of ``rows``. Memory holds windows of at most ``PIECE`` px.

        Raises:
            SceneError: a raster is not readable or of another size.
        """
        found = np.zeros(len(rows), FOUND)
        places = table[rows]
        order = np.lexsort((places['left'], places['top'] // STRIP))
        try:
            with ExitStack() as stack:
                rasters = [stack.enter_context(open_raster(path)) for path in self.paths]
                for path, raster in zip(self.paths, rasters):
                    if raster.shape != rasters[0].shape:
                        raise SceneError(f'{path} has {raster.width} x {raster.height} px and {self.paths[0]} '
                                         f'{rasters[0].width} x {rasters[0].height}; expected rasters of one run.')
                for i in order:
                    found[i] = self._classify(rasters, store.outline(places[i]), int(places['pixels'][i]))
        except rasterio.errors.RasterioError as error:
            raise SceneError(f'{", ".join(map(str, self.paths))}: not readable as rasters: {error}') from error
        return found

    def columns(self, found: np.ndarray) -> dict[str, np.ndarray]:
        """Return the columns of polygons by what :meth:`classify` returned of them."""
        names, kinds = np.array(self.legend.classes, object), np.array(KINDS, object)
        columns = {'from': names[found['from']], 'to': names[found['to']],
                   'from_share': found['from_share'].astype(float).round(3),
                   'to_share': found['to_share'].astype(float).round(3)}
        if self.legend.kinds_of is not None:
            columns |= {'kind': kinds[found['kind']], 'kind_share': found['kind_share'].astype(float).round(3)}
        return columns

    def groups(self, found: np.ndarray) -> np.ndarray:
        """Return the place of each polygon's group in ``legend.groups()``."""
        return found[self.legend.column]

    def members(self, found: np.ndarray) -> list[tuple[str, np.ndarray]]:
        """Return the name of each group, and which polygons it has, ``(N, )`` bool."""
        return [(name, self.groups(found) == code) for code, name in enumerate(self.legend.groups())]

    def _classify(self, rasters: list[rasterio.DatasetReader], outline: shapely.Geometry, pixels: int) -> tuple:
        left, top, right, bottom = (int(edge) for edge in outline.bounds)
        margin = min(max(right - left, bottom - top, MARGIN[0]), MARGIN[1]) if self.legend.kinds_of is not None else 0
        height, width = rasters[0].shape
        rows = range(max(0, top - margin), min(height, bottom + margin), PIECE)
        cols = range(max(0, left - margin), min(width, right + margin), PIECE)
        counts, buildings = np.zeros((2, len(self.legend.classes)), np.int64), Buildings()
        for row in rows:
            for col in cols:
                box = Window(col, row, min(PIECE, cols.stop - col), min(PIECE, rows.stop - row))
                change, before, after = (raster.read(1, window=box) for raster in rasters)
                mask = rasterize([outline], change.shape, transform=(1, 0, col, 0, 1, row), dtype='uint8')
                inside = (mask == 1) & (change == 1)
                for date, classes in enumerate((before, after)):
                    counts[date] += np.bincount(classes[inside & (classes != NODATA)],
                                                minlength=counts.shape[1])[:counts.shape[1]]
                if self.legend.index is not None:
                    buildings += Buildings.around(inside, before == self.legend.index, after == self.legend.index,
                                                  pixels)
        most, share = counts.argmax(axis=1), counts.max(axis=1) / pixels
        kind = buildings.kind() if self.legend.index is not None else 'other'
        return (*most, *share, KINDS.index(kind), buildings.agreeing(kind) / pixels)


class Buildings:
    """Counts of pixels of the buildings of a polygon, and what they say.

    A building is a 4-connected piece of ground that was building at one date at least. It belongs to the polygon if
    ``TOUCHED`` of the polygon's changed pixels lie in it, or ``COVERED`` of it in the polygon.

    Args:
        ground: pixels of these buildings at either date.
        before, after: pixels of them at each date.
        changed_before: of ``before``, those in the polygon.
        cells: ``(2, 2)``, the polygon's changed pixels by building before (row) and building after.
    """

    def __init__(self, ground: int = 0, before: int = 0, after: int = 0, changed_before: int = 0,
                 cells: np.ndarray | None = None):
        self.ground, self.before, self.after, self.changed_before = ground, before, after, changed_before
        self.cells = np.zeros((2, 2), np.int64) if cells is None else cells

    @classmethod
    def around(cls, inside: np.ndarray, before: np.ndarray, after: np.ndarray, pixels: int) -> Buildings:
        """Count in a window.

        Args:
            inside, before, after: ``(h, w)`` bool: the polygon's changed pixels, buildings of each date.
            pixels: number of changed pixels of the whole polygon.
        """
        cells = np.bincount((2 * before + after)[inside], minlength=4).reshape(2, 2)
        either = before | after
        runs = label_runs(either, 4)
        if not len(runs):
            return cls(cells=cells)
        component = np.repeat(runs[:, 3], runs[:, 2] - runs[:, 1])  # of each pixel of ``either``, in reading order
        in_polygon = inside[either]
        size = np.bincount(component)
        covered = np.bincount(component, weights=in_polygon)
        own = ((covered >= TOUCHED * pixels) | (covered >= COVERED * size))[component]
        was, now = before[either] & own, after[either] & own
        return cls(int(own.sum()), int(was.sum()), int(now.sum()), int((was & in_polygon).sum()), cells)

    def __add__(self, other: Buildings) -> Buildings:
        return Buildings(self.ground + other.ground, self.before + other.before, self.after + other.after,
                         self.changed_before + other.changed_before, self.cells + other.cells)

    def kind(self) -> str:
        """Return what happened to the buildings, one of :data:`~schanger_mm.scene.legend.KINDS`."""
        if not self.ground:
            return 'other'
        was, now = (pixels >= PRESENT * self.ground for pixels in (self.before, self.after))
        if was and now:
            return 'replaced' if self.changed_before > REPLACED * self.before else 'altered'
        return 'demolished' if was else 'new'

    def agreeing(self, kind: str) -> int:
        """Return how many of the polygon's changed pixels look like a kind of change."""
        (neither, after), (before, both) = self.cells.tolist()
        return dict(new=after, demolished=before, replaced=before + after + both, altered=before + after,
                    other=neither)[kind]
