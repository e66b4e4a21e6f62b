"""Estimate changed areas with their uncertainty from points that a person checked."""

from __future__ import annotations

import argparse


def parser() -> argparse.ArgumentParser:
    """Return the parser."""
    parser = argparse.ArgumentParser(
        description='Estimate the true area of each class of changes, with a 95 % confidence interval, from points '
        'that a person checked (Olofsson et al. 2014); or draw the points to check.')
    parser.add_argument('changes', help='polygons of changes, for example out/change.gpkg')
    parser.add_argument('checked', nargs='?', help='checked points: the GeoPackage of --draw with its column truth '
                        'filled in, or a CSV file with the columns x, y, truth')
    parser.add_argument('--draw', type=int, metavar='N', help='draw N points to check: half of them where nothing '
                        'changed, the others evenly from the classes of changes')
    parser.add_argument('--by', metavar='COLUMN', help='column with the class of each polygon, for example kind '
                        '(default: all are "changed")')
    parser.add_argument('--map', metavar='TIF', help='change map; says where there are data (default: change.tif next '
                        'to the polygons)')
    parser.add_argument('--layer', help='layer of CHANGES, if it has several')
    parser.add_argument('--out', metavar='FILE', help='file to write: points for --draw (.gpkg; default: sample.gpkg '
                        'next to the polygons), or else the estimate as JSON (default: none)')
    parser.add_argument('--seed', type=int, default=36, help='seed of the draw (default: 36)')
    return parser


def main(args: argparse.Namespace) -> None:
    """Draw, or estimate and print."""
    from schanger_mm.utils.errors import SettingError
    if (args.draw is None) == (args.checked is None):
        raise SettingError('expected CHANGES and either --draw N, to draw points, or a file of checked points.')
    from schanger_mm.analysis.area_report import draw, report
    print((draw if args.checked is None else report)(args))
