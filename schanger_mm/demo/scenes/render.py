"""Render a synthetic scene: sun and shadows, season, colour balance, haze, noise and misregistration."""

from dataclasses import dataclass

import cv2
import numpy as np

from schanger_mm.demo.scenes.building import SUPERSAMPLE, disc, fill, footprints
from schanger_mm.demo.scenes.palette import AUTUMN, STRAW
from schanger_mm.demo.scenes.scene import Scene, Tree, draw_scene

MAX_SHIFT = 2.0
"""Largest misregistration of date B relative to date A, pixels."""


@dataclass
class Conditions:
    """The conditions under which a picture was taken.

    Args:
        sun: Unit vector (2,) in the image towards the sun.
        shadow: Shadow length per pixel of height.
        darkness: Share of light, per channel (3,), that remains in a shadow.
        season: 0 = lush, 1 = dry.
        gain: Factor per channel (3,).
        bias: Offset per channel (3,), grey levels.
        haze: Share of the picture replaced by pale blue, 0..1.
        noise: Standard deviation of the sensor noise, grey levels.
        blur: Standard deviation of the optical blur, pixels.
        shift: Displacement (dx, dy) of the whole picture, pixels.
    """

    sun: np.ndarray
    shadow: float
    darkness: np.ndarray
    season: float
    gain: np.ndarray
    bias: np.ndarray
    haze: float
    noise: float
    blur: float
    shift: np.ndarray


def draw_conditions(rng: np.random.Generator, misregistered: bool = False) -> Conditions:
    """Draw the conditions of a date: the sun is in the lower half of the picture, as north of the tropics."""
    azimuth = rng.uniform(-0.1, 1.1) * np.pi
    reach, heading = MAX_SHIFT * np.sqrt(rng.random()), rng.uniform(0, 2 * np.pi)
    return Conditions(
        sun=np.array([np.cos(azimuth), np.sin(azimuth)]),
        shadow=rng.uniform(0.6, 1.5),
        darkness=rng.uniform(0.4, 0.6) * np.array([0.94, 1.0, 1.1]),
        season=rng.random() ** 1.5,
        gain=rng.uniform(0.88, 1.12) * rng.uniform(0.94, 1.06, 3),
        bias=rng.uniform(-6, 6, 3),
        haze=rng.uniform(0, 0.2),
        noise=rng.uniform(2, 5),
        blur=rng.uniform(0, 0.6),
        shift=float(misregistered) * reach * np.array([np.cos(heading), np.sin(heading)]),
    )


