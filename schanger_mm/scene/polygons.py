"""A change map as polygons: one feature per change, written as GeoPackage or GeoJSON."""

from __future__ import annotations

import os
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import geopandas
import numpy as np
import rasterio
import shapely
from pyogrio import read_info
from pyogrio.errors import DataLayerError, DataSourceError, FeatureError
from pyogrio.util import vsi_path
from rasterio.windows import Window

from schanger_mm.data_tools.writing import refuse_existing
from schanger_mm.scene.areas import Ground
from schanger_mm.scene.drivers import open_raster
from schanger_mm.scene.errors import SceneError
from schanger_mm.scene.grid import Grid
from schanger_mm.scene.regions import Region, trace

LAYER = 'changes'
STRIP = 512
"""Rows read at a time: one row of tiles of the outputs."""
BATCH = 10_000
"""Outlines measured at a time."""
LEVELS, NODATA = 254, 255
DRIVERS = {'.gpkg': 'GPKG', '.geojson': 'GeoJSON', '.json': 'GeoJSON'}

Feature = tuple[Region, shapely.Geometry]


def write_polygons(change_tif: str | Path, probability_tif: str | Path, out: str | Path, min_area_m2: float = 0.0,
                   simplify: float = 0.0, fill_holes_m2: float = 0.0, connectivity: int = 4, strip: int = STRIP,
                   overwrite: bool = False) -> dict:
    """Write one multi-polygon per connected region of changed pixels, the largest first.

    Columns: ``rank`` from 1; ``area_m2`` after holes were filled and before
    simplification, see :class:`~schanger_mm.scene.areas.Ground`; ``pixels``,
    the number of changed ones; ``mean_probability`` of these pixels; the
    bounding box ``xmin, ymin, xmax, ymax`` in the CRS of the layer and ``col,
    row, width, height`` in pixels of the raster. A GeoPackage has the
    raster's CRS, a GeoJSON file longitude and latitude (RFC 7946). Without a
    CRS the coordinates are those of the raster's transform, columns and rows
    where it has none, areas are in px and the column is called ``area_px``.

    The rasters are read in strips. What grows with the result is the list of
    outlines: about 1.6 KB per polygon that is kept and 16 bytes more per corner.

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

    Returns:
        Counts and areas: ``found`` regions, ``polygons`` written, their ``area_m2`` in total, the
        ``largest_m2``, ``dropped`` as too small with ``dropped_m2``, ``area_method``, the settings.

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
        refuse_existing([out])
    try:
        with open_raster(change_tif) as raster:
            ground = Ground(Grid.of(raster))
        regions = trace(_read(Path(change_tif), Path(probability_tif), strip), connectivity)
        features, areas, dropped = _collect(regions, ground, min_area_m2, fill_holes_m2)
    except rasterio.errors.RasterioError as error:
        raise SceneError(f'{change_tif}, {probability_tif}: not readable as rasters: {error}') from error

    order = sorted(range(len(features)), key=lambda i: (-areas[i], features[i][0].first))
    features, areas = [features[i] for i in order], areas[order]
    _write(out, _table(features, areas, ground, simplify, out.suffix.lower() == '.gpkg'))
    unit = ground.unit
    return {
        'file': out.name,
        'found': len(features) + len(dropped),
        'polygons': len(features),
        f'area_{unit}': float(areas.sum()),
        f'largest_{unit}': float(areas.max(initial=0)),
        'dropped': len(dropped),
        f'dropped_{unit}': float(sum(dropped)),
        'area_method': ground.method,
        'connectivity': connectivity,
        f'min_area_{unit}': min_area_m2,
        f'fill_holes_{unit}': fill_holes_m2,
        'simplify_px' if ground.crs is None else 'simplify_m': simplify,
    }


def check_name(path: str | Path) -> None:
    """Refuse a path that pyogrio would read or write as another one: ``!`` and ``;`` mean something to it.

    Raises:
        SceneError: such a path.
    """
    if (meant := vsi_path(str(path))) != str(path) or any(mark < ' ' for mark in str(path)):
        raise SceneError(f'{str(path)!r}: would be taken for {meant!r} where polygons are read and written; choose a '
                         'path without `!`, `;`, control characters, and blanks or `?` at the ends.')


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


def _collect(regions: Iterator[Region], ground: Ground, min_area: float,
             fill_below: float) -> tuple[list[Feature], np.ndarray, list[float]]:
    """Return the features to keep, their areas, and the areas of those that are too small."""
    features: list[Feature] = []
    areas: list[float] = []
    dropped: list[float] = []

    def measure(batch: list[Feature]) -> None:
        for feature, area in zip(batch, ground.areas([outline for _, outline in batch])):
            if area < min_area:
                dropped.append(float(area))
            else:
                features.append(feature)
                areas.append(float(area))

    if fill_below > 0:  # needs all of them: what lies in a hole may be found before or after what is around it
        measure(_fill_holes([(region, region.outline()) for region in regions], ground, fill_below))
    else:
        for batch in _batches(regions):
            measure([(region, region.outline()) for region in batch])
    for region, _ in features:
        region.parts = []  # the outline holds them
    return features, np.array(areas), dropped


def _batches(regions: Iterator[Region]) -> Iterator[list[Region]]:
    batch = []
    for region in regions:
        batch.append(region)
        if len(batch) == BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def _fill_holes(features: list[Feature], ground: Ground, below: float) -> list[Feature]:
    """Fill the holes smaller than ``below``; features inside one go into the feature around them."""
    tree = shapely.STRtree([outline for _, outline in features])
    taken: set[int] = set()
    filled: dict[int, shapely.Geometry] = {}
    for i in sorted(range(len(features)), key=lambda i: -shapely.box(*features[i][0].box).area):
        region, outline = features[i]
        polygons = shapely.get_parts(outline)
        holes = [shapely.Polygon(ring) for polygon in polygons for ring in polygon.interiors]
        if i in taken or not holes:
            continue
        small = [hole for hole, area in zip(holes, ground.areas(holes)) if area < below]
        for j in {int(j) for hole in small for j in tree.query(hole, predicate='contains')} - taken:
            region.pixels += features[j][0].pixels
            region.value_sum += features[j][0].value_sum
            taken.add(j)
        if small:
            filled[i] = shapely.normalize(shapely.union_all([*polygons, *small]))
    return [(region, filled.get(i, outline)) for i, (region, outline) in enumerate(features) if i not in taken]


def _table(features: list[Feature], areas: np.ndarray, ground: Ground, tolerance: float,
           own_crs: bool) -> geopandas.GeoDataFrame:
    """Lay out the layer; an empty one has the same columns and types."""
    outlines = [outline for _, outline in features]
    if tolerance > 0:
        outlines = [_simplified(outline, tolerance / ground.pixel_size) for outline in outlines]
    shapes = [shapely.MultiPolygon(list(shapely.get_parts(shape))) for shape in ground.shapes(outlines)]
    table = geopandas.GeoDataFrame(geometry=geopandas.GeoSeries(shapes, crs=ground.crs))
    if not own_crs and ground.crs is not None:
        table = table.to_crs(4326)
    boxes = np.array([region.box for region, _ in features], np.int64).reshape(-1, 4)
    pixels = np.array([region.pixels for region, _ in features], np.int64)
    columns = {
        'rank': np.arange(1, len(features) + 1),
        f'area_{ground.unit}': areas,
        'pixels': pixels,
        'mean_probability': np.array([region.value_sum for region, _ in features], float) / (LEVELS * pixels),
        **dict(zip(('xmin', 'ymin', 'xmax', 'ymax'), table.bounds.to_numpy(float).reshape(-1, 4).T)),
        'col': boxes[:, 0], 'row': boxes[:, 1],
        'width': boxes[:, 2] - boxes[:, 0], 'height': boxes[:, 3] - boxes[:, 1],
    }
    return geopandas.GeoDataFrame(columns, geometry=table.geometry.array, crs=table.crs)


def _simplified(outline: shapely.Geometry, tolerance: float) -> shapely.Geometry:
    """Simplify with Douglas and Peucker's method; holes stay holes, and the result is valid and not empty."""
    simple = shapely.simplify(outline, tolerance)
    if not simple.is_valid:
        simple = shapely.make_valid(simple, method='structure', keep_collapsed=False)
    return outline if simple.is_empty else simple


