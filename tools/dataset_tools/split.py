"""Write split lists: python tools/dataset_tools/split.py data/LEVIR-CD+/train/A --val 64 --out DIR."""

import argparse
import shlex
import sys

from schanger_mm import apis
from schanger_mm.data_tools.split import SplitRequest, write_splits


def main() -> None:
    """Read the command line, draw and write."""
    parser = argparse.ArgumentParser(
        description='Hold a validation or test split out of the images of a folder, or draw nested subsets with few '
        'labels. The draw depends on the seed and the names alone.')
    parser.add_argument('folder', help='folder with the images to list, for example data/LEVIR-CD+/train/A')
    parser.add_argument('--out', required=True, metavar='DIR', help='folder of the lists')
    parser.add_argument('--seed', type=int, default=36, help='of the draw (default: 36)')
    parser.add_argument('--val', metavar='N', help='hold this fraction (0.1) or number (64) out for validation')
    parser.add_argument('--test', metavar='N', help='the same for a test split')
    parser.add_argument('--percent', nargs='+', default=[], metavar='P', help='subsets of train of so many percent, '
                        'each part of the next: train_5.txt, train_20.txt')
    parser.add_argument('--group-by', metavar='REGEX', help="keep names together whose group in it is the same; for "
                        r"tiles of one image '(.+)_\d+'")
    parser.add_argument('--from-list', metavar='FILE', help='draw from the names in this list instead of all')
    parser.add_argument('--list-split', metavar='NAME', help='FILE is a table with lines name,split; draw from those '
                        'of this split')
    parser.add_argument('--overwrite', action='store_true', help='replace lists that exist')
    args = parser.parse_args()
    request = SplitRequest(args.seed, args.val, args.test, args.percent, args.group_by)
    print(write_splits(args.folder, args.out, request, args.from_list, args.overwrite,
                       shlex.join(['python', *sys.argv]), args.list_split))


if __name__ == '__main__':
    sys.exit(apis.run(main))
