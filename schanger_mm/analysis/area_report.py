"""What ``schanger area`` writes and prints."""

from __future__ import annotations

import argparse
import math
from pathlib import Path

import numpy as np
from prettytable import PrettyTable

from schanger_mm.analysis.area_estimate import AreaEstimate
from schanger_mm.analysis.checked_points import MAP, TRUTH, Checked, draw_points, estimate, read_checked, write_points
from schanger_mm.analysis.map_classes import MapClasses
from schanger_mm.utils.errors import SettingError
from schanger_mm.utils.files import as_json, refuse_existing, write_atomic


def draw(args: argparse.Namespace) -> str:
    """Draw points and write them; return what to do with them."""
    classes = _classes(args)
    out = Path(args.out) if args.out else Path(args.changes).with_name('sample.gpkg')
    points = draw_points(classes, args.draw, args.seed)
    write_points(out, classes, points)
    numbers = ', '.join(f'{(points[MAP] == name).sum()} {name}' for name in classes.names)
    return (f'{out}: {args.draw} points ({numbers}). Open it in a GIS above both images and write into {TRUTH} what is '
            f'there: {" or ".join(classes.names)}. Then:\n  schanger area {args.changes} {out}')


def report(args: argparse.Namespace) -> str:
    """Estimate the areas, write them if asked to, and return the table."""
    out = None if args.out is None else Path(args.out)
    if out is not None:
        if out.suffix.lower() != '.json':
            raise SettingError(f'--out {out}: the estimate is written as .json.')
        refuse_existing(out, overwrite=None)
    classes = _classes(args)
    checked = read_checked(args.checked, classes)
    found = estimate(classes, checked)
    if out is not None:
        write_atomic(out, as_json(_content(classes, checked, found)))
    return _table(classes, checked, found)


def _classes(args: argparse.Namespace) -> MapClasses:
    return MapClasses.read(args.changes, args.map, args.by, args.layer)


def _table(classes: MapClasses, checked: Checked, found: AreaEstimate) -> str:
    unit = 'm2' if classes.ground.unit == 'm2' else 'px'
    table = PrettyTable(['class', f'mapped, {unit}', f'estimated, {unit}', '95 %', "user's accuracy",
                         "producer's accuracy", 'points'])
    table.align = 'r'
    table.align['class'] = 'l'
    for k, name in enumerate(classes.names):
        table.add_row([name, f'{found.mapped[k]:,.0f}', f'{found.area[k]:,.0f}', f'+- {found.area_interval[k]:,.0f}',
                       _share(found.users[k], found.users_interval[k]),
                       _share(found.producers[k], found.producers_interval[k]), checked.counts[k].sum()])
    lines = [str(table), f'overall accuracy {_share(found.overall, found.overall_interval)}; +-: half of a 95 % '
             'confidence interval (Olofsson et al. 2014)']
    if checked.unchecked:
        lines.append(f'{checked.unchecked} points have no {TRUTH} and were left out: fine if they were checked in the '
                     'order of their ids.')
    certain = [name for k, name in enumerate(classes.names) if np.count_nonzero(checked.counts[k]) < 2]
    if certain:
        lines.append(f'No point mapped as {" or ".join(certain)} has another truth than the rest: the intervals are '
                     'too narrow; check more points.')
    return '\n'.join(lines)


def _share(value: float | np.ndarray, interval: float | np.ndarray) -> str:
    return '-' if np.isnan(value) else f'{value:.3f} +- {interval:.3f}'


def _content(classes: MapClasses, checked: Checked, found: AreaEstimate) -> dict:
    unit = classes.ground.unit
    columns = {f'mapped_{unit}': found.mapped, f'estimated_{unit}': found.area,
               f'interval95_{unit}': found.area_interval,
               'users_accuracy': found.users, 'users_interval95': found.users_interval,
               'producers_accuracy': found.producers, 'producers_interval95': found.producers_interval}
    values = {column: [None if math.isnan(value) else value for value in map(float, array)]
              for column, array in columns.items()}
    return {
        'classes': {name: {column: value[k] for column, value in values.items()}
                    for k, name in enumerate(classes.names)},
        'overall_accuracy': found.overall, 'overall_interval95': found.overall_interval,
        'counts': {name: dict(zip(classes.names, map(int, row))) for name, row in zip(classes.names, checked.counts)},
        'unchecked': checked.unchecked,
        'source': 'Olofsson et al. 2014, doi 10.1016/j.rse.2014.02.015',
    }
