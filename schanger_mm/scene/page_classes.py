"""What the page shows of classes and kinds: the legend that filters, overlays by kind, and tables of areas."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence

import numpy as np

from schanger_mm.scene.legend import Colour, Legend
from schanger_mm.scene.pictures import Picture, change_overlay
from schanger_mm.scene.sketch import NOWHERE, Sketch
from schanger_mm.scene.wording import format_area

EACH = 8
"""Of each group so many changes are listed, even if they are not among the largest of all."""


def group_overlays(picture: Picture, box: tuple[int, int, int, int], legend: Legend, sketch: Sketch) -> dict:
    """Encode the changes of a picture by group.

    Args:
        picture: of ``box``.
        box: column, row, width and height, px of the scene.
        legend, sketch: names and colours of the groups, and where they are.

    Returns:
        ``changed``: ``data:`` URI of the changes that belong to no polygon; ``groups``: one of each group that occurs,
        by its place in the legend.
    """
    height, width = picture.changed.shape
    codes = sketch.at(box, (width, height))

    def overlay(code: int, **colour) -> str:
        return change_overlay(np.where(codes == code, picture.changed, 0), **colour)

    colours = list(legend.groups().values())
    found = np.unique(codes[picture.changed > 0]).tolist()
    return {'changed': overlay(NOWHERE),
            'groups': {str(code): overlay(code, colour=colours[code]) for code in found if code != NOWHERE}}


def group_choice(legend: Legend, summary: Mapping) -> str:
    """Return check boxes for the groups that occur, which are the legend, too."""
    unit, counts = _counts(legend, summary)
    boxes = []
    for code, (name, colour) in enumerate(legend.groups().items()):
        if name in counts:
            number = counts[name]['polygons']
            area = format_area(counts[name][f'area_{unit}'], unit)
            boxes.append(f'<label title="{area}"><input type="checkbox" name="group" value="{code}" checked>'
                         f'{_swatch(colour)}{html.escape(name)} <small>{number:,}</small></label>')
    title = f'Kinds of change of {legend.kinds_of}' if legend.kinds_of else 'What the ground became'
    return (f'<fieldset class="groups"><legend>{html.escape(title)}</legend>{"".join(boxes)}</fieldset>'
            if boxes else '')


def class_tables(legend: Legend, summary: Mapping) -> str:
    """Return the section with the areas by kind, and of what changed into what."""
    unit, counts = _counts(legend, summary)
    parts = []
    if legend.kinds_of is not None and counts:
        rows = ''.join(f'<tr><th scope="row">{_swatch(legend.groups()[name])}{html.escape(name)}</th>'
                       f'<td>{one["polygons"]:,}</td><td>{format_area(one[f"area_{unit}"], unit)}</td></tr>'
                       for name, one in counts.items())
        parts.append(f'<table class="numbers"><caption>Polygons by kind of change of {html.escape(legend.kinds_of)}'
                     '</caption><thead><tr><th scope="col">kind</th><th scope="col">polygons</th>'
                     f'<th scope="col">area</th></tr></thead><tbody>{rows}</tbody></table>')
    transitions = summary.get('classes', {}).get('from_to', [])
    if transitions:
        parts.append(_matrix(transitions, legend, unit))
    return (f'<section class="summary" aria-labelledby="what"><h2 id="what">What changed into what</h2>'
            f'<div class="tables">{"".join(parts)}</div></section>' if parts else '')


def _matrix(transitions: Sequence[Mapping], legend: Legend, unit: str) -> str:
    colours = dict(zip(legend.classes, legend.colours))
    areas = {(one['from'], one['to']): one[f'area_{unit}'] for one in transitions}
    before, after = ([name for name in legend.classes if any(pair[side] == name for pair in areas)] for side in (0, 1))

    def cell(found: list[float]) -> str:
        return f'<td>{format_area(sum(found), unit) if found else "-"}</td>'

    rows = [[cell([areas[pair]] if (pair := (one, other)) in areas else []) for other in after]
            + [cell([area for pair, area in areas.items() if pair[0] == one])] for one in before]
    sums = [cell([area for pair, area in areas.items() if pair[1] == name]) for name in after]
    rows.append([*sums, cell(list(areas.values()))])
    names = [_swatch(colours[one]) + html.escape(one) for one in before] + ['all']
    head = [_swatch(colours[one]) + html.escape(one) for one in after] + ['all']
    body = ''.join(f'<tr><th scope="row">{name}</th>{"".join(row)}</tr>' for name, row in zip(names, rows))
    return ('<table class="numbers"><caption>All changed ground by class before (rows) and after (columns)</caption>'
            f'<thead><tr><td></td>{"".join(f"""<th scope="col">{name}</th>""" for name in head)}</tr></thead>'
            f'<tbody>{body}</tbody></table>')


def _counts(legend: Legend, summary: Mapping) -> tuple[str, dict[str, Mapping]]:
    """Return the unit of areas, and count and area of the polygons of each group that occurs."""
    polygons = summary.get('polygons', {})
    counts = {name: one for name, one in polygons.get(legend.counted, {}).items() if one['polygons']}
    return 'px' if 'area_px' in polygons else 'm2', counts


def _swatch(colour: Colour) -> str:
    return f'<i style="background:rgb{colour}"></i>'
