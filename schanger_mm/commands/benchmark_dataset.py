"""Time the training pipeline of a config."""

from __future__ import annotations

import argparse

from schanger_mm.commands.arguments import add_cfg_options, add_config, load_config


def parser() -> argparse.ArgumentParser:
    """Return the parser."""
    parser = argparse.ArgumentParser(
        description='Measure the samples per second of the training pipeline, with every file decoded and with the '
                    'decoded cache, and the time that each transform takes.')
    add_config(parser)
    parser.add_argument('--samples', type=int, default=50, metavar='N', help='samples per round (default: 50)')
    parser.add_argument('--rounds', type=int, default=5, metavar='R',
                        help='rounds with and without the cache (default: 5)')
    parser.add_argument('--workers', type=int, default=1, metavar='N', help='loading processes (default: 1)')
    add_cfg_options(parser, 'train_dataloader.dataset.data_root=DIR')
    return parser


def main(args: argparse.Namespace) -> None:
    """Measure and print."""
    from schanger_mm.benchmark.dataset import benchmark_dataset, format_dataset
    print(format_dataset(benchmark_dataset(load_config(args), args.samples, args.rounds, args.workers)))