def _smooth_noise(rng: np.random.Generator, size: int, cell: int) -> np.ndarray:
    """Draw a field (size, size) of unit-variance noise whose grains are ``cell`` pixels wide."""
    grid = rng.standard_normal((size // cell + 2,) * 2).astype(np.float32)
    return cv2.resize(grid, (size, size), interpolation=cv2.INTER_CUBIC)


def _paint_ground(scene: Scene, date: int, cond: Conditions, canvas: np.ndarray) -> None:
    """Fill areas and crop rows, then the cars."""
    rows = np.zeros(canvas.shape[:2], np.uint8)
    waves = [(0.0, 0.0, 0.0)]
    for area in scene.areas:
        colour = area.colours[date]
        if area.seasonal:
            colour = colour + 0.8 * cond.season * (STRAW - colour)
        fill(canvas, area.polygon, colour.tolist(), cond.shift)
        index = 0
        if area.stripe is not None and len(waves) < 255:
            waves.append((area.stripe[0], area.stripe[1], area.stripe[2 + date]))
            index = len(waves) - 1
        fill(rows, area.polygon, index, cond.shift)
    if len(waves) > 1:
        kx, ky, strength = np.array(waves, np.float32).T
        at = np.arange(canvas.shape[0], dtype=np.float32) / SUPERSAMPLE
        phase = kx[rows] * (at[None] - cond.shift[0]) + ky[rows] * (at[:, None] - cond.shift[1])
        wave = strength[rows] * np.sin(phase)
        canvas[:] = np.clip(canvas + wave[..., None], 0, 255).astype(np.uint8)
    for polygon, colour in scene.cars[date]:
        fill(canvas, polygon, colour.tolist(), cond.shift)


def _cast_shadows(scene: Scene, date: int, cond: Conditions, canvas: np.ndarray) -> None:
    """Darken the ground behind buildings and trees."""
    shade = np.zeros(canvas.shape[:2], np.uint8)
    for building in scene.buildings:
        if building.present[date]:
            away = -cond.sun * cond.shadow * building.height
            for part in building.parts:
                hull = cv2.convexHull(np.concatenate([part, part + away]).astype(np.float32))
                fill(shade, hull[:, 0], 255, cond.shift)
    for tree in scene.trees:
        if tree.present[date]:
            away = -cond.sun * cond.shadow * tree.radius * 0.9
            disc(shade, tree.centre + away, tree.radius * 0.95, 255, cond.shift)
    soft = cv2.GaussianBlur(shade, (3, 3), 0)[..., None].astype(np.float32) / 255
    canvas[:] = (canvas * (1 - soft * (1 - cond.darkness.astype(np.float32)))).astype(np.uint8)


def _paint_roofs(scene: Scene, date: int, cond: Conditions, canvas: np.ndarray) -> None:
    """Draw roof facets, bright towards the sun and dark away from it."""
    for building in scene.buildings:
        if not building.present[date]:
            continue
        colour = building.colours[date]
        for polygon, normal in building.facets:
            lit = np.clip(colour * (1.0 + 0.3 * float(normal @ cond.sun)), 0, 255)
            fill(canvas, polygon, lit.tolist(), cond.shift)
        for unit in building.units:
            fill(canvas, unit, (colour * 0.55).tolist(), cond.shift - 0.7 * cond.sun)
            fill(canvas, unit, (colour * 0.75 + 50).tolist(), cond.shift)


def _paint_tree(tree: Tree, cond: Conditions, canvas: np.ndarray) -> None:
    colour = tree.colour if tree.evergreen else tree.colour + cond.season * (AUTUMN - tree.colour)
    disc(canvas, tree.centre, tree.radius, (colour * 0.72).tolist(), cond.shift)
    for dx, dy, radius in tree.lumps * tree.radius:
        at = np.array([dx, dy])
        lit = 1.0 + 0.35 * float(at @ cond.sun) / tree.radius
        disc(
            canvas,
            tree.centre + at + 0.15 * tree.radius * cond.sun,
            radius,
            (colour * lit).tolist(),
            cond.shift,
        )


def render(
    rng: np.random.Generator, scene: Scene, date: int, cond: Conditions, relief: np.ndarray
) -> np.ndarray:
    """Render a scene as a photograph.

    Args:
        rng: Random generator of the sensor noise.
        scene: The scene.
        date: 0 or 1.
        cond: The conditions of the picture.
        relief: Mottling of the ground (size, size), grey levels, shared by the dates.

    Returns:
        RGB image (size, size, 3) uint8.
    """
    size = scene.size
    fine = size * SUPERSAMPLE
    canvas = np.full((fine, fine, 3), 110, np.uint8)
    _paint_ground(scene, date, cond, canvas)
    _cast_shadows(scene, date, cond, canvas)
    _paint_roofs(scene, date, cond, canvas)
    for tree in scene.trees:
        if tree.present[date]:
            _paint_tree(tree, cond, canvas)
    image = cv2.resize(canvas, (size, size), interpolation=cv2.INTER_AREA).astype(np.float32)
    roofs = footprints(scene.buildings, date, size, cond.shift)
    image += np.where(roofs, 0.3, 1.0)[..., None] * (relief + 2.5 * _smooth_noise(rng, size, 2))[..., None]
    image = cv2.GaussianBlur(image, (5, 5), 0.3 + cond.blur)
    image = image * (1 - cond.haze) + cond.haze * np.array([188, 196, 208], np.float32)
    image = image * cond.gain + cond.bias + rng.normal(0, cond.noise, image.shape)
    return np.clip(np.round(image), 0, 255).astype(np.uint8)


def draw_relief(rng: np.random.Generator, size: int) -> np.ndarray:
    """Draw the mottling of the ground (size, size), grey levels."""
    return 3.0 * _smooth_noise(rng, size, 12) + 2.5 * _smooth_noise(rng, size, 4)


def draw_pair(rng: np.random.Generator, size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draw one place at two dates.

    Returns:
        Images A and B (size, size, 3) uint8 RGB and the label (size, size) uint8, 255 where a building exists
        at exactly one date. The label is aligned with A; B is displaced by up to ``MAX_SHIFT`` pixels.
    """
    a, b, label, *_ = draw_pair_with_masks(rng, size)
    return a, b, label


def draw_pair_with_masks(rng: np.random.Generator, size: int) -> tuple[np.ndarray, ...]:
    """Draw one place at two dates, with the buildings of each date.

    Returns:
        What :func:`draw_pair` returns, and the masks of buildings at A and at B (size, size) uint8, 255 = building,
        both aligned with A. The label is where the masks differ.
    """
    rate = 0.0 if rng.random() < 0.12 else rng.uniform(0.15, 0.85)
    scene = draw_scene(rng, size, rate)
    relief = draw_relief(rng, size)
    a = render(rng, scene, 0, draw_conditions(rng), relief)
    b = render(rng, scene, 1, draw_conditions(rng, misregistered=True), relief)
    return a, b, scene.label(), *(footprints(scene.buildings, date, size) for date in (0, 1))


def draw_single(rng: np.random.Generator, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw one place at one date.

    Returns:
        Image (size, size, 3) uint8 RGB and mask (size, size) uint8, 255 = building.
    """
    scene = draw_scene(rng, size, change_rate=0.2)
    image = render(rng, scene, 0, draw_conditions(rng), draw_relief(rng, size))
    return image, footprints(scene.buildings, 0, size)
