"""Write SChanger as a patch of an Open-CD checkout."""

from __future__ import annotations

import argparse
from pathlib import Path

from opencd_patch.open_cd import write_patch


def parser() -> argparse.ArgumentParser:
    """Return the parser."""
    parser = argparse.ArgumentParser(
        description='Write components, configs, tests and README, made from the sources here, as a patch for an '
        'Open-CD checkout. The checkout is read and not changed.')
    parser.add_argument('checkout', metavar='OPEN-CD', help='a checkout of Open-CD')
    parser.add_argument('out', metavar='OUT.patch', help='the patch')
    parser.add_argument('--overwrite', action='store_true', help='replace the patch of an earlier call')
    return parser


def main(args: argparse.Namespace) -> None:
    """Write the patch and print how to apply it."""
    out = Path(write_patch(args.checkout, args.out, args.overwrite)).resolve()
    print(f'{out}: apply it with git -C {args.checkout} apply {out}')
