"""Cut the polygons of a change map that a person has checked into training tiles."""

from __future__ import annotations

import argparse

from schanger_mm.commands.arguments import RasterParser
from schanger_mm.commands.from_rasters import add_cutting, cut


def parser() -> argparse.ArgumentParser:
    """Return the parser."""
    parser = RasterParser(
        description='Cut training tiles around the polygons of a change map that you have checked: in a GIS, add a '
        'text column `correct`, write yes or no, and draw the changes that are missing. Masks are 255 in changes, 0 in '
        'wrong polygons and around all checked ones, and 128, which trainings ignore, everywhere else. Then train '
        'from the weights that made the map: see docs/correcting.md.')
    parser.add_argument('changes', help='the checked polygons: GeoPackage, GeoJSON, Shapefile')
    parser.add_argument('before', help='raster of date A')
    parser.add_argument('after', help='raster of date B')
    parser.add_argument('--column', default='correct', metavar='NAME', help='column with yes, no, or nothing '
                        '(default: correct)')
    parser.add_argument('--margin', type=float, default=16, metavar='PX', help='pixels around a checked polygon that '
                        'count as seen, and as unchanged outside of polygons (default: 16)')
    add_cutting(parser, val=0)  # checked ground lies close together, and can seldom be divided into areas
    return parser


def main(args: argparse.Namespace) -> None:
    """Cut, and print what was done."""
    from schanger_mm.data_tools.review import Review
    cut(args, review=Review(args.column, args.margin))
