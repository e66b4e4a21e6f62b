"""Draw the curves of one or several runs."""

from __future__ import annotations

import argparse


def parser() -> argparse.ArgumentParser:
    """Return the parser."""
    parser = argparse.ArgumentParser(description='Draw the curves of one or several runs, and list their best values.')
    parser.add_argument('runs', nargs='+', metavar='WORK_DIR_OR_JSON', help='work directories, or scalars.json files')
    parser.add_argument('--keys', nargs='+', help='scalars to show (default: loss, lr and every F1)')
    parser.add_argument('--out', default='curves.png', metavar='FILE', help='picture to write (default: curves.png)')
    parser.add_argument('--csv', metavar='FILE', help='also write all points to this file')
    parser.add_argument('--overwrite', action='store_true', help='replace existing files')
    return parser


def main(args: argparse.Namespace) -> None:
    """Draw and list."""
    from schanger_mm.analysis.curves import analyze_logs
    print(analyze_logs(args.runs, args.keys, args.out, args.csv, args.overwrite))
