"""Time the training pipeline of a config: python tools/benchmark_dataset.py configs/schanger/levir.py."""

import argparse
import sys

from schanger_mm import apis
from schanger_mm.apis.benchmark_dataset import benchmark_dataset


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description='Samples per second of the training pipeline, decoding every file and with the decoded cache, '
                    'and the time that each transform takes.')
    parser.add_argument('config', help='config file')
    parser.add_argument('--samples', type=int, default=50, metavar='N', help='samples per round (default: 50)')
    parser.add_argument('--rounds', type=int, default=5, metavar='R', help='rounds of each way (default: 5)')
    parser.add_argument('--workers', type=int, default=1, metavar='N', help='loading processes (default: 1)')
    parser.add_argument('--cfg-options', nargs='+', action=apis.OptionsAction, metavar='KEY=VALUE',
                        help='override settings, for example train_dataloader.dataset.data_root=DIR')
    return parser.parse_args()


def main() -> None:
    """Measure and print."""
    args = parse_args()
    cfg = apis.load_config(args.config, args.cfg_options)
    print(benchmark_dataset(cfg, args.samples, args.rounds, args.workers))


if __name__ == '__main__':
    sys.exit(apis.run(main))
