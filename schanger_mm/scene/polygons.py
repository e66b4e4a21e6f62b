"""A change map as polygons: one feature per change, written as GeoPackage or GeoJSON."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import islice
from pathlib import Path

import numpy as np
import rasterio
import shapely
from rasterio.windows import Window

from schanger_mm.geo.drivers import open_raster
from schanger_mm.geo.errors import SceneError
from schanger_mm.geo.grid import Grid
from schanger_mm.geo.polygon_files import check_name
from schanger_mm.scene.areas import Ground
from schanger_mm.scene.kinds import ClassRasters
from schanger_mm.scene.outline_store import OutlineStore
from schanger_mm.scene.polygon_layer import DRIVERS, Batch, write_layer, writing
from schanger_mm.scene.regions import Region, trace
from schanger_mm.scene.sketch import Sketch
from schanger_mm.utils.files import refuse_existing

STRIP = 512
"""Rows read at a time: one row of tiles of the outputs."""
BATCH = 10_000
"""Outlines in memory at a time."""
LEVELS, NODATA = 254, 255


def write_polygons(change_tif: str | Path, probability_tif: str | Path, out: str | Path, min_area_m2: float = 0.0,
                   simplify: float = 0.0, fill_holes_m2: float = 0.0, connectivity: int = 4, strip: int = STRIP,
                   overwrite: bool = False, classes: ClassRasters | None = None, sketch: Sketch | None = None) -> dict:
    """Write one multi-polygon per connected region of changed pixels, the largest first.

    Columns: ``rank`` from 1; ``area_m2`` after holes were filled and before
    simplification, see :class:`~schanger_mm.scene.areas.Ground`; ``pixels``,
    the number of changed ones; ``mean_probability`` of these pixels; the
    bounding box ``xmin, ymin, xmax, ymax`` in the CRS of the layer and ``col,
    row, width, height`` in pixels of the raster. A GeoPackage has the
    raster's CRS, a GeoJSON file longitude and latitude (RFC 7946). Without a
    CRS the coordinates are those of the raster's transform, columns and rows
    where it has none, areas are in px and the column is called ``area_px``.

    With ``classes``, ``from`` and ``to`` are the most frequent class of the
    changed pixels at each date, ``from_share`` and ``to_share`` the share that
    has it; with kinds also ``kind``, see :class:`~schanger_mm.scene.kinds.Buildings`,
    and ``kind_share``, the share of the changed pixels that agrees.

    The rasters are read in strips, and outlines wait in a temporary file
    next to ``out``: memory holds 10,000 of them, and 90 bytes for each of the
    others.

    Args:
        change_tif: one band, 0 unchanged, 1 changed, 255 nodata.
        probability_tif: of the same size, ``254 p`` and 255 for nodata.
        out: file to write, ``.gpkg`` or ``.geojson``; its folder is made.
        min_area_m2: leave out smaller polygons, after holes were filled; px without a CRS.
        simplify: tolerance in metres, px without a CRS; 0 keeps the outlines of the pixels.
            Neighbours are simplified apart, so they can overlap by up to it.
        fill_holes_m2: fill holes smaller than this, also where they have no data; changes inside
            become part of the polygon around them. px without a CRS.
        connectivity: 4, or 8 where pixels that touch at a corner are one change.
        strip: rows read at a time; the features do not depend on it.
        overwrite: replace ``out``.
        classes: rasters of the classes of both dates; adds their columns.
        sketch: gets the polygons by kind, or by class after; for the page.

    Returns:
        Counts and areas: ``found`` regions, ``polygons`` written, their ``area_m2`` in total, the
        ``largest_m2``, ``dropped`` as too small with ``dropped_m2``, ``columns`` (an empty GeoJSON file has
        none), ``area_method``, the settings; with classes ``kinds``, or
        without kinds ``to``: count and area of each.

    Raises:
        SceneError: rasters that are not readable or do not belong together, another suffix, values out of
            range, a folder that is not writable, a full disk.
        FileExistsError: ``out`` exists.
    """
    out = Path(out)
    check_name(out)
    if out.suffix.lower() not in DRIVERS:
        raise SceneError(f'{out}: polygons are written as .gpkg or .geojson, found the suffix {out.suffix!r}.')
    for name, value in dict(min_area_m2=min_area_m2, simplify=simplify, fill_holes_m2=fill_holes_m2).items():
        if not 0 <= value < np.inf:
            raise SceneError(f'{name}={value}: expected 0 or more.')
    if connectivity not in (4, 8):
        raise SceneError(f'connectivity={connectivity}: expected 4 or 8.')
    if not overwrite:
        refuse_existing(out)
    with _readable(change_tif, probability_tif), open_raster(change_tif) as raster:
        ground = Ground(Grid.of(raster))
    with writing(out), OutlineStore(out.parent) as store:
        with _readable(change_tif, probability_tif):
            _measured(trace(_read(Path(change_tif), Path(probability_tif), strip), connectivity), ground, store)
        if fill_holes_m2 > 0:
            _fill_holes(store, ground, fill_holes_m2)
        table = store.table()
        large = table['area'] >= min_area_m2
        dropped = table['area'][~table['taken'] & ~large]
        kept = np.flatnonzero(~table['taken'] & large)
        kept = kept[np.lexsort((table['col'][kept], table['row'][kept], -table['area'][kept]))]
        classified = None if classes is None else (classes, classes.classify(store, table, kept))
        columns = write_layer(out, ground, _batches(store, table, kept, ground, simplify, classified, sketch))
    areas = table['area'][kept]
    unit = ground.unit
    groups = {}
    if classified is not None:
        classes, found = classified
        groups = {classes.legend.counted: {name: {'polygons': int(here.sum()), f'area_{unit}': float(areas[here].sum())}
                                           for name, here in classes.members(found)}}
    return {
        'file': out.name,
        'found': len(kept) + len(dropped),
        'polygons': len(kept),
        f'area_{unit}': float(areas.sum()),
        f'largest_{unit}': float(areas.max(initial=0)),
        'dropped': len(dropped),
        f'dropped_{unit}': float(dropped.sum()),
        'columns': columns,
        'area_method': ground.method,
        'connectivity': connectivity,
        f'min_area_{unit}': min_area_m2,
        f'fill_holes_{unit}': fill_holes_m2,
        'simplify_px' if ground.crs is None else 'simplify_m': simplify,
        **groups,
    }


@contextmanager
def _readable(*paths: str | Path) -> Iterator[None]:
    try:
        yield
    except rasterio.errors.RasterioError as error:
        raise SceneError(f'{", ".join(map(str, paths))}: not readable as rasters: {error}') from error


def _read(change_tif: Path, probability_tif: Path, strip: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield mask and probability ``(h, w)`` of each strip."""
    with ExitStack() as stack:
        change, probability = (stack.enter_context(open_raster(path)) for path in (change_tif, probability_tif))
        if change.shape != probability.shape:
            raise SceneError(f'{change_tif} has {change.width} x {change.height} px and {probability_tif} '
                             f'{probability.width} x {probability.height} px; expected two results of one run.')
        for top in range(0, change.height, strip):
            window = Window(0, top, change.width, min(strip, change.height - top))
            values = change.read(1, window=window)
            if (other := (values > 1) & (values != NODATA)).any():
                raise SceneError(f'{change_tif}: found the value {values[other][0]}; expected 0 unchanged, 1 changed '
                                 f'and {NODATA} nodata.')
            levels = probability.read(1, window=window)
            if (levels[values == 1] == NODATA).any():
                raise SceneError(f'{probability_tif}: has no data ({NODATA}) where {change_tif} is changed; expected '
                                 'two results of one run.')
            yield values == 1, levels


