"""Print a config with everything it inherits: python tools/analysis_tools/print_config.py CONFIG."""

import argparse
import sys

from schanger_mm import apis
from schanger_mm.analysis.output import write_text


def main() -> None:
    """Read the command line and print, or write, the config."""
    parser = argparse.ArgumentParser(description='The resolved config as Python text, which is a config itself.')
    parser.add_argument('config', help='config file')
    parser.add_argument('--cfg-options', nargs='+', action=apis.OptionsAction, metavar='KEY=VALUE',
                        help='override settings')
    parser.add_argument('--out', metavar='FILE', help='write it there (.py) instead of to the screen')
    parser.add_argument('--overwrite', action='store_true', help='replace FILE where it exists')
    args = parser.parse_args()
    text = apis.load_config(args.config, args.cfg_options).pretty_text
    if args.out is None:
        print(text, end='')
    else:
        write_text(args.out, text, args.overwrite)


if __name__ == '__main__':
    sys.exit(apis.run(main))
