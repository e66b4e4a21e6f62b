"""Write the result files of a scene from its finished blocks."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from schanger_mm.geo.pair import PairSpec
from schanger_mm.scene.block import LEVELS, NODATA, changed
from schanger_mm.scene.kinds import ClassRasters
from schanger_mm.scene.legend import Legend
from schanger_mm.scene.page import PREVIEW, write_page
from schanger_mm.scene.plan import POLYGONS, Block, Plan, Settings
from schanger_mm.scene.polygons import write_polygons
from schanger_mm.scene.progress import Clock
from schanger_mm.scene.run_folder import CHANGE, CLASSES, PAGE, PROBABILITY, STYLE, SUMMARY
from schanger_mm.scene.sketch import Sketch
from schanger_mm.scene.style import write_style
from schanger_mm.scene.summary import count_pixels, write_summary
from schanger_mm.scene.transitions import measure_transitions
from schanger_mm.scene.writer import write_cog

DESCRIPTIONS = {PROBABILITY: f'probability of change = value / {LEVELS}; {NODATA}: no data',
                CHANGE: f'0 unchanged, 1 changed (probability above the threshold); {NODATA}: no data'}


def write_rasters(folder: Path, plan: Plan, load: Callable[[int], np.ndarray], threshold: float,
                  tags: dict[str, str], legend: Legend | None = None) -> None:
    """Write ``probability.tif`` and ``change.tif``, and with classes ``class_before.tif`` and ``class_after.tif``.

    Args:
        folder: where.
        plan: of the scene.
        load: returns the block of an index as :func:`~schanger_mm.scene.class_maps.encode` made it.
        threshold: that it was made with.
        tags: metadata of all.
        legend: of the classes, if the network has any.
    """
    blocks = plan.blocks()

    def layer(block: Block, number: int = 0) -> np.ndarray:
        levels = load(block.index)
        return levels if legend is None else levels[number]

    if legend is not None:
        values = '; '.join(f'{value} {name}' for value, name in enumerate(legend.classes))
        for name, number in zip(CLASSES, (1, 2)):
            write_cog(folder / name, plan.grid, blocks, partial(layer, number=number),
                      f'class: {values}; {NODATA}: no data', average=False, tags=tags, classes=legend.classes,
                      colours=legend.colours)
    write_cog(folder / PROBABILITY, plan.grid, blocks, layer, DESCRIPTIONS[PROBABILITY],
              average=True, tags=tags)
    write_cog(folder / CHANGE, plan.grid, blocks, lambda block: changed(layer(block), threshold),
              DESCRIPTIONS[CHANGE], average=False, tags=tags)


def write_products(folder: Path, spec: PairSpec, parts: dict, settings: Settings, clock: Clock,
                   legend: Legend | None = None) -> dict:
    """Write polygons, page and summary next to the rasters, and with classes a style for the polygons.

    Args:
        folder: holds the rasters.
        spec: the pair, for the page's pictures.
        parts: sections of the summary that are known already.
        settings: of polygons and page.
        clock: gets the seconds of 'polygons' and 'page'; ``timings`` of the summary.
        legend: of the classes, if the network has any.

    Returns:
        The summary, as :func:`write_summary` returns it.
    """
    polygons = folder / POLYGONS[settings.format]
    change, probability = folder / CHANGE, folder / PROBABILITY
    classes = sketch = None
    with clock('polygons'):
        if legend is not None:
            before, after = (folder / name for name in CLASSES)
            classes = ClassRasters(change, before, after, legend)
            sketch = Sketch.of(change, PREVIEW) if settings.page else None
        found = write_polygons(change, probability, polygons, min_area_m2=settings.min_area,
                               simplify=settings.simplify, fill_holes_m2=settings.fill_holes, classes=classes,
                               sketch=sketch)
        parts = dict(count_pixels(change), polygons=found, **parts)
        if legend is not None:
            parts['classes'] = dict(names=legend.classes, kinds_of=legend.kinds_of,
                                    from_to=measure_transitions(change, before, after, legend.classes))
            write_style(folder / STYLE, legend)
    if settings.page:
        with clock('page'):
            write_page(folder / PAGE, spec, change, probability, polygons, parts, legend=legend, sketch=sketch,
                       show=settings.show_bands)
    return write_summary(folder / SUMMARY, **parts, timings=clock.report())
