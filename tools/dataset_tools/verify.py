"""Check a data set as unpacked: python tools/dataset_tools/verify.py data/LEVIR-CD."""

import argparse
import sys
from pathlib import Path

from schanger_mm import apis
from schanger_mm.data_tools.verify import verify_dataset
from schanger_mm.data_tools.verify_report import report
from schanger_mm.data_tools.writing import as_json, refuse_existing, write_atomic


def main() -> None:
    """Read the command line, check, report; exit status 1 when something is wrong."""
    parser = argparse.ArgumentParser(
        description='Decode every file of a data set and check pairing, sizes, modes, label values and duplicates. '
        'Exit status: 0 nothing wrong, 1 problems, 2 a mistake in the command.')
    parser.add_argument('root', help='folder of the data set')
    parser.add_argument('--splits', nargs='+', metavar='NAME', help='sub-folders that are splits, or none '
                        '(default: those that hold the folders below)')
    parser.add_argument('--before', metavar='NAME', help='folder of date A (default: A, Image1, time1 or t1)')
    parser.add_argument('--after', metavar='NAME', help='folder of date B (default: its partner)')
    parser.add_argument('--label', metavar='NAME', help='folder of the masks (default: label, OUT, labels, mask, '
                        'masks or gt); none: there are none')
    parser.add_argument('--single', action='store_true', help='images of one date, even where there are pairs')
    parser.add_argument('--image', metavar='NAME', help='folder of the images of one date (default: images, image or '
                        'img)')
    parser.add_argument('--threshold', type=int, metavar='N', help='label_threshold of the config: mask values from '
                        'here up count as 1')
    parser.add_argument('--ignore', type=int, metavar='N', help='label_ignore of the config: pixels with this mask '
                        'value do not count')
    parser.add_argument('--list', nargs='+', default=[], metavar='FILE', help='lists of names that are the splits of '
                        'one folder, for example train.txt val.txt')
    parser.add_argument('--list-split', nargs='+', metavar='NAME', help='the list is one table with lines name,split; '
                        'check these splits')
    parser.add_argument('--workers', type=int, metavar='N', help='processes (default: as many as cores, up to 8)')
    parser.add_argument('--json', type=Path, metavar='FILE', help='write everything that was found there')
    parser.add_argument('--overwrite', action='store_true', help='replace FILE where it exists')
    args = parser.parse_args()
    if args.json and not args.overwrite:
        refuse_existing([args.json])
    folders = dict(before=args.before, after=args.after, image=args.image, label=args.label)
    result = verify_dataset(args.root, args.splits, folders, args.single or args.image is not None, args.threshold,
                            args.workers, args.ignore, args.list, args.list_split)
    print(report(result))
    if args.json:
        write_atomic(args.json, as_json(result.as_dict()))
        print(f'Everything in full: {args.json}')
    if result.failed:
        sys.exit(1)


if __name__ == '__main__':
    sys.exit(apis.run(main))
