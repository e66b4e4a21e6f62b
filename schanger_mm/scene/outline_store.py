"""Keep outlines of regions on disk until all are known, since the file lists the largest first."""

from __future__ import annotations

import tempfile
from pathlib import Path
from types import TracebackType

import numpy as np
import shapely

from schanger_mm.scene.regions import Region

RECORD = np.dtype([('area', 'f8'), *((name, 'i8') for name in (
    'row', 'col', 'pixels', 'value_sum', 'left', 'top', 'right', 'bottom', 'start', 'size')),
    ('holes', '?'), ('taken', '?')])
"""Of a region: area, first pixel, number and sum of its pixels, their box, its place in the file, whether its
outline has holes, and whether it became part of another region."""


class OutlineStore:
    """A temporary file of outlines, and a table with 90 bytes per region in memory.

    Args:
        folder: its folder; the file has no name, so a kill leaves nothing.
    """

    def __init__(self, folder: Path):
        self._file = tempfile.TemporaryFile(dir=folder)  # closed by __exit__
        self._tables: list[np.ndarray] = []

    def __enter__(self) -> OutlineStore:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self._file.close()

    def add(self, regions: list[Region], outlines: list[shapely.Geometry], areas: np.ndarray) -> None:
        """Keep a batch of regions with their outlines and areas."""
        table = np.zeros(len(regions), RECORD)
        table['area'] = areas
        for record, region, outline in zip(table, regions, outlines):
            record['row'], record['col'] = region.first
            record['pixels'], record['value_sum'] = region.pixels, region.value_sum
            for name, edge in zip(('left', 'top', 'right', 'bottom'), region.box):
                record[name] = edge
            record['start'], record['size'] = self.append(outline)
            record['holes'] = shapely.get_num_interior_rings(shapely.get_parts(outline)).any()
        self._tables.append(table)

    def table(self) -> np.ndarray:
        """Return the table ``(N,)`` of :data:`RECORD`; changes of it are kept."""
        self._tables = [np.concatenate([np.zeros(0, RECORD), *self._tables])]
        return self._tables[0]

    def append(self, outline: shapely.Geometry) -> tuple[int, int]:
        """Write an outline; return its place and size in the file."""
        data = shapely.to_wkb(outline)
        start = self._file.seek(0, 2)
        self._file.write(data)
        return start, len(data)

    def outline(self, record: np.void) -> shapely.Geometry:
        """Read the outline of a row of the table."""
        self._file.seek(record['start'])
        return shapely.from_wkb(self._file.read(record['size']))
