"""Weights to give away: python tools/misc/publish_model.py work_dirs/levir/best.pth published/schanger_base_levir."""

import argparse
import sys

from schanger_mm import apis
from schanger_mm.apis.publish import publish


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description='Write DIR/NAME-HASH.safetensors, the weights alone, and DIR/NAME-HASH.json, a card of what they '
        'are. HASH are the first 8 digits of the SHA-256 of the weights. Of a training with EMAHook the averaged '
        'weights are taken, those that it scored.')
    parser.add_argument('checkpoint', help='checkpoint of tools/train.py')
    parser.add_argument('out', metavar='DIR/NAME', help='where to write, without hash and suffix')
    parser.add_argument('--report', metavar='FILE',
                        help='report.json of tools/test.py --out, for the scores of this checkpoint')
    return parser.parse_args()


def main() -> None:
    """Publish."""
    args = parse_args()
    print(publish(args.checkpoint, args.out, args.report))


if __name__ == '__main__':
    sys.exit(apis.run(main))
