"""Mean and standard deviation for data_preprocessor: python tools/dataset_tools/stats.py data/LEVIR-CD."""

import argparse
import sys

from schanger_mm import apis
from schanger_mm.data_tools.stats import dataset_statistics, report


def main() -> None:
    """Read the command line, compute, print."""
    parser = argparse.ArgumentParser(
        description='Mean over samples of the mean and of the standard deviation per sample, for each date.')
    parser.add_argument('root', help='folder of the data set')
    parser.add_argument('--split', metavar='NAME', help='sub-folder to read, or none (default: train where it is '
                        'there)')
    parser.add_argument('--before', metavar='NAME', help='folder of date A (default: A, Image1, time1 or t1)')
    parser.add_argument('--after', metavar='NAME', help='folder of date B (default: its partner)')
    parser.add_argument('--single', action='store_true', help='images of one date, even where there are pairs')
    parser.add_argument('--image', metavar='NAME', help='folder of the images of one date (default: images, image or '
                        'img)')
    parser.add_argument('--list', metavar='FILE', help='take only the images that it names, one per line: statistics '
                        'come from training images alone')
    parser.add_argument('--list-split', metavar='NAME', help='FILE is a table with lines name,split; take those of '
                        'this split')
    parser.add_argument('--patch', type=int, metavar='PX', help='samples are patches of this side (default: images)')
    parser.add_argument('--workers', type=int, metavar='N', help='processes (default: as many as cores, up to 8)')
    args = parser.parse_args()
    folders = dict(before=args.before, after=args.after, image=args.image)
    print(report(dataset_statistics(args.root, args.split, folders, args.single or args.image is not None,
                                    args.patch, args.workers, args.list, args.list_split)))


if __name__ == '__main__':
    sys.exit(apis.run(main))
