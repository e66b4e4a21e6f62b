"""Fetch and convert published weights."""

from __future__ import annotations

import argparse

SETS = ('levir', 'levir_plus', 's2looking', 'cdd', 'sysu', 'whu', 'pretrain')
SIZES = ('base', 'small')
PAGE = 'https://huggingface.co/Zy-Zhou/schanger'
URL_VARIABLE = 'SCHANGER_WEIGHTS_URL'


def parser() -> argparse.ArgumentParser:
    """Return the parser."""
    parser = argparse.ArgumentParser(
        description="Download one of the authors' checkpoints, check that it is the requested one and convert it for "
        'our configs.')
    action = parser.add_argument('set', metavar='SET', help=f'data set: {", ".join(SETS)} (the single-temporal '
                                 'network); or set and size in one word, such as levir-small')
    action.completer = lambda **_: SETS  # type: ignore[attr-defined]  # argcomplete reads it
    parser.add_argument('size', choices=SIZES, nargs='?')
    parser.add_argument('--out', metavar='FILE',
                        help='file to write (default: checkpoints/schanger_SIZE_SET_mm.pth)')
    parser.add_argument('--base-url', metavar='URL',
                        help=f'folder with the files (default: ${URL_VARIABLE}, or {PAGE}/resolve/main)')
    parser.add_argument('--cache', metavar='DIR', help="folder for downloads (default: torch's)")
    parser.add_argument('--sha256', metavar='HEX',
                        help='accept the file with this SHA-256 only (default: that of the '
                        'first download, recorded beside it)')
    parser.add_argument('--overwrite', action='store_true', help='replace FILE if it exists')
    return parser


def main(args: argparse.Namespace) -> None:
    """Fetch and convert."""
    from schanger_mm.checkpoints.fetch import fetch_published
    from schanger_mm.utils.errors import SettingError
    data_set, size = (args.set, args.size) if args.size else args.set.rpartition('-')[::2]
    if not data_set:
        raise SettingError(f'{args.set}: expected SET SIZE or SET-SIZE, such as levir-small; the sets are '
                           f'{", ".join(SETS)}, the sizes {", ".join(SIZES)}.')
    print(fetch_published(data_set, size, args.out, args.base_url, args.cache, args.overwrite, args.sha256))
