"""Draw what training sees: python tools/browse_dataset.py configs/schanger/levir.py --sheet."""

import argparse
import sys
from pathlib import Path

from schanger_mm import apis
from schanger_mm.apis.browse import browse_dataset


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description="Draw samples as the pipeline hands them over, and the label's outline over each date.")
    parser.add_argument('config', help='config file')
    parser.add_argument('--out', metavar='DIR', help='folder (default: work_dirs/<config name>/browse_<split>)')
    parser.add_argument('--split', choices=['train', 'val', 'test'], default='train')
    parser.add_argument('--number', type=int, default=12, metavar='N', help='samples (default: 12)')
    parser.add_argument('--seed', type=int, default=36, help='of choice and augmentation (default: 36)')
    parser.add_argument('--sheet', action='store_true', help='all of them on one picture too, browse.png')
    parser.add_argument('--normalised', action='store_true',
                        help='draw what the network receives too, and print its mean and deviation per date')
    parser.add_argument('--overwrite', action='store_true', help='replace pictures of another run')
    parser.add_argument('--cfg-options', nargs='+', action=apis.OptionsAction, metavar='KEY=VALUE',
                        help='override settings, for example train_dataloader.dataset.data_root=DIR')
    return parser.parse_args()


def main() -> None:
    """Draw and say where."""
    args = parse_args()
    cfg = apis.load_config(args.config, args.cfg_options)
    out = args.out or Path('work_dirs') / Path(args.config).stem / f'browse_{args.split}'
    print(browse_dataset(cfg, out, args.split, args.number, args.seed, args.sheet, args.normalised, args.overwrite))


if __name__ == '__main__':
    sys.exit(apis.run(main))
