"""Write plain weights from any checkpoint."""

from __future__ import annotations

import argparse

TRUST = '--i-trust-this-file'


def parser() -> argparse.ArgumentParser:
    """Return the parser."""
    parser = argparse.ArgumentParser(
        description='Write only the tensors of a checkpoint as .safetensors. Files that can be read without running '
        'code need no option.')
    parser.add_argument('src', help='checkpoint, or a pickled network')
    parser.add_argument('dst', help='file to write: .safetensors')
    parser.add_argument(TRUST, action='store_true', dest='trust',
                        help='unpickle the file if it cannot be read otherwise. It is read in a separate Python '
                        'process and can do there whatever you can do')
    parser.add_argument('--overwrite', action='store_true', help='replace DST if it exists')
    return parser


def main(args: argparse.Namespace) -> None:
    """Convert."""
    from schanger_mm.checkpoints.quarantine import to_safetensors
    print(to_safetensors(args.src, args.dst, args.trust, args.overwrite))
