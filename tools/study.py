"""How many labels does a start save? python tools/study.py, or make study."""

import argparse
import sys
from pathlib import Path

from schanger_mm import apis
from schanger_mm.apis.study import SEEDS, Study, parse_seeds


def main() -> None:
    """Read the command line and run the study."""
    parser = argparse.ArgumentParser(
        description='F1 at 5, 20 and 100 % of the labels, from random weights, supervised pre-training, SaDL, and SaDL '
        'followed by supervised pre-training, on drawn scenes. Goes on where it was stopped.')
    parser.add_argument('--out', default='study_out', help='folder of data, trainings and results (default: study_out)')
    parser.add_argument('--seeds', nargs='+', default=list(map(str, SEEDS)), help='default: 1 2 3')
    parser.add_argument('--jobs', type=int, default=2, help='trainings at a time (default: 2)')
    parser.add_argument('--max-iters', type=int, help='shorten every training, to try the command')
    args = parser.parse_args()
    repo = Path(__file__).resolve().parents[1]
    Study(repo, Path(args.out), parse_seeds(args.seeds), args.jobs, args.max_iters).run()


if __name__ == '__main__':
    sys.exit(apis.run(main))
