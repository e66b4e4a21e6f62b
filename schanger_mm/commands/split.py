"""Write split lists, nested subsets with few labels, or lists of labelled and unlabelled pairs."""

from __future__ import annotations

import argparse

from schanger_mm.commands.arguments import command_line


def parser() -> argparse.ArgumentParser:
    """Return the parser."""
    parser = argparse.ArgumentParser(
        description='Hold out a validation or test split from the images of a folder, or draw nested subsets with few '
        'labels, or part labelled from unlabelled pairs. The draw depends only on the seed and the names.')
    parser.add_argument('folder', help='folder with the images to list, for example data/LEVIR-CD+/train/A')
    parser.add_argument('--out', required=True, metavar='DIR', help='folder for the lists')
    parser.add_argument('--seed', type=int, default=36, help='seed of the draw (default: 36)')
    parser.add_argument('--val', metavar='N', help='hold out this fraction (0.1) or number (64) for validation')
    parser.add_argument('--test', metavar='N', help='the same for a test split')
    parser.add_argument('--percent', nargs='+', default=[], metavar='P', help='draw subsets of train of these '
                        'percentages, each contained in the next: train_5.txt, train_20.txt')
    parser.add_argument('--labels', metavar='DIR', help='folder with the labels that exist: names of train with a file '
                        'there go to labelled.txt, the others to unlabelled.txt; val and test take labelled names only')
    parser.add_argument('--label-suffix', metavar='END', help='ending of the files in --labels, for example _mask.png')
    parser.add_argument('--labelled', metavar='N', help='keep the labels of this fraction (0.05) or number (20) of '
                        'train, in labelled.txt; all others go to unlabelled.txt')
    parser.add_argument('--group-by', metavar='REGEX', help='keep names together for which the group in REGEX is the '
                        r"same; for tiles of one image '(.+)_\d+'")
    parser.add_argument('--from-list', metavar='FILE', help='draw from the names in this list instead of all')
    parser.add_argument('--list-split', metavar='NAME', help='FILE is a table with lines name,split; draw from those '
                        'of this split')
    parser.add_argument('--suffix', metavar='END', help='ending of the files, for example _pre.png, not part of '
                        'a name')
    parser.add_argument('--overwrite', action='store_true', help='replace existing lists')
    return parser


def main(args: argparse.Namespace) -> None:
    """Draw and write."""
    from schanger_mm.data_tools.split import SplitRequest, write_splits
    from schanger_mm.utils.locking import locked
    request = SplitRequest(args.seed, args.val, args.test, args.percent, args.group_by, args.labelled)
    with locked(args.out):
        print(write_splits(args.folder, args.out, request, args.from_list, args.overwrite,
                           command_line(), args.list_split, args.suffix, args.labels, args.label_suffix))
