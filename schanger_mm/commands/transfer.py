"""Make initial weights for a detector from a pre-training."""

from __future__ import annotations

import argparse
import shlex

from schanger_mm.commands.arguments import add_cfg_options, add_config

PARTS = ('backbone', 'neck')


def parser() -> argparse.ArgumentParser:
    """Return the parser."""
    parser = argparse.ArgumentParser(
        description='Use the encoder of a pre-training (SaDL, SimSiam or supervised) as initial weights for the '
        'network in CONFIG, and list which entries were taken, are new, or were not used.')
    parser.add_argument('checkpoint', help='checkpoint of the pre-training')
    add_config(parser, help='config that will load the result, one date or two')
    parser.add_argument('dst', nargs='?', help='file to write (default: CHECKPOINT_det.pth)')
    parser.add_argument('--parts', nargs='+', default=list(PARTS), help='parts to take (default: backbone neck)')
    parser.add_argument('--overwrite', action='store_true', help='replace DST if it exists')
    add_cfg_options(parser, 'model.backbone.stride=2')
    return parser


def main(args: argparse.Namespace) -> None:
    """Transfer."""
    from schanger_mm.checkpoints.transfer import transfer_file
    from schanger_mm.config.loading import load_config, parse_options
    cfg = load_config(args.config, parse_options(args.cfg_options))
    text = transfer_file(args.checkpoint, args.config, cfg, args.dst, args.parts, args.overwrite)
    print(' '.join([text, *map(shlex.quote, args.cfg_options or [])]))  # it ends with the options of a training
