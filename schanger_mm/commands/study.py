"""Measure how many labels pre-training saves, on drawn scenes."""

from __future__ import annotations

import argparse
from pathlib import Path

from schanger_mm.commands.arguments import checkout

SEEDS = (1, 2, 3)


def parser() -> argparse.ArgumentParser:
    """Return the parser."""
    parser = argparse.ArgumentParser(
        description='Measure F1 at 5, 20 and 100 % of the labels, from random weights, supervised pre-training, SaDL, '
        'and SaDL followed by supervised pre-training, on drawn scenes. An interrupted study continues where it '
        'stopped.')
    parser.add_argument('--out', default='study_out', help='folder of data, trainings and results (default: study_out)')
    parser.add_argument('--seeds', nargs='+', default=list(map(str, SEEDS)), help='seeds (default: 1 2 3)')
    parser.add_argument('--jobs', type=int, default=2, help='parallel trainings (default: 2)')
    parser.add_argument('--max-iters', type=int, help='shorten every training, to try the command')
    return parser


def main(args: argparse.Namespace) -> None:
    """Run the study."""
    from schanger_mm.experiments.study import Study, parse_seeds
    from schanger_mm.utils.locking import locked
    study = Study(checkout(), Path(args.out), parse_seeds(args.seeds), args.jobs, args.max_iters)
    with locked(args.out):
        study.run()
