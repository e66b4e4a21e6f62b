"""Fetch and convert published weights: python tools/model_converters/fetch_published.py levir base."""

import argparse
import sys

from schanger_mm import apis
from schanger_mm.apis import fetch


def main() -> None:
    """Read the command line, fetch and convert."""
    parser = argparse.ArgumentParser(
        description="Download one of the authors' checkpoints (continuing a download that broke off), check that it "
        'is the one asked for and convert it to one that our configs load.')
    parser.add_argument('set', choices=fetch.SETS, help='data set; pretrain is the single-temporal network')
    parser.add_argument('size', choices=fetch.SIZES)
    parser.add_argument('--out', metavar='FILE', help='default: checkpoints/schanger_SIZE_SET_mm.pth')
    parser.add_argument('--base-url', metavar='URL',
                        help=f'folder with the files (default: ${fetch.URL_VARIABLE}, or {fetch.PAGE}/resolve/main)')
    parser.add_argument('--cache', metavar='DIR', help="folder for downloads (default: torch's)")
    parser.add_argument('--sha256', metavar='HEX', help='refuse a download with another SHA-256 (none is built in)')
    parser.add_argument('--overwrite', action='store_true', help='replace FILE where it exists')
    args = parser.parse_args()
    print(fetch.fetch_published(args.set, args.size, args.out, args.base_url, args.cache, args.overwrite, args.sha256))


if __name__ == '__main__':
    sys.exit(apis.run(main))
