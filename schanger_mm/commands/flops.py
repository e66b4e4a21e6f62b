"""Count the parameters and operations of a network."""

from __future__ import annotations

import argparse

from schanger_mm.commands.arguments import add_cfg_options, add_config


def parser() -> argparse.ArgumentParser:
    """Return the parser."""
    parser = argparse.ArgumentParser(
        description='Count parameters and multiply-accumulates of one prediction, per part.')
    add_config(parser, help='a size such as base, a published network such as levir-base, a checkpoint that holds its '
               'config, hf://ORG/NAME, or a config', metavar='MODEL')
    parser.add_argument('--shape', type=int, nargs='+', default=[256, 256], metavar='PIXELS',
                        help='height and width of the image, or the side of a square (default: 256 256)')
    add_cfg_options(parser)
    return parser


def main(args: argparse.Namespace) -> None:
    """Count and print the table."""
    from schanger_mm.benchmark.network import build, format_complexity
    from schanger_mm.config.loading import parse_options
    print(format_complexity(build(args.config, parse_options(args.cfg_options)), *args.shape))
