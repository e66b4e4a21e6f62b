"""The classes of both dates of a block: from the windows of a network to one byte per pixel and date."""

from __future__ import annotations

import colorsys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

import numpy as np

from schanger_mm.deploy.runtime import Semantic
from schanger_mm.geo.errors import SceneError
from schanger_mm.geo.reading import Reading
from schanger_mm.scene.block import NODATA, Network, blend_block, name_of, quantise
from schanger_mm.scene.plan import Block, Plan
from schanger_mm.utils.band_order import COLOUR_BANDS

if TYPE_CHECKING:
    from schanger_mm.geo.pair import PairSource

MOST_CLASSES = 254
"""Classes that fit into one byte, with a value for nodata."""
BACKGROUND = ('other', 'background')
GREY = (210, 206, 196)
"""RGB of classes with such names."""
COLOURS = ((214, 96, 77), (90, 160, 80), (67, 130, 190), (230, 185, 70), (130, 100, 170), (100, 190, 185),
           (160, 110, 70))
"""RGB of the first of all other classes; further ones go around the hues."""
GOLDEN = 0.618034


class SemanticNetwork(Protocol):
    """A model that predicts the classes of both dates, too, such as :class:`~schanger_mm.deploy.model.SceneModel`."""

    def semantic(self, images: np.ndarray) -> Semantic:
        """Predict ``(N, 2, C, h, w)`` float32 in 0..255, RGB if C is 3, date A first."""


class Stacked:
    """A network whose windows are ``(1 + 2 K, h, w)``: change, and the classes of both dates."""

    def __init__(self, model: SemanticNetwork):
        self._model = model
        self.weights = name_of(model)  # type: ignore[arg-type]  # any object has a name
        self.bands, self.reading = getattr(model, 'bands', COLOUR_BANDS), getattr(model, 'reading', Reading())

    def predict(self, images: np.ndarray) -> np.ndarray:
        """Predict windows ``(N, 1 + 2 K, h, w)`` float32."""
        found = self._model.semantic(images)
        return np.concatenate([found.probability[:, None], found.before, found.after], axis=1)


def classes_of(model: object) -> tuple[str, ...]:
    """Return the names of the classes that a network predicts for each date; empty for one of change only.

    Raises:
        SceneError: more classes than a byte holds.
    """
    names = tuple(getattr(model, 'class_names', ()))
    if len(names) > MOST_CLASSES:
        raise SceneError(f'{name_of(model)}: it has {len(names)} classes; class maps of scenes '  # type: ignore[arg-type]
                         f'hold at most {MOST_CLASSES}.')
    return names


def with_classes(model: Network) -> Network:
    """Return a network that predicts change and classes in one map, or the same network if it has no classes."""
    return Stacked(model) if classes_of(model) else model  # type: ignore[arg-type]


def split_maps(maps: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Split ``(1 + 2 K, h, w)`` into the probability of change, and the most probable class before and after, uint8."""
    count = (len(maps) - 1) // 2
    before, after = (maps[1 + part * count:1 + (part + 1) * count].argmax(axis=0).astype(np.uint8) for part in (0, 1))
    return maps[0], before, after


def encode(maps: np.ndarray, threshold: float, classes: int) -> np.ndarray:
    """Store blended maps in bytes.

    Args:
        maps: what :func:`~schanger_mm.scene.block.blend_block` returned.
        threshold: as of :func:`~schanger_mm.scene.block.quantise`.
        classes: number K of classes; 0: of a network of change only.

    Returns:
        ``(h, w)`` uint8 of :func:`quantise`; with classes ``(3, h, w)``: that, and the class before and after, 255
        where there is no data.
    """
    if not classes:
        return quantise(maps, threshold)
    if maps.ndim == 2:  # no window of the block has data
        return np.full((3, *maps.shape), NODATA, np.uint8)
    probability, before, after = split_maps(maps)
    nodata = np.isnan(probability)
    before[nodata] = after[nodata] = NODATA
    return np.stack([quantise(probability, threshold), before, after])


def predict_levels(source: PairSource, plan: Plan, block: Block, model: Network, batch_size: int,
                   threshold: float) -> np.ndarray:
    """Read, predict, blend and store one block, with the classes that the network has; see :func:`encode`."""
    maps = blend_block(source.read(*plan.region(block)), plan, block, with_classes(model), batch_size)
    return encode(maps, threshold, len(classes_of(model)))


def class_colours(names: Sequence[str]) -> list[tuple[int, int, int]]:
    """Return a colour for each class, RGB."""
    shown = [name for name in names if name.lower() not in BACKGROUND]
    more = [colorsys.hsv_to_rgb(index * GOLDEN % 1, 0.6, 0.85) for index in range(len(shown) - len(COLOURS))]
    colours = iter([*COLOURS, *((round(255 * r), round(255 * g), round(255 * b)) for r, g, b in more)])
    return [GREY if name.lower() in BACKGROUND else next(colours) for name in names]
