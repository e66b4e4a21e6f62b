"""Train and show a small model on drawn scenes; needs no data."""

from __future__ import annotations

import argparse
from pathlib import Path

from schanger_mm.commands.arguments import checkout


def parser() -> argparse.ArgumentParser:
    """Return the parser."""
    parser = argparse.ArgumentParser(description='Draw scenes, pre-train, fine-tune, compare and write a report.')
    parser.add_argument('--out', type=Path, default=Path('demo_out'), help='output folder (default: demo_out)')
    parser.add_argument('--seed', type=int, default=36, help='seed of scenes and trainings (default: 36)')
    parser.add_argument('--max-iters', type=int, help='shorten every training (the scores are then meaningless)')
    return parser


def main(args: argparse.Namespace) -> None:
    """Run the demo."""
    from schanger_mm.demo.demo import Demo
    from schanger_mm.utils.locking import locked
    with locked(args.out):
        Demo(checkout(), args.out.resolve(), args.seed, args.max_iters).run()
