"""Connected regions of a change map, found strip by strip and joined across strips."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import shapely
from rasterio.features import shapes
from rasterio.transform import Affine

from schanger_mm.scene.labelling import label_runs


@dataclass(eq=False, slots=True)
class Region:
    """One connected region of changed pixels.

    Args:
        parts: its outline as polygons in pixel coordinates (column, row); one per strip and
            4-connected part until the region is complete.
        pixels: number of its pixels.
        value_sum: sum of the values under them.
        box: left, top, right, bottom of the pixels it covers, the last two exclusive.
        first: row and column of its first pixel in reading order; no two regions share it.
        into: the region that took this one over, once two turned out to be one.
    """

    parts: list[shapely.Polygon]
    pixels: int
    value_sum: int
    box: tuple[int, int, int, int]
    first: tuple[int, int]
    into: Region | None = None

    def outline(self) -> shapely.Polygon | shapely.MultiPolygon:
        """Return the outline without a trace of the strips: valid, corners only, rings in a fixed order."""
        if len(self.parts) == 1 and self.parts[0].is_valid:
            return shapely.normalize(self.parts[0])
        parts = [part if part.is_valid else shapely.make_valid(part) for part in self.parts]
        return shapely.normalize(_drop_straight(shapely.union_all(parts)))


def trace(strips: Iterable[tuple[np.ndarray, np.ndarray]], connectivity: int = 4) -> Iterator[Region]:
    """Find the connected regions of a mask given in strips, top to bottom.

    Memory holds one strip and the outlines of the regions that reach its last
    row; a region is yielded as soon as no row below can add to it. The order
    depends on the strips, the regions do not.

    Args:
        strips: pairs of a mask ``(h, w)``, nonzero where changed, and values ``(h, w)`` to sum up, all
            of one width.
        connectivity: 4, or 8 where pixels that touch at a corner are one region too.
    """
    top = 0
    above: list[Region] = []  # regions that reach the last row so far ...
    row_above = None  # ... and, for each of its pixels, the position in that list plus one; 0 unchanged
    for mask, values in strips:
        mask = np.ascontiguousarray(mask, np.uint8)
        fresh, labels = _label(mask, values, top, connectivity)
        if row_above is not None:
            for a, b in _contacts(row_above, labels[0], connectivity):
                _join(above[a - 1], fresh[b - 1])
        reaching = np.unique(labels[-1])
        reaching = reaching[reaching > 0]
        open_below = {id(region): region for region in (_root(fresh[label - 1]) for label in reaching)}
        yield from (region for region in above + fresh if region.into is None and id(region) not in open_below)
        place = {key: position for position, key in enumerate(open_below, 1)}
        of_label = np.zeros(len(fresh) + 1, np.int64)
        of_label[reaching] = [place[id(_root(fresh[label - 1]))] for label in reaching]
        above, row_above = list(open_below.values()), of_label[labels[-1]]
        top += len(mask)
    yield from above


def _label(mask: np.ndarray, values: np.ndarray, top: int, connectivity: int) -> tuple[list[Region], np.ndarray]:
    """Return the regions of one strip and, per pixel, the position in that list plus one."""
    rows, lefts, rights, component = label_runs(mask, connectivity).T
    labels = np.zeros(mask.shape, np.int32)
    labels[mask != 0] = np.repeat(component, rights - lefts) + 1  # pixels and runs are both in reading order
    _, firsts = np.unique(component, return_index=True)
    pixels = np.bincount(component, weights=rights - lefts)
    sums = np.bincount(labels[mask != 0] - 1, weights=values[mask != 0])
    boxes = np.tile((*mask.shape[::-1], 0, 0), (len(firsts), 1))
    for side, smallest_or_largest, edge in ((0, np.minimum, lefts), (1, np.minimum, rows), (2, np.maximum, rights),
                                            (3, np.maximum, rows + 1)):
        smallest_or_largest.at(boxes[:, side], component, edge)
    boxes += (0, top, 0, top)
    regions = [Region([], int(pixels[i]), int(sums[i]), tuple(boxes[i].tolist()),
                      (top + int(rows[first]), int(lefts[first]))) for i, first in enumerate(firsts)]
    # 4-connected outlines are valid polygons, 8-connected ones would cross themselves
    for shape, label in shapes(labels, mask, connectivity=4, transform=Affine.translation(0, top)):
        exterior, *holes = shape['coordinates']
        regions[int(label) - 1].parts.append(shapely.Polygon(exterior, holes))
    return regions, labels


def _contacts(upper: np.ndarray, lower: np.ndarray, connectivity: int) -> np.ndarray:
    """List the distinct pairs of labels ``(n, 2)`` that touch across the border of two rows."""
    pairs = [np.stack([upper, lower])]
    if connectivity == 8:
        pairs += [np.stack([upper[:-1], lower[1:]]), np.stack([upper[1:], lower[:-1]])]
    touching = np.concatenate(pairs, axis=1)
    return np.unique(touching[:, (touching > 0).all(axis=0)], axis=1).T


def _root(region: Region) -> Region:
    """Return the region that this one is now part of."""
    while region.into is not None:
        if region.into.into is not None:
            region.into = region.into.into
        region = region.into
    return region


def _join(one: Region, other: Region) -> None:
    """Merge two regions; the one with more parts takes the other's, so long chains stay cheap."""
    one, other = _root(one), _root(other)
    if one is other:
        return
    if len(one.parts) < len(other.parts):
        one, other = other, one
    one.parts += other.parts
    one.pixels += other.pixels
    one.value_sum += other.value_sum
    (left, top, right, bottom), (left2, top2, right2, bottom2) = one.box, other.box
    one.box = min(left, left2), min(top, top2), max(right, right2), max(bottom, bottom2)
    one.first = min(one.first, other.first)
    other.parts, other.into = [], one


def _drop_straight(outline: shapely.Geometry) -> shapely.Geometry:
    """Drop the points of a pixel outline at which it does not turn, such as those where strips met."""
    kind, points, (rings, *outer) = shapely.to_ragged_array([outline])
    keep, kept_rings = [], [0]
    for start, stop in zip(rings[:-1], rings[1:]):
        ring = points[start:stop - 1]
        before, after = np.roll(ring, 1, axis=0), np.roll(ring, -1, axis=0)
        corners = ring[~((before == ring) & (ring == after)).any(axis=1)]
        keep += [corners, corners[:1]]
        kept_rings.append(kept_rings[-1] + len(corners) + 1)
    return shapely.from_ragged_array(kind, np.concatenate(keep), (np.array(kept_rings), *outer))[0]
