"""Cut images into tiles."""

from __future__ import annotations

import argparse


def parser() -> argparse.ArgumentParser:
    """Return the parser."""
    parser = argparse.ArgumentParser(
        description='Cut every image below SRC into square tiles in the same folders below DST, as lossless PNG files '
        'named <stem>_<n>, n from 1, row by row. An interrupted run continues where it stopped.')
    parser.add_argument('src', help='folder of images, with sub-folders')
    parser.add_argument('dst', help='folder for the tiles; must be absent, empty, or from an earlier run')
    parser.add_argument('--size', type=int, default=256, help='side of a tile, px (default: 256)')
    parser.add_argument('--stride', type=int, help='step from tile to tile, px (default: the size)')
    parser.add_argument('--folders', nargs='+', metavar='NAME', help='use only images below folders with these names, '
                        'for example A B label')
    parser.add_argument('--suffixes', nargs='+', default=[], metavar='END', help='endings that tell files in one '
                        'folder apart, for example _pre.png _post.png; the tiles keep them: x_1_pre.png')
    parser.add_argument('--workers', type=int, metavar='N', help='processes (default: as many as cores, up to 8)')
    edges = parser.add_mutually_exclusive_group()
    edges.add_argument('--pad', dest='edges', action='store_const', const='pad', default='shift',
                       help='fill the last tiles with zeros instead of shifting them back over their neighbours')
    edges.add_argument('--drop-edge', dest='edges', action='store_const', const='drop',
                       help='drop tiles that would be incomplete')
    return parser


def main(args: argparse.Namespace) -> None:
    """Cut."""
    from schanger_mm.data_tools.tile import tile_folder
    from schanger_mm.utils.tiling import Tiling
    tiling = Tiling(args.size, args.size if args.stride is None else args.stride, args.edges)
    print(tile_folder(args.src, args.dst, tiling, args.folders, args.workers, args.suffixes))
