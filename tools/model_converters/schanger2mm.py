"""Convert a published SChanger checkpoint: python tools/model_converters/schanger2mm.py SRC DST."""

import argparse
import sys

from schanger_mm import apis
from schanger_mm.apis import convert


def main() -> None:
    """Read the command line and convert."""
    parser = argparse.ArgumentParser(
        description='Convert a published SChanger checkpoint (either size, single-temporal or two dates, read off '
        'its shapes) to one that our configs load by load_from, or back.')
    parser.add_argument('src', help='checkpoint to read (.pth or .safetensors)')
    parser.add_argument('dst', help='checkpoint to write: .pth to load it by load_from, or .safetensors')
    parser.add_argument('--back', action='store_true', help='from our names to the published ones')
    parser.add_argument('--overwrite', action='store_true', help='replace DST where it exists')
    args = parser.parse_args()
    print(convert.convert_file(args.src, args.dst, args.back, args.overwrite))


if __name__ == '__main__':
    sys.exit(apis.run(main))
