"""Buildings of a synthetic scene: footprints of many shapes, roofs as shaded facets, and their masks."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np

from schanger_mm.demo.scenes.palette import ROOFS, jitter, pick

SUPERSAMPLE = 2
"""Pictures and masks are drawn at this multiple of their size and averaged, so both agree on every edge."""
_SHIFT = 4  # fixed-point bits of the coordinates for OpenCV

SHAPES = ('rectangle', 'L', 'T', 'U', 'courtyard', 'round')
_SHAPE_ODDS = {
    'house': (0.5, 0.24, 0.14, 0.07, 0.0, 0.05),
    'hall': (0.44, 0.16, 0.1, 0.12, 0.12, 0.06),
    'farm': (0.6, 0.16, 0.06, 0.06, 0.0, 0.12),
}
_ROOF_ODDS = {'house': (0.18, 0.4, 0.42), 'hall': (0.7, 0.2, 0.1), 'farm': (0.3, 0.45, 0.25)}


@dataclass
class Building:
    """A building in image pixels.

    Args:
        parts: Convex polygons (K, 2) whose union is the footprint.
        facets: Roof planes as (polygon (K, 2), horizontal part of the outward normal (2,), zero when flat).
        units: Small boxes on the roof (chimneys, air conditioning), polygons (4, 2).
        height: Height in pixels; with the sun it gives the shadow.
        colours: Roof colour (3,) on each date; they differ when the building is re-roofed.
        present: Whether it exists at each date.
    """

    parts: list[np.ndarray]
    facets: list[tuple[np.ndarray, np.ndarray]]
    units: list[np.ndarray]
    height: float
    colours: tuple[np.ndarray, np.ndarray]
    present: tuple[bool, bool] = (True, True)


def fixed_point(polygon: np.ndarray, offset: Iterable[float] = (0, 0)) -> np.ndarray:
    """Return image coordinates (K, 2) as the integers that `fill` needs, moved by ``offset`` pixels."""
    at = (np.asarray(polygon, float) + np.asarray(offset, float)) * SUPERSAMPLE - 0.5
    return np.round(at * (1 << _SHIFT)).astype(np.int32)


def fill(canvas: np.ndarray, polygon: np.ndarray, colour, offset: Iterable[float] = (0, 0)) -> None:
    """Fill a polygon (K, 2), in image pixels, on a canvas that is ``SUPERSAMPLE`` times finer."""
    cv2.fillPoly(canvas, [fixed_point(polygon, offset)], colour, cv2.LINE_8, _SHIFT)


def disc(
    canvas: np.ndarray, centre: np.ndarray, radius: float, colour, offset: Iterable[float] = (0, 0)
) -> None:
    """Fill a circle given in image pixels on a canvas that is ``SUPERSAMPLE`` times finer."""
    x, y = fixed_point(centre, offset)
    size = round(radius * SUPERSAMPLE * (1 << _SHIFT))
    cv2.circle(canvas, (int(x), int(y)), size, colour, -1, cv2.LINE_8, _SHIFT)


def footprints(
    buildings: Iterable[Building], date: int | None, size: int, offset: Iterable[float] = (0, 0)
) -> np.ndarray:
    """Mask (size, size) uint8, 255 = covered by a building on ``date`` (0, 1, or None for either)."""
    canvas = np.zeros((size * SUPERSAMPLE,) * 2, np.uint8)
    for building in buildings:
        if date is None or building.present[date]:
            for part in building.parts:
                fill(canvas, part, 255, offset)
    small = cv2.resize(canvas, (size, size), interpolation=cv2.INTER_AREA)
    return np.where(small >= 128, 255, 0).astype(np.uint8)


def _box(x0: float, y0: float, x1: float, y1: float) -> np.ndarray:
    return np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1)])


def _circle(radius: float, corners: int = 16) -> np.ndarray:
    angle = np.arange(corners) * 2 * np.pi / corners
    return radius * np.column_stack([np.cos(angle), np.sin(angle)])


def _wings(
    rng: np.random.Generator, shape: str, w: float, h: float
) -> list[tuple[float, float, float, float]]:
    """Return rectangles (x0, y0, x1, y1) around the origin that form a footprint ``w`` by ``h``."""
    x, y = w / 2, h / 2
    t = min(w, h) * (rng.uniform(0.26, 0.34) if shape in ('U', 'courtyard') else rng.uniform(0.42, 0.55))
    bar, left, right = (-x, -y, x, -y + t), (-x, -y, -x + t, y), (x - t, -y, x, y)
    return {
        'rectangle': [(-x, -y, x, y)],
        'L': [bar, left],
        'T': [bar, (-t / 2, -y, t / 2, y)],
        'U': [bar, left, right],
        'courtyard': [bar, left, right, (-x, y - t, x, y)],
    }[shape]


def _roof(rect: tuple[float, float, float, float], kind: str) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return the facets of the roof over one wing: 'flat', 'gable' or 'hip', the ridge along the longer side."""
    x0, y0, x1, y1 = rect
    if kind == 'flat':
        return [(_box(*rect), np.zeros(2))]
    if y1 - y0 > x1 - x0:  # put the ridge along x, then swap the axes back
        return [(polygon[:, ::-1], normal[::-1]) for polygon, normal in _roof((y0, x0, y1, x1), kind)]
    middle, run = (y0 + y1) / 2, (y1 - y0) / 2 if kind == 'hip' else 0.0
    a, b = (x0 + run, middle), (x1 - run, middle)
    facets = [([(x0, y0), (x1, y0), b, a], (0, -1)), ([(x0, y1), (x1, y1), b, a], (0, 1))]
    if kind == 'hip':
        facets += [([(x0, y0), a, (x0, y1)], (-1, 0)), ([(x1, y0), b, (x1, y1)], (1, 0))]
    return [(np.array(polygon, float), np.array(normal, float)) for polygon, normal in facets]


