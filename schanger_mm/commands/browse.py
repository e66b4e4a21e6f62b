"""Draw the samples that training sees."""

from __future__ import annotations

import argparse
from pathlib import Path

from schanger_mm.commands.arguments import add_cfg_options, add_config, load_config


def parser() -> argparse.ArgumentParser:
    """Return the parser."""
    parser = argparse.ArgumentParser(
        description="Draw samples as they leave the pipeline, with the label's outline over each date.")
    add_config(parser)
    parser.add_argument('--out', metavar='DIR', help='output folder (default: work_dirs/<config name>/browse_<split>)')
    parser.add_argument('--split', choices=['train', 'val', 'test'], default='train')
    parser.add_argument('--number', type=int, default=12, metavar='N', help='number of samples (default: 12)')
    parser.add_argument('--seed', type=int, default=36, help='seed of selection and augmentation (default: 36)')
    parser.add_argument('--sheet', action='store_true', help='also draw all of them on one picture, browse.png')
    parser.add_argument('--normalised', action='store_true',
                        help='also draw what the network receives, and print its mean and deviation per date')
    parser.add_argument('--overwrite', action='store_true', help='replace pictures of an earlier run')
    add_cfg_options(parser, 'train_dataloader.dataset.data_root=DIR')
    return parser


def main(args: argparse.Namespace) -> None:
    """Draw, and print where."""
    from schanger_mm.analysis.browse import browse_dataset
    from schanger_mm.config.names import stem_of
    from schanger_mm.utils.locking import locked
    cfg = load_config(args)
    out = args.out or Path('work_dirs') / stem_of(args.config) / f'browse_{args.split}'
    with locked(out):
        print(browse_dataset(cfg, out, args.split, args.number, args.seed, args.sheet, args.normalised,
                             args.overwrite))
