"""Convert a published SChanger checkpoint: python tools/model_converters/schanger2mm.py SRC DST."""

import argparse
import sys

from schanger_mm import apis
from schanger_mm.apis import convert


def main() -> None:
    """Read, rename, check and write."""
    parser = argparse.ArgumentParser(
        description='Convert a published SChanger checkpoint (either size, single-temporal or two dates, read off '
        'its shapes) to one that our configs load by load_from, or back.')
    parser.add_argument('src', help='checkpoint to read (.pth or .safetensors)')
    parser.add_argument('dst', help='checkpoint to write: .pth to load it by load_from, or .safetensors')
    parser.add_argument('--back', action='store_true', help='from our names to the published ones')
    parser.add_argument('--overwrite', action='store_true', help='replace DST where it exists')
    args = parser.parse_args()
    state = convert.read_weights(args.src)
    translate = convert.mm_to_published if args.back else convert.published_to_mm
    try:
        renamed, kind = translate(state)
    except convert.ConversionError as error:
        raise convert.ConversionError(f'{args.src}: {error}') from error
    convert.write_weights(args.dst, renamed, args.overwrite)
    print(f'{args.dst}: {kind}, {len(renamed)} entries.')


if __name__ == '__main__':
    sys.exit(apis.run(main))
