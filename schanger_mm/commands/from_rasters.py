"""Cut two rasters and polygons of changes into training tiles."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from schanger_mm.commands.arguments import RasterParser, add_reading

if TYPE_CHECKING:
    from schanger_mm.data_tools.review import Review


def parser() -> argparse.ArgumentParser:
    """Return the parser."""
    parser = RasterParser(
        description='Cut two rasters and polygons of changes into DIR/{train,val}/{A,B,label}: tiles (8-bit PNG of '
        'three bands, otherwise GeoTIFF) and masks of 0 and 255. Train and val are separate areas that do not touch. '
        'An interrupted run continues where it stopped.')
    parser.add_argument('before', help='raster of date A')
    parser.add_argument('after', help='raster of date B')
    parser.add_argument('changes', help='polygons of changes: GeoPackage, GeoJSON, Shapefile; in any CRS')
    add_cutting(parser, val=0.2)
    parser.add_argument('--min-valid', type=float, default=1.0, metavar='SHARE',
                        help='keep tiles in which at least this share of the pixels has data at both dates; below 1, '
                        'masks are 128 at pixels without data, which needs label_ignore=128 in the config (default: 1)')
    return parser


def add_cutting(parser: argparse.ArgumentParser, val: float) -> None:
    """Add the options that say how two rasters are read and cut into tiles; ``val`` is the default of --val."""
    parser.add_argument('--out', required=True, metavar='DIR', help='output folder; must be absent or empty')
    parser.add_argument('--layer', help='layer of CHANGES, if it has several')
    parser.add_argument('--size', type=int, default=256, metavar='PX', help='side of a tile (default: 256)')
    parser.add_argument('--val', type=float, default=val, metavar='SHARE',
                        help=f'share of the tiles for validation, 0 for none (default: {val:g})')
    parser.add_argument('--seed', type=int, default=36, help='seed of the split (default: 36)')
    parser.add_argument('--block', type=int, metavar='PX',
                        help='side of the squares that are assigned to one split as a whole (default: four tiles)')
    parser.add_argument('--align', action='store_true', help='warp date B onto the grid of date A if they differ')
    add_reading(parser)
    parser.add_argument('--all-bands', action='store_true', help='take all bands besides alpha, instead of --bands')
    parser.add_argument('--nodata', type=float, metavar='VALUE', help='value of pixels without data')
    parser.add_argument('--workers', type=int, metavar='N', help='processes (default: as many as cores, up to 8)')


def main(args: argparse.Namespace) -> None:
    """Cut, and print what was done."""
    cut(args, args.min_valid)


def cut(args: argparse.Namespace, min_valid: float = 1.0, review: Review | None = None) -> None:
    """Cut as the arguments of :func:`add_cutting` say, and by a review if there was one.

    Raises:
        SettingError: both --bands and --all-bands.
        SceneError, DatasetError: see :func:`~schanger_mm.data_tools.from_rasters.tiles_from_rasters`.
    """
    from schanger_mm.data_tools.from_rasters import TileSettings, tiles_from_rasters
    from schanger_mm.geo.errors import SceneError
    from schanger_mm.geo.pair import PairSpec, parse_bands
    from schanger_mm.geo.raster import BANDS
    from schanger_mm.geo.scaling import Scaling
    from schanger_mm.utils.errors import SettingError
    from schanger_mm.utils.locking import locked
    bands = args.bands and parse_bands(args.bands)
    if args.all_bands and bands:
        raise SettingError(f'--all-bands: omit --bands {args.bands} beside it.')
    first = bands[0] if bands and isinstance(bands[0], tuple) else bands
    count = None if args.all_bands else len(first) if first else BANDS
    spec = PairSpec(args.before, args.after, bands,
                    args.scale and Scaling.parse(args.scale), align=args.align, nodata=args.nodata,
                    ignore_alpha=args.ignore_alpha, count=count)
    settings = TileSettings(args.size, args.block, args.val, args.seed, min_valid)
    try:
        with locked(args.out, beside=True):  # the folder is made under another name and renamed
            print(tiles_from_rasters(spec, args.changes, args.out, settings, args.layer, args.workers, review))
    except SceneError as error:
        if '--bands R,G,B' not in str(error):
            raise
        raise SceneError(f'{error} For a network of other than three bands: --all-bands, or --bands 1,2,3,4.'
                         ) from error