def _round_roof(radius: float, pitched: bool) -> list[tuple[np.ndarray, np.ndarray]]:
    rim = _circle(radius)
    if not pitched:
        return [(rim, np.zeros(2))]
    after = np.roll(rim, -1, axis=0)
    return [
        (np.array([(0, 0), p, q]), (p + q) / np.linalg.norm(p + q)) for p, q in zip(rim, after, strict=True)
    ]


def _saw_roof(rect: tuple[float, float, float, float], strips: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return a factory roof: narrow gables side by side."""
    x0, y0, x1, y1 = rect
    edges = np.linspace(x0, x1, 2 * strips + 1)
    return [
        (_box(a, y0, b, y1), np.array(((-0.8, 0.8)[i % 2], 0.0))) for i, (a, b) in enumerate(pairwise(edges))
    ]


def draw_building(
    rng: np.random.Generator,
    lot: tuple[float, float, float, float],
    style: str,
    turn: float,
    frame: Callable[[np.ndarray], np.ndarray],
) -> Building:
    """Draw a building that stays inside a lot.

    Args:
        rng: Random generator.
        lot: (x0, y0, x1, y1) in the street grid, pixels.
        style: 'house', 'hall' or 'farm'.
        turn: Rotation against the street grid, radians.
        frame: Maps street-grid points (K, 2) to image pixels.
    """
    room = np.array([lot[2] - lot[0], lot[3] - lot[1]])
    spread = 1 / (abs(np.cos(turn)) + abs(np.sin(turn)))
    fills = {'house': (0.66, 0.96), 'hall': (0.74, 0.98), 'farm': (0.75, 1.0)}[style]
    w, h = np.maximum(room * rng.uniform(*fills, 2) * spread, 5.0)
    odds = np.array(_SHAPE_ODDS[style])
    shape = str(rng.choice(SHAPES, p=odds / odds.sum())) if min(w, h) >= 8 else 'rectangle'
    if shape == 'courtyard' and min(w, h) < 16:
        shape = 'L'
    kind = str(rng.choice(('flat', 'gable', 'hip'), p=_ROOF_ODDS[style]))
    if shape == 'round':
        radius = min(w, h) / 2
        parts, facets = [_circle(radius)], _round_roof(radius, kind != 'flat')
    else:
        wings = _wings(rng, shape, w, h)
        parts = [_box(*wing) for wing in wings]
        if style == 'hall' and shape == 'rectangle' and rng.random() < 0.3:
            facets = _saw_roof(wings[0], max(2, round(w / 8)))
        else:
            facets = [facet for wing in wings for facet in _roof(wing, kind)]
    units = []
    if kind == 'flat' or rng.random() < 0.4:
        for _ in range(rng.integers(1, 5) if style == 'hall' else 1):
            host = parts[rng.integers(len(parts))]
            low, high = host.min(0) * 0.7 + host.max(0) * 0.3, host.min(0) * 0.3 + host.max(0) * 0.7
            x, y = np.asarray(rng.uniform(low, high))
            units.append(
                _box(x - 0.8, y - 0.8, x + 0.8, y + 0.8)
                if style != 'hall'
                else _box(x - 1.3, y - 1, x + 1.3, y + 1)
            )
    mirror = rng.choice((-1.0, 1.0), 2)
    turned = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    slack = np.maximum(room - (np.array([w, h]) / spread if turn else (w, h)), 0) / 2
    centre = np.array([lot[0] + lot[2], lot[1] + lot[3]]) / 2 + rng.uniform(-slack, slack)
    origin = frame(np.zeros((1, 2)))

    def place(polygon: np.ndarray) -> np.ndarray:
        return frame((polygon * mirror) @ turned + centre)

    def aim(normal: np.ndarray) -> np.ndarray:
        return (frame((normal * mirror)[None] @ turned) - origin)[0]

    low, high = {'house': (2.2, 4.5), 'hall': (3.0, 8.0), 'farm': (2.5, 4.5)}[style]
    colour = jitter(rng, pick(rng, ROOFS[style]), 7)
    again = jitter(rng, pick(rng, ROOFS[style]), 7) if rng.random() < 0.3 else colour
    return Building(
        parts=[place(part) for part in parts],
        facets=[(place(polygon), aim(normal)) for polygon, normal in facets],
        units=[place(unit) for unit in units],
        height=rng.uniform(low, high),
        colours=(colour, again),
    )