def _measured(regions: Iterator[Region], ground: Ground, store: OutlineStore) -> None:
    """Put the outline of every region into the store, with its area and whether it has holes."""
    while batch := list(islice(regions, BATCH)):
        outlines = [region.outline() for region in batch]
        store.add(batch, outlines, ground.areas(outlines))


def _fill_holes(store: OutlineStore, ground: Ground, below: float) -> None:
    """Fill the holes smaller than ``below``; regions inside one become part of the one around them."""
    table = store.table()
    by_row = np.argsort(table['row'], kind='stable')
    rows = table['row'][by_row]
    with_holes = np.flatnonzero(table['holes'])
    extent = (table['right'] - table['left']) * (table['bottom'] - table['top'])
    for i in with_holes[np.argsort(-extent[with_holes], kind='stable')]:
        if table['taken'][i]:
            continue
        polygons = shapely.get_parts(store.outline(table[i]))
        holes = [shapely.Polygon(ring) for polygon in polygons for ring in polygon.interiors]
        small = [hole for hole, area in zip(holes, ground.areas(holes)) if area < below]
        for hole in small:
            _, top, _, bottom = hole.bounds
            near = by_row[int(np.searchsorted(rows, top)):int(np.searchsorted(rows, bottom))]
            # a region lies in a hole as a whole or not at all, so its first pixel decides
            inside = near[shapely.contains_xy(hole, table['col'][near] + 0.5, table['row'][near] + 0.5)]
            inside = inside[~table['taken'][inside]]
            for name in ('pixels', 'value_sum'):
                table[name][i] += table[name][inside].sum()
            table['taken'][inside] = True
        if small:
            filled = shapely.normalize(shapely.union_all([*polygons, *small]))
            table['area'][i] = ground.areas([filled])[0]
            table['start'][i], table['size'][i] = store.append(filled)


def _batches(store: OutlineStore, table: np.ndarray, order: np.ndarray, ground: Ground, tolerance: float,
             classified: tuple[ClassRasters, np.ndarray] | None, sketch: Sketch | None) -> Iterator[Batch]:
    """Yield what is written of rows of a table, in the given order; one empty batch where there are none."""
    for start in range(0, max(1, len(order)), BATCH):
        rows = table[order[start:start + BATCH]]
        outlines = [store.outline(row) for row in rows]
        named = {}
        if classified is not None:
            classes, here = classified[0], classified[1][start:start + BATCH]
            named = classes.columns(here)
            if sketch is not None:
                sketch.add(outlines, classes.groups(here))
        if tolerance > 0:
            outlines = [_simplified(outline, tolerance / ground.pixel_size) for outline in outlines]
        yield outlines, {
            'rank': np.arange(start + 1, start + 1 + len(rows)),
            f'area_{ground.unit}': rows['area'],
            'pixels': rows['pixels'],
            'mean_probability': rows['value_sum'] / (LEVELS * rows['pixels']),
            **named,
            'col': rows['left'], 'row': rows['top'],
            'width': rows['right'] - rows['left'], 'height': rows['bottom'] - rows['top'],
        }


def _simplified(outline: shapely.Geometry, tolerance: float) -> shapely.Geometry:
    """Simplify with Douglas and Peucker's method; holes stay holes, and the result is valid and not empty."""
    simple = shapely.simplify(outline, tolerance)
    if not simple.is_valid:
        simple = shapely.make_valid(simple, method='structure', keep_collapsed=False)
    return outline if simple.is_empty else simple
