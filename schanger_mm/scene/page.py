"""The result of a scene as one HTML page."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path

from schanger_mm.geo.errors import SceneError
from schanger_mm.geo.grid import Grid
from schanger_mm.geo.pair import PairSource, PairSpec, open_pair
from schanger_mm.scene.legend import Legend
from schanger_mm.scene.look import Look
from schanger_mm.scene.page_classes import EACH, class_tables, group_choice, group_overlays
from schanger_mm.scene.pictures import Picture, change_overlay, photo, probability_overlay, take_picture
from schanger_mm.scene.place import Place
from schanger_mm.scene.sketch import Sketch
from schanger_mm.scene.wording import format_area
from schanger_mm.utils.files import refuse_existing, write_atomic

PREVIEW = 2048
"""Longer side of the preview of the scene, px."""
CROP = 448
"""Longer side of the picture of a change, px; changes that do not fit are reduced."""
MARGIN = 0.35
"""What is shown around a change, in shares of its longer side; small ones get more."""
HERE = Path(__file__).parent
Box = tuple[int, int, int, int]


def write_page(path: str | Path, spec: PairSpec, change_tif: str | Path, probability_tif: str | Path,
               polygons: str | Path, summary: Mapping, largest: int = 30, title: str | None = None,
               overwrite: bool = False, legend: Legend | None = None, sketch: Sketch | None = None,
               show: tuple[int, ...] | None = None) -> Path:
    """Write ONE self-contained page: swipe between the dates, overlays, the largest changes, the summary.

    It needs no network, and its own policy forbids any. Its size does not grow
    with the scene: the preview has at most 2048 px on the longer side, and the
    ``largest`` changes have pictures of at most 448 px each.

    Args:
        path: file to write; its folder is created.
        spec: says how to open the pair.
        change_tif, probability_tif: the result on the pair's grid.
        polygons: what :func:`~schanger_mm.scene.polygons.write_polygons` wrote.
        summary: what :func:`~schanger_mm.scene.summary.write_summary` returned, or any nested dict.
        largest: number of changes that are listed.
        title: heading; the names of both rasters by default.
        overwrite: replace ``path``.
        legend, sketch: of the classes and of where the polygons of each group are, both or none: changes get the
            colour of their group and can be filtered by it.
        show: bands that the pictures show as red, green and blue, from 1 in the order of the network; None: see
            :class:`~schanger_mm.scene.look.Look`.

    Returns:
        The path written.

    Raises:
        SceneError: files that are not readable or do not belong together.
        FileExistsError: ``path`` exists.
    """
    path = Path(path)
    if not overwrite:
        refuse_existing(path)
    names = [Path(name).name for name in (spec.before, spec.after)]
    with open_pair(spec) as source:
        grid, place, look = source.grid, Place(source.grid), Look.of(source, show)
        take = partial(take_picture, source, change_tif, probability_tif, look=look)
        whole = take((0, 0, grid.width, grid.height), PREVIEW)
        lead = _lead(grid) + _words_of_bands(look, source)
        encode = partial(_encoded, legend=legend, sketch=sketch)
        table = _read_largest(Path(polygons), largest, legend)
        changes = list(_changes(table, grid, take, encode, legend))
    pixel = grid.ground_pixel  # the scale bar lies along a row
    scene = {'width': grid.width, 'height': grid.height, 'metres': pixel and pixel[0], 'place': place.as_dict(),
             'preview': encode(whole, (0, 0, grid.width, grid.height)),
             'changes': changes}
    count = summary.get('polygons', {}).get('polygons', len(changes))
    parts = {
        'title': html.escape(title or f'What changed between {names[0]} and {names[1]}'),
        'lead': html.escape(lead),
        'extent': html.escape(f'Extent: {words}.' if (words := place.extent()) else ''),
        'before': html.escape(names[0]),
        'after': html.escape(names[1]),
        'facts': _facts(summary),
        'listed': html.escape(_listed(len(changes), count, Path(polygons).name, legend)),
        'groups': '' if legend is None else group_choice(legend, summary),
        'classes': '' if legend is None else class_tables(legend, summary),
        'summary': _sections(summary if legend is None else _without_tables(summary, legend)),
        'style': _part('page.css'),
        'script': _part('page.js'),
        'scene': json.dumps(scene, allow_nan=False).replace('<', '\\u003c'),
    }
    page = re.sub(r'@@(\w+)@@', lambda match: parts[match[1]], _part('page.html'))
    write_atomic(path, page.encode())
    return path


def _part(name: str) -> str:
    return (HERE / name).read_text(encoding='utf-8')


def _read_largest(path: Path, largest: int, legend: Legend | None) -> list[dict]:
    """Return the columns of the largest changes, and of some of each group, one dict for each."""
    from pyogrio import read_info  # takes a second where geopandas is installed
    from pyogrio.errors import DataLayerError, DataSourceError
    from pyogrio.raw import read
    try:
        if not read_info(path)['features']:  # an empty GeoJSON file has no columns to ask for
            return []
        wanted: list[dict] = [dict(where=f'rank <= {int(largest)}')]
        for name in () if legend is None else legend.groups():  # features are in the order of their ranks
            text = name.replace("'", "''")
            wanted.append(dict(where=f'"{legend.column}" = \'{text}\'', max_features=EACH))
        rows = {}
        for query in wanted:
            meta, _, _, columns = read(path, read_geometry=False, **query)
            for values in zip(*(column.tolist() for column in columns)):
                row = dict(zip(meta['fields'], values))
                rows[row['rank']] = row
        return [rows[rank] for rank in sorted(rows)]
    except (DataSourceError, DataLayerError, KeyError, ValueError) as error:
        raise SceneError(f'{path}: not readable as polygons of changes: {error}') from error


def _changes(table: list[dict], grid: Grid, take: Callable[[Box, int], Picture],
             encode: Callable[[Picture, Box], dict], legend: Legend | None) -> Iterator[dict]:
    """Yield what the page shows of each listed change."""
    place = Place(grid)
    for row in table:
        unit = 'm2' if 'area_m2' in row else 'px'
        box = row['col'], row['row'], row['width'], row['height']
        crop, middle = _around(box, grid), (box[0] + box[2] / 2, box[1] + box[3] / 2)
        yield {
            'rank': row['rank'],
            'area': format_area(row[f'area_{unit}'], unit),
            'probability': f'{row["mean_probability"]:.2f}',
            'place': place.at(*middle),
            'spot': place.short(*middle),
            'box': box,
            'crop': crop,
            'pictures': encode(take(crop, CROP), crop),
            **({} if legend is None else _named(row, legend)),
        }


def _named(row: dict, legend: Legend) -> dict:
    """Return group and classes of a change."""
    words = f'{row["from"]} \u2192 {row["to"]}'
    name = row[legend.column]
    return {'group': list(legend.groups()).index(name), 'name': name if legend.kinds_of else words,
            'classes': words if legend.kinds_of else ''}


def _encoded(picture: Picture, box: Box, legend: Legend | None, sketch: Sketch | None) -> dict:
    before, after = picture.dates
    found = {'before': photo(before), 'after': photo(after), 'changed': change_overlay(picture.changed),
             'probability': probability_overlay(picture.probability)}
    return found if legend is None or sketch is None else found | group_overlays(picture, box, legend, sketch)


def _without_tables(summary: Mapping, legend: Legend) -> dict:
    """Drop what the page shows as tables of its own."""
    dropped = {'classes': 'from_to', 'polygons': legend.counted}
    return {name: {key: value for key, value in section.items() if key != dropped.get(name)}
            if isinstance(section, Mapping) else section for name, section in summary.items()}


def _around(box: Box, grid: Grid) -> Box:
    """Return a square around a box, cut off where the scene ends."""
    left, top, width, height = box
    side = max(round(max(width, height) * (1 + 2 * MARGIN)), CROP // 2)
    col, row = (max(0, start + (length - side) // 2) for start, length in ((left, width), (top, height)))
    return col, row, min(side, grid.width - col), min(side, grid.height - row)


def _lead(grid: Grid) -> str:
    size = f'{grid.width:,} x {grid.height:,} pixels'
    if grid.gsd is None:
        return f'{size}. The rasters carry no coordinate system, so areas are counted in pixels.'
    return f'{size} of {grid.gsd:.3g} m, {grid.crs_name}.'


def _words_of_bands(look: Look, source: PairSource) -> str:
    if source.bands <= 2 or look == Look((0, 1, 2)):
        return ''
    shown = ', '.join(str(source.before.bands[band]) for band in look.shown)
    return f' Shown as red, green and blue: bands {shown}{", stretched" if look != Look(look.shown) else ""}.'


def _listed(listed: int, count: int, name: str, legend: Legend | None) -> str:
    if not count:
        return 'No changes were found.'
    if listed == count:
        return f'All {count:,}, the largest first.' if count > 1 else 'The only one.'
    if legend is not None:
        group = 'class afterwards' if legend.kinds_of is None else 'kind'
        return f'{listed} of {count:,}: the largest, also of each {group}; all of them are in {name}.'
    return f'The {listed} largest of {count:,}; all of them are in {name}.'


def _facts(summary: Mapping) -> str:
    """Return the headline numbers, as far as the summary holds them."""
    areas, polygons, pixels = (summary.get(name, {}) for name in ('areas', 'polygons', 'pixels'))
    unit = 'px' if 'changed_px' in areas else 'm2'
    facts = []
    if f'changed_{unit}' in areas:
        facts.append(('changed', format_area(areas[f'changed_{unit}'], unit)))
    if areas.get('changed_share') is not None:
        facts.append(('of the area with data', f'{100 * areas["changed_share"]:.2f} %'))
    if 'polygons' in polygons:
        facts.append(('change' if polygons['polygons'] == 1 else 'changes', f'{polygons["polygons"]:,}'))
    if polygons.get('polygons'):
        facts.append(('the largest', format_area(polygons[f'largest_{unit}'], unit)))
    if pixels.get('nodata'):
        facts.append(('without data (grey)', f'{100 * pixels["nodata"] / pixels["total"]:.1f} %'))
    return ''.join(f'<div><dd>{html.escape(value)}</dd><dt>{html.escape(name)}</dt></div>' for name, value in facts)


def _sections(summary: Mapping) -> str:
    """Return the summary as one table per section."""
    alone = {name: value for name, value in summary.items() if not isinstance(value, Mapping)}
    sections = {'': alone, **{name: value for name, value in summary.items() if isinstance(value, Mapping)}}
    return '\n'.join(
        f'<table><caption>{html.escape(_words(name))}</caption><tbody>'
        + ''.join(f'<tr><th scope="row">{html.escape(_words(key))}</th><td>{html.escape(text)}</td></tr>'
                  for key, text in _flat(section)) + '</tbody></table>'
        for name, section in sections.items() if section)


def _flat(section: Mapping, prefix: str = '') -> Iterator[tuple[str, str]]:
    for key, value in section.items():
        name = f'{prefix}{key}'
        if isinstance(value, Mapping):
            yield from _flat(value, f'{name}: ')
        elif isinstance(value, (list, tuple)):
            yield name, ', '.join(map(_text, value)) or 'none'
        else:
            yield name, _text(value)


def _text(value: object) -> str:
    if value is None:
        return '-'
    if isinstance(value, bool):
        return 'yes' if value else 'no'
    if isinstance(value, int):
        return f'{value:,}'
    if isinstance(value, float):
        return f'{value:,.0f}' if abs(value) >= 1e4 else f'{value:.6g}'
    return str(value)


def _words(key: str) -> str:
    return re.sub('_(m2|px|m|s)$', lambda unit: f' ({unit[1]})', key).replace('(m2)', '(m²)').replace('_', ' ')
