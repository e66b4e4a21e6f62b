"""The geometry of a synthetic aerial scene at two dates.

Coordinates are pixels of the finished image, x to the right and y down; pixel ``i`` covers ``[i, i + 1)``. A
scene extends beyond the image on every side, so that a shifted view has no empty border. Everything that
can differ between the dates is stored as a pair, date A first.
"""

from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import ArrayLike

from schanger_mm.demo.scenes.building import Building, draw_building, footprints
from schanger_mm.demo.scenes.palette import CAR_COLOURS, CROPS, GROUND, LEAVES, jitter, pick

Rect = tuple[float, float, float, float]

BLOCK_SIZE = 62.0
"""Longest side, in pixels, of a block between roads; larger blocks are split."""


@dataclass
class Area:
    """A flat piece of ground: polygon (K, 2), one colour per date, and whether its plants follow the season.

    ``stripe`` is None or ``(kx, ky, amplitude A, amplitude B)``, the wave vector (radians per pixel) and
    strength (grey levels) of crop rows.
    """

    polygon: np.ndarray
    colours: tuple[np.ndarray, np.ndarray]
    seasonal: bool = False
    stripe: tuple[float, float, float, float] | None = None


@dataclass
class Tree:
    """A crown: centre (2,) and radius in pixels, lumps (K, 3) as offsets and radii in units of it."""

    centre: np.ndarray
    radius: float
    lumps: np.ndarray
    colour: np.ndarray
    evergreen: bool
    present: tuple[bool, bool]


@dataclass
class Scene:
    """The objects of one place at two dates; ``cars`` holds one list per date of (polygon, colour)."""

    size: int
    areas: list[Area] = field(default_factory=list)
    buildings: list[Building] = field(default_factory=list)
    trees: list[Tree] = field(default_factory=list)
    cars: tuple[list, list] = field(default_factory=lambda: ([], []))

    def label(self) -> np.ndarray:
        """Return the footprints present at exactly one date: (size, size) uint8, 255 = built or demolished."""
        return footprints(self.buildings, 0, self.size) ^ footprints(self.buildings, 1, self.size)


class Frame:
    """The rotated street grid: maps local points (K, 2) around the scene's centre to image pixels."""

    def __init__(self, angle: float, size: int) -> None:
        self.rotation = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
        self.centre = size / 2

    def __call__(self, points: ArrayLike) -> np.ndarray:
        """Return local points (K, 2) in image pixels."""
        return np.asarray(points, float) @ self.rotation + self.centre

    def rect(self, rect: Rect) -> np.ndarray:
        """Return the corners (4, 2) in image pixels of a local rectangle (x0, y0, x1, y1)."""
        x0, y0, x1, y1 = rect
        return self([(x0, y0), (x1, y0), (x1, y1), (x0, y1)])

    def oval(self, rect: Rect) -> np.ndarray:
        """Return the ellipse (20, 2) in image pixels inside a local rectangle."""
        x0, y0, x1, y1 = rect
        angle = np.arange(20) * np.pi / 10
        unit = np.column_stack([np.cos(angle), np.sin(angle)])
        return self(unit * ((x1 - x0) / 2, (y1 - y0) / 2) + ((x0 + x1) / 2, (y0 + y1) / 2))


def split(rng: np.random.Generator, rect: Rect, target: float, gap: float) -> tuple[list[Rect], list[Rect]]:
    """Cut a rectangle until no side exceeds ``target``; returns the cells and the gaps left between them."""
    x0, y0, x1, y1 = rect
    width, height = x1 - x0, y1 - y0
    if max(width, height) <= target:
        return [rect], []
    at, half = rng.uniform(0.36, 0.64), gap / 2
    if width >= height:
        cut = x0 + at * width
        first, second, lane = (
            (x0, y0, cut - half, y1),
            (cut + half, y0, x1, y1),
            (cut - half, y0, cut + half, y1),
        )
    else:
        cut = y0 + at * height
        first, second, lane = (
            (x0, y0, x1, cut - half),
            (x0, cut + half, x1, y1),
            (x0, cut - half, x1, cut + half),
        )
    narrower = gap if gap <= 1 else max(2.5, gap * 0.85)
    cells_a, lanes_a = split(rng, first, target, narrower)
    cells_b, lanes_b = split(rng, second, target, narrower)
    return cells_a + cells_b, [lane, *lanes_a, *lanes_b]


def inset(rect: Rect, margin: float) -> Rect:
    """Return the rectangle with ``margin`` pixels removed on each side."""
    return rect[0] + margin, rect[1] + margin, rect[2] - margin, rect[3] - margin


