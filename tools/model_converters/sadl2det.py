"""Initial weights of a detector from SaDL: python tools/model_converters/sadl2det.py CHECKPOINT CONFIG."""

import argparse
import sys

from schanger_mm import apis
from schanger_mm.apis.transfer import ENCODER, transfer_file


def main() -> None:
    """Read the command line and convert."""
    parser = argparse.ArgumentParser(
        description='Take the encoder of a pre-training (SaDL, SimSiam or supervised) as initial weights of the '
        'network in CONFIG, and say which entries were taken, are new, and were left.')
    parser.add_argument('checkpoint', help='checkpoint of the pre-training')
    parser.add_argument('config', help='config that will load the result, one date or two')
    parser.add_argument('dst', nargs='?', help='file to write (default: CHECKPOINT_det.pth)')
    parser.add_argument('--parts', nargs='+', default=list(ENCODER), help='parts to take (default: backbone neck)')
    parser.add_argument('--overwrite', action='store_true', help='replace DST where it exists')
    args = parser.parse_args()
    cfg = apis.load_config(args.config)
    print(transfer_file(args.checkpoint, args.config, cfg, args.dst, args.parts, args.overwrite))


if __name__ == '__main__':
    sys.exit(apis.run(main))
