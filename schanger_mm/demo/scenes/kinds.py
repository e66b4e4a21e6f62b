"""Drawn scenes in which buildings are new, demolished, replaced and altered, with the truth of each building."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from schanger_mm.demo.scenes.building import Building, draw_building, footprints
from schanger_mm.demo.scenes.render import draw_conditions, draw_relief, render
from schanger_mm.demo.scenes.scene import Rect, Scene, SceneDrawer
from schanger_mm.demo.scenes.writer import write_png
from schanger_mm.utils.files import refuse_existing

KINDS = ('new', 'demolished', 'replaced', 'altered')
RATES = (0.1, 0.1, 0.1, 0.16)
"""Shares of buildings of each kind; the others stay."""
SHORTEST = 6.0
"""Shorter side in px of the smallest building that is altered; smaller ones stay as they are."""


@dataclass
class Site:
    """A place where buildings changed: its number from 1, the kind of change, and its buildings."""

    number: int
    kind: str
    buildings: list[Building]

    def changed(self, size: int) -> np.ndarray:
        """Return what changed, ``(size, size)`` bool: footprints of either date, of which none stands at both.

        So the whole ground of a replaced building counts, also where the old and the new one overlap.
        """
        moving = [one for one in self.buildings if one.present[0] != one.present[1]]
        staying = [one for one in self.buildings if all(one.present)]
        return (footprints(moving, None, size) > 0) & (footprints(staying, None, size) == 0)


class KindDrawer(SceneDrawer):
    """Fills a scene as :class:`SceneDrawer` does, with changes of all kinds; ``sites`` lists them."""

    def __init__(self, rng: np.random.Generator, size: int, rates: tuple[float, ...] = RATES) -> None:
        super().__init__(rng, size, 0.0)
        self.rates, self.sites = rates, list[Site]()

    def building(self, lot: Rect, style: str, turn: float = 0.0) -> None:
        """Put a building on a lot, and decide what happens to it."""
        kind = str(self.rng.choice((*KINDS, 'stays'), p=(*self.rates, 1 - sum(self.rates))))
        if kind == 'altered':
            buildings = self._altered(lot, style, turn)
        else:
            buildings = [draw_building(self.rng, lot, style, turn, self.frame)]
            if kind == 'replaced':
                buildings.append(draw_building(self.rng, lot, style, turn, self.frame))
                buildings[0].present, buildings[1].present = (True, False), (False, True)
            elif kind != 'stays':
                buildings[0].present = (kind == 'demolished', kind == 'new')
        self.scene.buildings += buildings
        if kind != 'stays' and not all(one.present == (True, True) for one in buildings):
            self.sites.append(Site(len(self.sites) + 1, kind, buildings))

    def _altered(self, lot: Rect, style: str, turn: float) -> list[Building]:
        """Draw a building of two parts: the larger one stays, the smaller one is added or torn down."""
        present = (False, True) if self.rng.random() < 0.5 else (True, False)
        while True:
            whole = draw_building(self.rng, lot, style, turn, self.frame)
            if len(whole.parts) == 1 and len(whole.parts[0]) == 4:
                break
        corners = whole.parts[0]
        sides = np.linalg.norm(np.roll(corners, -1, axis=0) - corners, axis=1)
        if sides.min() < SHORTEST:
            return [whole]
        if sides[0] < sides[1]:  # cut across the longer side
            corners = np.roll(corners, -1, axis=0)
        at = self.rng.uniform(0.55, 0.72)
        a, b, c, d = corners
        first, second = a + at * (b - a), d + at * (c - d)
        parts = [np.array([a, first, second, d]), np.array([first, b, c, second])]
        flat = np.zeros(2)
        return [replace(whole, parts=[part], facets=[(part, flat)], units=[], present=when)
                for part, when in zip(parts, ((True, True), present))]


@dataclass
class KindPair:
    """A drawn pair: images ``(size, size, 3)``, masks ``(size, size)`` uint8 of 0 and 255, all aligned with date A.

    Args:
        images: of both dates.
        label: what changed; of a replaced building its whole ground.
        masks: buildings of each date.
        sites: ``(size, size)`` uint16, the number of the changed site, 0 elsewhere.
        kinds: of the sites that lie inside the image as a whole, by number.
    """

    images: tuple[np.ndarray, np.ndarray]
    label: np.ndarray
    masks: tuple[np.ndarray, np.ndarray]
    sites: np.ndarray
    kinds: dict[int, str]


def draw_kind_pair(rng: np.random.Generator, size: int, rates: tuple[float, ...] = RATES) -> KindPair:
    """Draw one place at two dates, with new, demolished, replaced and altered buildings.

    Args:
        rng: random generator.
        size: side of the images, px.
        rates: shares of buildings of each of :data:`KINDS`.
    """
    drawer = KindDrawer(rng, size, rates)
    scene: Scene = drawer.draw()
    relief = draw_relief(rng, size)
    images = (render(rng, scene, 0, draw_conditions(rng), relief),
              render(rng, scene, 1, draw_conditions(rng, misregistered=True), relief))
    masks = footprints(scene.buildings, 0, size), footprints(scene.buildings, 1, size)
    sites, kinds = np.zeros((size, size), np.uint16), {}
    for site in drawer.sites:
        corners = np.concatenate([part for building in site.buildings for part in building.parts])
        if corners.max() < 0 or corners.min() > size:
            continue
        sites[site.changed(size)] = site.number
        if corners.min() >= 1 and corners.max() <= size - 1 and (sites == site.number).any():
            kinds[site.number] = site.kind
    label = np.where(sites > 0, 255, 0).astype(np.uint8)
    return KindPair(images, label, masks, sites, kinds)


def write_kind_pair(folder: str | Path, pair: KindPair) -> None:
    """Write a pair as ``A.png``, ``B.png``, ``label.png``, ``label_a.png``, ``label_b.png`` and its truth.

    The truth of each building is in ``sites.png`` (16 bits, the number of the site) and ``sites.json`` (number, kind,
    pixels).

    Raises:
        ExistsError: the folder exists.
    """
    folder = Path(folder)
    refuse_existing(folder)
    folder.mkdir(parents=True)
    pictures = dict(A=pair.images[0], B=pair.images[1], label=pair.label, label_a=pair.masks[0],
                    label_b=pair.masks[1], sites=pair.sites)
    for name, image in pictures.items():
        write_png(folder / f'{name}.png', image)
    truth = [dict(site=number, kind=kind, pixels=int((pair.sites == number).sum()))
             for number, kind in pair.kinds.items()]
    (folder / 'sites.json').write_text(json.dumps(truth, indent=1) + '\n', encoding='utf-8')
