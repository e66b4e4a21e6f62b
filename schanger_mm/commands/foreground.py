"""List the masks with enough foreground."""

from __future__ import annotations

import argparse


def parser() -> argparse.ArgumentParser:
    """Return the parser."""
    parser = argparse.ArgumentParser(description='List the masks with at least a given share of foreground.')
    parser.add_argument('masks', help='folder of masks, for example data/inria_256/train/gt')
    parser.add_argument('--out', required=True, metavar='LIST', help='list file to write, one stem per line')
    parser.add_argument('--least', type=float, default=0.1, help='minimum share of foreground pixels (default: 0.1)')
    parser.add_argument('--threshold', type=int, help='values from this one up are foreground; for lossy masks')
    parser.add_argument('--ignore', type=int, metavar='N', help='mask value of nodata, not counted as foreground')
    parser.add_argument('--suffix', metavar='END', help='ending of the files, for example _target.png, not part '
                        'of a name')
    parser.add_argument('--workers', type=int, help='processes (default: one per core, up to 8)')
    parser.add_argument('--overwrite', action='store_true', help='replace the list if it exists')
    return parser


def main(args: argparse.Namespace) -> None:
    """Count and write."""
    from schanger_mm.data_tools.foreground import write_foreground_list
    print(write_foreground_list(args.masks, args.out, args.least, args.threshold, args.workers, args.overwrite,
                                args.ignore, args.suffix))
