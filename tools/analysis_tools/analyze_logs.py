"""Draw the curves of runs: python tools/analysis_tools/analyze_logs.py WORK_DIR [WORK_DIR ...]."""

import argparse
import sys

from schanger_mm import apis
from schanger_mm.analysis.curves import analyze_logs


def main() -> None:
    """Read the command line, draw and list."""
    parser = argparse.ArgumentParser(description='Curves of one or several runs, with their best values.')
    parser.add_argument('runs', nargs='+', metavar='WORK_DIR_OR_JSON', help='work directories, or scalars.json files')
    parser.add_argument('--keys', nargs='+', help='scalars to show (default: loss, lr and every F1)')
    parser.add_argument('--out', default='curves.png', metavar='FILE', help='picture to write (default: curves.png)')
    parser.add_argument('--csv', metavar='FILE', help='write all points there too')
    parser.add_argument('--overwrite', action='store_true', help='replace files that exist')
    args = parser.parse_args()
    print(analyze_logs(args.runs, args.keys, args.out, args.csv, args.overwrite))


if __name__ == '__main__':
    sys.exit(apis.run(main))
