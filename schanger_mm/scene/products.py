"""Write the result files of a scene from its finished blocks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from schanger_mm.geo.pair import PairSpec
from schanger_mm.scene.block import LEVELS, NODATA, changed
from schanger_mm.scene.page import write_page
from schanger_mm.scene.plan import POLYGONS, Plan, Settings
from schanger_mm.scene.polygons import write_polygons
from schanger_mm.scene.progress import Clock
from schanger_mm.scene.run_folder import CHANGE, PAGE, PROBABILITY, SUMMARY
from schanger_mm.scene.summary import count_pixels, write_summary
from schanger_mm.scene.writer import write_cog

DESCRIPTIONS = {PROBABILITY: f'probability of change = value / {LEVELS}; {NODATA}: no data',
                CHANGE: f'0 unchanged, 1 changed (probability above the threshold); {NODATA}: no data'}


def write_rasters(folder: Path, plan: Plan, load: Callable[[int], np.ndarray], threshold: float,
                  tags: dict[str, str]) -> None:
    """Write ``probability.tif`` and ``change.tif``.

    Args:
        folder: where.
        plan: of the scene.
        load: returns the block of an index as :func:`quantise` made it.
        threshold: that it was made with.
        tags: metadata of both.
    """
    blocks = plan.blocks()
    write_cog(folder / PROBABILITY, plan.grid, blocks, lambda block: load(block.index), DESCRIPTIONS[PROBABILITY],
              average=True, tags=tags)
    write_cog(folder / CHANGE, plan.grid, blocks, lambda block: changed(load(block.index), threshold),
              DESCRIPTIONS[CHANGE], average=False, tags=tags)


def write_products(folder: Path, spec: PairSpec, parts: dict, settings: Settings, clock: Clock) -> dict:
    """Write polygons, page and summary next to the rasters.

    Args:
        folder: holds the rasters.
        spec: the pair, for the page's pictures.
        parts: sections of the summary that are known already.
        settings: of polygons and page.
        clock: gets the seconds of 'polygons' and 'page'; ``timings`` of the summary.

    Returns:
        The summary, as :func:`write_summary` returns it.
    """
    polygons = folder / POLYGONS[settings.format]
    with clock('polygons'):
        found = write_polygons(folder / CHANGE, folder / PROBABILITY, polygons, min_area_m2=settings.min_area,
                               simplify=settings.simplify, fill_holes_m2=settings.fill_holes)
        parts = dict(count_pixels(folder / CHANGE), polygons=found, **parts)
    if settings.page:
        with clock('page'):
            write_page(folder / PAGE, spec, folder / CHANGE, folder / PROBABILITY, polygons, parts)
    return write_summary(folder / SUMMARY, **parts, timings=clock.report())
