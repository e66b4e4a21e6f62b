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
"""Side in px of the squares whose polygons are classified together."""
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
        """Classify polygons, neighbours together, so that the rasters are read and decoded a few times only.

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
        try:
            with ExitStack() as stack:
                rasters = [stack.enter_context(open_raster(path)) for path in self.paths]
                for path, raster in zip(self.paths, rasters):
                    if raster.shape != rasters[0].shape:
                        raise SceneError(f'{path} has {raster.width} x {raster.height} px and {self.paths[0]} '
                                         f'{rasters[0].width} x {rasters[0].height}; expected rasters of one run.')
                windows = self._windows(places, *rasters[0].shape)
                for near in _neighbours(windows):
                    outlines = [store.outline(places[i]) for i in near]
                    classify = self._classify_large if len(near) == 1 else self._classify_small
                    found[near] = classify(rasters, outlines, windows[near], places['pixels'][near])
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

    def _windows(self, places: np.ndarray, height: int, width: int) -> np.ndarray:
        """Return left, top, right and bottom of what is looked at of each polygon, ``(N, 4)``."""
        box = np.stack([places[name] for name in ('left', 'top', 'right', 'bottom')], axis=1)
        longest = (box[:, 2:] - box[:, :2]).max(axis=1, initial=0)
        margin = np.clip(longest, *MARGIN)[:, None] * (self.legend.kinds_of is not None)
        return np.concatenate([np.maximum(box[:, :2] - margin, 0), np.minimum(box[:, 2:] + margin, (width, height))],
                              axis=1)

    def _classify_small(self, rasters: list[rasterio.DatasetReader], outlines: list[shapely.Geometry],
                        windows: np.ndarray, pixels: np.ndarray) -> list[tuple]:
        """Classify neighbours, whose windows are read as one."""
        (left, top), (right, bottom) = windows[:, :2].min(axis=0), windows[:, 2:].max(axis=0)
        box = Window(left, top, right - left, bottom - top)
        change, before, after = (raster.read(1, window=box) for raster in rasters)
        numbers = rasterize(zip(outlines, range(1, len(outlines) + 1)), change.shape, dtype='int32',
                            transform=(1, 0, left, 0, 1, top))
        numbers[change != 1] = 0
        found = []
        for number, (window, count) in enumerate(zip(windows - (left, top, left, top), pixels.tolist()), 1):
            part = np.s_[window[1]:window[3], window[0]:window[2]]
            tally = Tally(self.legend, count)
            tally.add(numbers[part] == number, before[part], after[part])
            found.append(tally.result())
        return found

    def _classify_large(self, rasters: list[rasterio.DatasetReader], outlines: list[shapely.Geometry],
                        windows: np.ndarray, pixels: np.ndarray) -> list[tuple]:
        """Classify one polygon piece by piece."""
        (outline, ), ((left, top, right, bottom), ), (count, ) = outlines, windows.tolist(), pixels.tolist()
        tally = Tally(self.legend, count)
        for row in range(top, bottom, PIECE):
            for col in range(left, right, PIECE):
                box = Window(col, row, min(PIECE, right - col), min(PIECE, bottom - row))
                mask = rasterize([outline], (box.height, box.width), transform=(1, 0, col, 0, 1, row), dtype='uint8')
                if mask.any():  # a building that is in another piece alone does not belong to the polygon
                    change, before, after = (raster.read(1, window=box) for raster in rasters)
                    tally.add((mask == 1) & (change == 1), before, after)
        return [tally.result()]


def _neighbours(windows: np.ndarray) -> list[np.ndarray]:
    """Group polygons by squares of the raster, as places in ``windows``; one with a large window is alone."""
    left, top = windows[:, :2].T // STRIP
    small = (windows[:, 2:] - windows[:, :2]).max(axis=1, initial=0) <= PIECE // 2
    alone = np.where(small, 0, np.arange(1, len(windows) + 1))
    order = np.lexsort((left, top, alone))
    keys = np.stack([alone, top, left])[:, order]
    return np.split(order, np.flatnonzero((keys[:, 1:] != keys[:, :-1]).any(axis=0)) + 1) if len(windows) else []


class Tally:
    """Counts the classes of a polygon's changed pixels.

    Args:
        legend: of the classes.
        pixels: number of changed pixels of the polygon.
    """

    def __init__(self, legend: Legend, pixels: int):
        self._index, self._pixels = legend.index, pixels
        self._counts = np.zeros((2, len(legend.classes)), np.int64)
        self._buildings = Buildings()

    def add(self, inside: np.ndarray, before: np.ndarray, after: np.ndarray) -> None:
        """Count a window: the polygon's changed pixels ``(h, w)`` bool, and the classes of both dates, uint8."""
        length = self._counts.shape[1]
        for date, classes in enumerate((before, after)):
            self._counts[date] += np.bincount(classes[inside], minlength=length)[:length]  # 255 has no class
        if self._index is not None:
            self._buildings += Buildings.around(inside, before == self._index, after == self._index, self._pixels)

    def result(self) -> tuple:
        """Return the polygon's record, :data:`FOUND`."""
        most, share = self._counts.argmax(axis=1), self._counts.max(axis=1) / self._pixels
        kind = self._buildings.kind() if self._index is not None else 'other'
        return (*most, *share, KINDS.index(kind), self._buildings.agreeing(kind) / self._pixels)


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