class SceneDrawer:
    """Fills one `Scene` block by block; ``change_rate`` is the share of buildings present at one date only."""

    def __init__(self, rng: np.random.Generator, size: int, change_rate: float) -> None:
        self.rng, self.change_rate = rng, change_rate
        self.scene = Scene(size)
        self.frame = Frame(rng.uniform(0, np.pi), size)

    def draw(self) -> Scene:
        """Draw roads, blocks and their objects."""
        rng, reach = self.rng, self.scene.size * 0.72 + 6
        blocks, lanes = split(rng, (-reach, -reach, reach, reach), BLOCK_SIZE, rng.uniform(6, 9))
        uses = {'homes': self.homes, 'yards': self.yards, 'crops': self.crops, 'park': self.park}
        weights = rng.dirichlet((2.6, 1.5, 1.7, 0.6))
        for lane in lanes:
            self.road(lane)
        for block in blocks:
            uses[rng.choice(list(uses), p=weights)](inset(block, 0.4))
        self.clear_trees()
        return self.scene

    def ground(self, rect: Rect, kind: str, change: float = 0.0, noise: float = 6) -> Area:
        """Add a piece of ground; with probability ``change`` its colour on date B is drawn again."""
        rng = self.rng
        first = jitter(rng, pick(rng, GROUND[kind]), noise)
        second = jitter(rng, pick(rng, GROUND[kind]), noise) if rng.random() < change else first
        polygon = self.frame.oval(rect) if kind == 'pond' else self.frame.rect(rect)
        area = Area(polygon, (first, second), seasonal=kind == 'lawn')
        self.scene.areas.append(area)
        return area

    def road(self, lane: Rect) -> None:
        """Draw a road with a few cars on it; some roads are resurfaced between the dates."""
        rng = self.rng
        self.ground(lane, 'road', change=0.3)
        x0, y0, x1, y1 = lane
        along_x = x1 - x0 > y1 - y0
        length, width = max(x1 - x0, y1 - y0), min(x1 - x0, y1 - y0)
        for cars in self.scene.cars if width > 4 else ():
            for _ in range(rng.poisson(length / 40)):
                along, side = rng.uniform(0, length), width * rng.choice((0.3, 0.7))
                self.car(cars, (x0 + along, y0 + side) if along_x else (x0 + side, y0 + along), along_x)

    def car(self, cars: list, at: tuple[float, float], along_x: bool) -> None:
        """Append a car, about 4 by 2 pixels, to one date's list."""
        half = np.array((2.1, 1.0) if along_x else (1.0, 2.1)) * self.rng.uniform(0.85, 1.2)
        x, y = at
        polygon = self.frame.rect((x - half[0], y - half[1], x + half[0], y + half[1]))
        cars.append((polygon, pick(self.rng, CAR_COLOURS)))

    def building(self, lot: Rect, style: str, turn: float = 0.0) -> None:
        """Put a building on a lot and decide at which dates it exists and whether it is re-roofed."""
        rng = self.rng
        if rng.random() < 0.4:  # drawn whether or not the building changes, so that it reveals nothing
            self.ground(inset(lot, rng.uniform(0, 1.5)), rng.choice(('soil', 'soil', 'paved')), change=0.4)
        building = draw_building(rng, lot, style, turn, self.frame)
        if rng.random() < self.change_rate:
            building.present = (False, True) if rng.random() < 0.55 else (True, False)
        self.scene.buildings.append(building)

    def tree(self, at: tuple[float, float], radius: float) -> None:
        """Add a tree; a few are felled or planted between the dates."""
        rng = self.rng
        lumps = np.column_stack([rng.uniform(-0.55, 0.55, (5, 2)), rng.uniform(0.3, 0.55, 5)])
        colour = jitter(rng, pick(rng, LEAVES), 8)
        present = (True, True) if rng.random() < 0.9 else ((True, False), (False, True))[rng.integers(2)]
        self.scene.trees.append(
            Tree(self.frame([at])[0], radius, lumps, colour, rng.random() < 0.35, present)
        )

    def trees_in(self, rect: Rect, density: float, radius: tuple[float, float] = (1.6, 3.8)) -> None:
        """Scatter trees at ``density`` per 100 square pixels."""
        x0, y0, x1, y1 = rect
        for _ in range(self.rng.poisson(max(0.0, (x1 - x0) * (y1 - y0)) * density / 100)):
            self.tree((self.rng.uniform(x0, x1), self.rng.uniform(y0, y1)), self.rng.uniform(*radius))

    def homes(self, block: Rect) -> None:
        """Draw houses on lots with lawns, patios, pools and gardens."""
        rng = self.rng
        self.ground(block, 'lawn')
        turn = rng.uniform(-0.12, 0.12) * (rng.random() < 0.4)
        for lot in split(rng, inset(block, 1), rng.uniform(20, 28), 0.8)[0]:
            if rng.random() < 0.6:
                self.ground(lot, 'lawn', noise=11)
            if rng.random() < 0.85:
                self.building(inset(lot, 1.6), 'house', turn)
            else:
                self.ground(inset(lot, rng.uniform(2, 5)), rng.choice(('soil', 'paved', 'lawn')), change=0.7)
            if rng.random() < 0.35:
                self.extra(lot)
            self.trees_in(lot, 0.28)

    def extra(self, lot: Rect) -> None:
        """Draw a pool, patio or vegetable bed in a lot: flat, so it is never a building."""
        rng = self.rng
        w, h = rng.uniform(2.5, 6, 2)
        x, y = rng.uniform(lot[0], max(lot[0], lot[2] - w)), rng.uniform(lot[1], max(lot[1], lot[3] - h))
        self.ground((x, y, x + w, y + h), rng.choice(('pool', 'paved', 'soil')), change=0.3)

    def yards(self, block: Rect) -> None:
        """Draw large halls on paved yards, with rows of parked cars that differ between the dates."""
        rng = self.rng
        self.ground(block, 'paved', change=0.25)
        for lot in split(rng, inset(block, 1), rng.uniform(28, 50), 2.0)[0]:
            if rng.random() < 0.78:
                self.building(inset(lot, rng.uniform(1.5, 3)), 'hall')
                continue
            self.ground(lot, 'road', change=0.5)
            for cars in self.scene.cars:
                full = rng.uniform(0.1, 0.8)
                for y in np.arange(lot[1] + 3, lot[3] - 3, 7):
                    for x in np.arange(lot[0] + 2, lot[2] - 2, 3):
                        if rng.random() < full:
                            self.car(cars, (float(x), float(y)), along_x=False)
        self.trees_in(block, 0.1)

    def crops(self, block: Rect) -> None:
        """Draw fields whose crop changes as a whole, occasionally with a farm building."""
        rng = self.rng
        self.ground(block, 'lawn')
        for plot in split(rng, block, rng.uniform(26, 62), 1.0)[0]:
            first, second = (jitter(rng, pick(rng, CROPS), 6) for _ in range(2))
            wave = self.frame([(1, 0) if rng.random() < 0.5 else (0, 1)])[0] - self.frame.centre
            wave *= 2 * np.pi / rng.uniform(2.4, 5)
            stripe = (*wave, *(rng.uniform(0, 9, 2)))
            colours = (first, second if rng.random() < 0.75 else first)
            self.scene.areas.append(Area(self.frame.rect(plot), colours, stripe=stripe))
            room = min(plot[2] - plot[0], plot[3] - plot[1])
            if room > 20 and rng.random() < 0.35:
                w, h = rng.uniform(10, min(17, room - 6), 2)
                x, y = (rng.uniform(plot[i] + 3, plot[i + 2] - 3 - s) for i, s in ((0, w), (1, h)))
                self.building((x, y, x + w, y + h), 'farm', rng.uniform(0, np.pi / 2))
        self.trees_in((block[0], block[1], block[2], block[1] + 4), 1.2)

    def park(self, block: Rect) -> None:
        """Draw trees, a pond or a sports court, and sometimes a pavilion."""
        rng = self.rng
        self.ground(block, 'lawn', noise=10)
        cells = split(rng, inset(block, 2), 30, 2.0)[0]
        for cell in cells:
            draw = rng.random()
            if draw < 0.3:
                self.building(
                    inset(cell, max(1.0, (min(cell[2] - cell[0], cell[3] - cell[1]) - 16) / 2)), 'farm'
                )
            elif draw < 0.55:
                self.ground(
                    inset(cell, rng.uniform(2, 5)), rng.choice(('pond', 'paved', 'court')), change=0.3
                )
        self.trees_in(block, 0.9, (2.0, 4.5))

    def clear_trees(self) -> None:
        """Drop trees that would cover much of a footprint of either date, so that labels stay correct."""
        size, margin = self.scene.size, 8
        standing = footprints(self.scene.buildings, None, size + 2 * margin, offset=(margin, margin))
        room = cv2.distanceTransform(255 - standing, cv2.DIST_L2, 3)

        def clear(tree: Tree) -> bool:
            x, y = (tree.centre + margin).astype(int)
            inside = 0 <= x < size + 2 * margin and 0 <= y < size + 2 * margin
            return inside and room[y, x] > 0.85 * tree.radius

        self.scene.trees = [tree for tree in self.scene.trees if clear(tree)]


def draw_scene(rng: np.random.Generator, size: int, change_rate: float = 0.0) -> Scene:
    """Draw a place ``size`` by ``size`` pixels; ``change_rate`` (0..1) is the share of changed buildings."""
    return SceneDrawer(rng, size, change_rate).draw()
