"""Training tiles from own rasters: python tools/dataset_tools/from_rasters.py 2019.tif 2023.tif new.gpkg --out DIR."""

import argparse
import sys

from schanger_mm import apis
from schanger_mm.data_tools.from_rasters import TileSettings, tiles_from_rasters
from schanger_mm.scene.scaling import Scaling
from schanger_mm.scene.source import PairSpec


def numbers(text: str) -> tuple[int, ...]:
    """Read numbers with commas between."""
    return tuple(map(int, text.split(',')))


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description='Cut two rasters and polygons of what changed into DIR/{train,val}/{A,B,label}: 8-bit PNG tiles '
        'and masks of 0 and 255. Train and val are different blocks of ground that do not touch. A run that was '
        'interrupted goes on where it stopped.')
    parser.add_argument('before', help='raster of date A')
    parser.add_argument('after', help='raster of date B')
    parser.add_argument('changes', help='polygons of what changed: GeoPackage, GeoJSON, Shapefile; in any CRS')
    parser.add_argument('--out', required=True, metavar='DIR', help='folder to make; absent or empty')
    parser.add_argument('--layer', help='layer of CHANGES, where it has several')
    parser.add_argument('--size', type=int, default=256, metavar='PX', help='side of a tile (default: 256)')
    parser.add_argument('--val', type=float, default=0.2, metavar='SHARE',
                        help='share of the tiles that should validate, 0 for none (default: 0.2)')
    parser.add_argument('--seed', type=int, default=36, help='of the drawing of blocks (default: 36)')
    parser.add_argument('--block', type=int, metavar='PX',
                        help='side of the squares of ground that are drawn as a whole (default: four tiles)')
    parser.add_argument('--min-valid', type=float, default=1.0, metavar='SHARE',
                        help='take tiles with data of both dates on this share of their pixels or more; below 1, masks '
                        'are 128 where a date has none, which needs label_ignore=128 in the config (default: 1)')
    parser.add_argument('--align', action='store_true', help='warp date B onto the grid of date A where they differ')
    parser.add_argument('--bands', type=numbers, metavar='R,G,B', help='bands to take, counted from 1, such as 3,2,1')
    parser.add_argument('--scale', metavar='RULE', help='how values become 0..255: MIN:MAX, such as 0:3000, or '
                        'percentiles, such as p2:p98; needed by all but 8-bit rasters')
    parser.add_argument('--nodata', type=float, metavar='VALUE', help='of pixels without data')
    parser.add_argument('--workers', type=int, metavar='N', help='processes (default: as many as cores, up to 8)')
    return parser.parse_args()


def main() -> None:
    """Cut and say what was done."""
    args = parse_args()
    spec = PairSpec(args.before, args.after, args.bands, args.scale and Scaling.parse(args.scale),
                    align=args.align, nodata=args.nodata)
    settings = TileSettings(args.size, args.block, args.val, args.seed, args.min_valid)
    print(tiles_from_rasters(spec, args.changes, args.out, settings, args.layer, args.workers))


if __name__ == '__main__':
    sys.exit(apis.run(main))
