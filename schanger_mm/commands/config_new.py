"""Write a config for your own pairs."""

from __future__ import annotations

import argparse

from schanger_mm.commands.arguments import add_class_maps, command_line


def parser() -> argparse.ArgumentParser:
    """Return the parser."""
    parser = argparse.ArgumentParser(
        description='Look at a folder of pairs and write a short config that trains SChanger-small on them, with '
        'the classes of both dates where there are class maps. Pairs for '
        'validation and test are drawn where neither folders (train, val, test) nor lists (train.txt, val.txt, or a '
        'table with lines name,split) tell them apart.')
    parser.add_argument('--data', required=True, metavar='DIR', help='folder of the data set, for example with A, B '
                        'and label in it, or in its folders train and val')
    parser.add_argument('--out', metavar='FILE', help="config to write (default: DIR's name with .py, in this folder)")
    parser.add_argument('--splits', nargs='+', metavar='NAME', help='sub-folders that are splits, or none (default: '
                        'those that contain the folders below)')
    parser.add_argument('--before', metavar='NAME', help='folder of date A (default: A, Image1, time1 or t1)')
    parser.add_argument('--after', metavar='NAME', help='folder of date B (default: its partner)')
    parser.add_argument('--label', metavar='NAME', help='folder of the masks (default: label, OUT, labels, mask, masks '
                        'or gt)')
    add_class_maps(parser)
    for role in ('before', 'after', 'label'):
        parser.add_argument(f'--{role}-suffix', metavar='END', help='ending of its files, for example _pre.png')
    parser.add_argument('--group-by', metavar='REGEX', help='keep pairs together in the draw for which the group in '
                        r"REGEX is the same; for tiles of one image '(.+)_\d+'")
    parser.add_argument('--overwrite', action='store_true', help='replace FILE and its lists if they exist')
    return parser


def main(args: argparse.Namespace) -> None:
    """Look, write and say how to go on."""
    from schanger_mm.data_tools.class_list import parse_classes
    from schanger_mm.data_tools.own_config import write_own_config
    folders = dict(before=args.before, after=args.after, label=args.label, label_before=args.label_before,
                   label_after=args.label_after)
    suffixes = dict(before=args.before_suffix, after=args.after_suffix, label=args.label_suffix)
    print(write_own_config(args.data, args.out, args.splits, folders, suffixes, args.group_by, args.overwrite,
                           command_line(), parse_classes(args.classes)))