def _write(path: Path, table: geopandas.GeoDataFrame) -> None:
    """Write the layer whole or not at all; aside in a folder, since GDAL wants the right suffix and keeps a journal."""
    driver = DRIVERS[path.suffix.lower()]
    options: dict = {}
    if driver == 'GeoJSON' and table.crs is not None:
        options = {'RFC7946': 'YES', 'COORDINATE_PRECISION': 8}  # about a millimetre
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f'.{path.name}.', dir=path.parent) as folder:
            partial = Path(folder, path.name)
            with warnings.catch_warnings():
                warnings.filterwarnings('ignore', "'crs' was not provided")  # the name of the area column says so
                table.to_file(partial, driver=driver, layer=LAYER, engine='pyogrio', geometry_type='MultiPolygon',
                              index=False, **options)
            info = read_info(partial, force_feature_count=True)  # GDAL does not report what fails on closing
            if info['features'] != len(table):
                raise OSError(f'{info["features"]} of {len(table)} polygons arrived')
            if driver == 'GPKG' and not info['capabilities']['fast_spatial_filter']:
                raise OSError('its spatial index did not arrive')
            os.replace(partial, path)
    except (OSError, DataSourceError, DataLayerError, FeatureError) as error:
        raise SceneError(f'{path}: not writable: {error}; free some space, or write elsewhere.') from error
