"""Convert a published SChanger checkpoint to ours, or back."""

from __future__ import annotations

import argparse


def parser() -> argparse.ArgumentParser:
    """Return the parser."""
    parser = argparse.ArgumentParser(
        description='Convert a published SChanger checkpoint (either size, one or two dates, inferred from its '
        'shapes) to one that our configs can use as load_from, or back.')
    parser.add_argument('src', help='checkpoint to read (.pth or .safetensors)')
    parser.add_argument('dst', help='checkpoint to write: .pth for load_from, or .safetensors')
    parser.add_argument('--back', action='store_true', help='convert from our names to the published ones')
    parser.add_argument('--overwrite', action='store_true', help='replace DST if it exists')
    return parser


def main(args: argparse.Namespace) -> None:
    """Convert."""
    from schanger_mm.checkpoints.convert import convert_file
    print(convert_file(args.src, args.dst, args.back, args.overwrite))
