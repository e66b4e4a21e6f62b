"""Print a config with everything it inherits."""

from __future__ import annotations

import argparse

from schanger_mm.commands.arguments import add_cfg_options, add_config, load_config


def parser() -> argparse.ArgumentParser:
    """Return the parser."""
    parser = argparse.ArgumentParser(description='Print the resolved config as Python text, which is itself a config.')
    add_config(parser)
    add_cfg_options(parser)
    parser.add_argument('--out', metavar='FILE', help='write to this file (.py) instead of the screen')
    parser.add_argument('--overwrite', action='store_true', help='replace FILE if it exists')
    return parser


def main(args: argparse.Namespace) -> None:
    """Print the config, or write it."""
    from schanger_mm.utils.files import write_text
    text = load_config(args).pretty_text
    if args.out is None:
        print(text, end='')
    else:
        write_text(args.out, text, args.overwrite)
