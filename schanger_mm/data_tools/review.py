"""Polygons of a change map that a person has marked as right or wrong, and what they say about the ground."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from schanger_mm.geo.errors import SceneError
from schanger_mm.geo.grid import Grid
from schanger_mm.utils.errors import SettingError
from schanger_mm.utils.text import first_of

from .change_polygons import burn, columns_of, read_polygons, shapely

OF_THE_MAP = 'rank'
"""Column that every polygon of a change map has a value in, and a drawn one has not."""
YES, NO = ('yes', 'y', 'true', '1'), ('no', 'n', 'false', '0')


@dataclass(frozen=True)
class Reviewed:
    """What a person has said about polygons, in pixel coordinates of a scene.

    Args:
        changed: polygons of changes.
        known: ground that was looked at: all reviewed polygons with their surroundings.
        marked: the reviewed polygons themselves.
        unknown: polygons that nobody has marked.
        count: number of features that were read.
        notes: messages about them.
    """

    changed: np.ndarray
    known: np.ndarray
    marked: np.ndarray
    unknown: np.ndarray
    count: int = 0
    notes: tuple[str, ...] = ()

    def around(self, col: int, row: int, width: int, height: int) -> Reviewed:
        """Return those whose bounding box intersects a window."""
        window = shapely.box(col, row, col + width, row + height)
        return Reviewed(*(shapes[np.sort(shapely.STRtree(shapes).query(window))]
                          for shapes in (self.changed, self.known, self.marked, self.unknown)))

    def burn(self, col: int, row: int, width: int, height: int) -> np.ndarray:
        """Mark the pixels of a window that were looked at: (height, width) bool."""
        known, marked, unknown = (burn(shapes, col, row, width, height)
                                  for shapes in (self.known, self.marked, self.unknown))
        return known & (marked | ~unknown)


@dataclass(frozen=True)
class Review:
    """How marks are read.

    Args:
        column: attribute of the polygons: yes, no, or empty. A polygon without a mark that is not of the map was drawn
            by the person, as a change.
        margin: pixels around a reviewed polygon that the person has seen, too; they are unchanged outside of polygons.

    Raises:
        SettingError: a negative margin.
    """

    column: str = 'correct'
    margin: float = 16

    def __post_init__(self) -> None:
        if not 0 <= self.margin < 1e6:
            raise SettingError(f'--margin {self.margin}: expected 0 or more pixels.')

    def read(self, path: str | Path, grid: Grid, layer: str | None = None) -> Reviewed:
        """Read polygons and their marks.

        Args:
            path: the map's polygons, marked and completed in a GIS; see
                :func:`~schanger_mm.data_tools.change_polygons.read_polygons`.
            grid: of the scene.
            layer: its name, where the file has several.

        Raises:
            SceneError: see there; no such column, another value in it, or no mark at all.
        """
        fields = columns_of(path, layer)
        if self.column not in fields:
            raise SceneError(f'{path}: no column {self.column!r}; it has {", ".join(fields) or "none"}. Add one of '
                             'type text in a GIS, and write yes or no for the polygons that you have checked.')
        polygons = read_polygons(path, grid, layer, self.column)
        marks = _marks(path, self.column, np.asarray(polygons.values))
        drawn = np.zeros(len(marks), bool)
        if OF_THE_MAP in fields:
            ranks = read_polygons(path, grid, layer, OF_THE_MAP).values
            drawn = np.array([_is_empty(rank) for rank in ranks], bool)
        changed, wrong = (marks == 'yes') | (drawn & (marks == '')), marks == 'no'
        reviewed = changed | wrong
        if not reviewed.any():
            raise SceneError(f'{path}: none of {len(marks)} polygons is marked in {self.column!r}; write yes or no for '
                             'those that you have checked, and draw what is missing.')
        shapes = polygons.geometries
        note = (f'{path}: {(marks == "yes").sum()} polygons are right, {wrong.sum()} wrong, '
                f'{(drawn & (marks == "")).sum()} were added, {(~reviewed).sum()} not reviewed.')
        return Reviewed(shapes[changed], shapely.buffer(shapes[reviewed], self.margin), shapes[reviewed],
                        shapes[~reviewed], polygons.count, (*polygons.notes, note))


def _marks(path: str | Path, column: str, values: np.ndarray) -> np.ndarray:
    """Return 'yes', 'no' or '' of each polygon."""
    marks, unknown = [], []
    for value in values:
        word = '' if _is_empty(value) else _word(value)
        if word and word not in (*YES, *NO):
            unknown.append(repr(word))
        marks.append('yes' if word in YES else 'no' if word in NO else '')
    if unknown:
        raise SceneError(f'{path}: column {column!r} has {first_of(sorted(set(unknown)))}; expected yes, no, or '
                         'nothing.')
    return np.array(marks, object)


def _word(value: object) -> str:
    if isinstance(value, (float, np.floating)) and value == int(value):
        value = int(value)  # whole numbers become floats where others are missing
    return str(value).strip().lower()


def _is_empty(value: object) -> bool:
    return value is None or value != value or not str(value).strip()
