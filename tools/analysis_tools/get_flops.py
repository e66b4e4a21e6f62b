"""Count a network's parameters and operations: python tools/analysis_tools/get_flops.py CONFIG."""

import argparse
import sys

from schanger_mm import apis
from schanger_mm.analysis.complexity import count_complexity


def main() -> None:
    """Read the command line and print the table."""
    parser = argparse.ArgumentParser(description='Parameters and multiply-accumulates of one prediction, per part.')
    parser.add_argument('config', help='config file')
    parser.add_argument('--shape', type=int, nargs='+', default=[256, 256], metavar='PIXELS',
                        help='height and width of the image, or one side (default: 256 256)')
    parser.add_argument('--cfg-options', nargs='+', action=apis.OptionsAction, metavar='KEY=VALUE',
                        help='override settings')
    args = parser.parse_args()
    print(count_complexity(apis.load_config(args.config, args.cfg_options), args.shape))


if __name__ == '__main__':
    sys.exit(apis.run(main))
