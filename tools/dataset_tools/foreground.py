"""List the images with enough foreground: python tools/dataset_tools/foreground.py MASKS --least 0.1 --out LIST."""

import argparse
import sys

from schanger_mm import apis
from schanger_mm.data_tools.foreground import write_foreground_list


def main() -> None:
    """Read the command line, count and write."""
    parser = argparse.ArgumentParser(description='List the masks with at least a given share of foreground.')
    parser.add_argument('masks', help='folder of masks, for example data/inria_256/train/gt')
    parser.add_argument('--out', required=True, metavar='LIST', help='list file to write, one stem per line')
    parser.add_argument('--least', type=float, default=0.1, help='share of foreground pixels (default: 0.1)')
    parser.add_argument('--threshold', type=int, help='values from here up are foreground; for lossy masks')
    parser.add_argument('--ignore', type=int, metavar='N', help='mask value of nodata, which is no foreground')
    parser.add_argument('--workers', type=int, help='processes (default: one per core, up to 8)')
    parser.add_argument('--overwrite', action='store_true', help='replace the list where it exists')
    args = parser.parse_args()
    print(write_foreground_list(args.masks, args.out, args.least, args.threshold, args.workers, args.overwrite,
                                args.ignore))


if __name__ == '__main__':
    sys.exit(apis.run(main))
