"""Cut images into tiles: python tools/dataset_tools/tile.py data/LEVIR-CD data/LEVIR-CD-256."""

import argparse
import sys

from schanger_mm import apis
from schanger_mm.data_tools.grid import Tiling
from schanger_mm.data_tools.tile import tile_folder


def main() -> None:
    """Read the command line and cut."""
    parser = argparse.ArgumentParser(
        description='Cut every image below SRC into square tiles in the same folders below DST, as lossless PNG '
        'named <stem>_<n>, n from 1, row by row. A run that was interrupted goes on where it stopped.')
    parser.add_argument('src', help='folder of images, with sub-folders')
    parser.add_argument('dst', help='folder of the tiles; absent, empty, or of an earlier run')
    parser.add_argument('--size', type=int, default=256, help='side of a tile, px (default: 256)')
    parser.add_argument('--stride', type=int, help='step from tile to tile, px (default: the size)')
    parser.add_argument('--folders', nargs='+', metavar='NAME', help='take only images below folders of these names, '
                        'for example A B label')
    parser.add_argument('--workers', type=int, metavar='N', help='processes (default: as many as cores, up to 8)')
    edges = parser.add_mutually_exclusive_group()
    edges.add_argument('--pad', dest='edges', action='store_const', const='pad', default='shift',
                       help='fill the last tiles with zeros instead of shifting them back over their neighbours')
    edges.add_argument('--drop-edge', dest='edges', action='store_const', const='drop',
                       help='leave out what does not fill a tile')
    args = parser.parse_args()
    tiling = Tiling(args.size, args.size if args.stride is None else args.stride, args.edges)
    print(tile_folder(args.src, args.dst, tiling, args.folders, args.workers))


if __name__ == '__main__':
    sys.exit(apis.run(main))
