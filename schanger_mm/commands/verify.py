"""Check a data set after unpacking."""

from __future__ import annotations

import argparse
from pathlib import Path

from schanger_mm.commands.arguments import add_class_maps


def parser() -> argparse.ArgumentParser:
    """Return the parser."""
    parser = argparse.ArgumentParser(
        description='Decode every file of a data set and check pairing, sizes, modes, label values, class maps and '
        'duplicates. '
        'Exit status: 0 no problems, 1 problems found, 2 a mistake in the command.')
    parser.add_argument('root', help='folder of the data set')
    parser.add_argument('--splits', nargs='+', metavar='NAME', help='sub-folders that are splits, or none '
                        '(default: those that contain the folders below)')
    parser.add_argument('--before', metavar='NAME', help='folder of date A (default: A, Image1, time1 or t1)')
    parser.add_argument('--after', metavar='NAME', help='folder of date B (default: its partner)')
    parser.add_argument('--label', metavar='NAME', help='folder of the masks (default: label, OUT, labels, mask, '
                        'masks or gt); none if there are no masks')
    add_class_maps(parser)
    parser.add_argument('--single', action='store_true', help='read images of one date, even if there are pairs')
    parser.add_argument('--image', metavar='NAME', help='folder of the images of one date (default: images, image or '
                        'img)')
    for role in ('before', 'after', 'label', 'image'):
        parser.add_argument(f'--{role}-suffix', metavar='END', help='ending of its files, for example _pre.png')
    parser.add_argument('--threshold', type=int, metavar='N', help='label_threshold of the config: mask values from '
                        'this one up count as 1')
    parser.add_argument('--ignore', type=int, metavar='N', help='label_ignore of the config: pixels with this mask '
                        'value do not count')
    parser.add_argument('--list', nargs='+', default=[], metavar='FILE', help='lists of names, one per split of '
                        'a folder, for example train.txt val.txt')
    parser.add_argument('--list-split', nargs='+', metavar='NAME', help='the list is one table with lines name,split; '
                        'check these splits')
    parser.add_argument('--workers', type=int, metavar='N', help='processes (default: as many as cores, up to 8)')
    parser.add_argument('--json', type=Path, metavar='FILE', help='write all findings to this file')
    parser.add_argument('--overwrite', action='store_true', help='replace FILE if it exists')
    return parser


def main(args: argparse.Namespace) -> int:
    """Check and report; return 1 if something is wrong."""
    from schanger_mm.data_tools.class_list import parse_classes
    from schanger_mm.data_tools.verify import verify_dataset
    from schanger_mm.data_tools.verify_report import report
    from schanger_mm.utils.files import as_json, refuse_existing, write_atomic
    if args.json and not args.overwrite:
        refuse_existing(args.json)
    folders = dict(before=args.before, after=args.after, image=args.image, label=args.label,
                   label_before=args.label_before, label_after=args.label_after)
    result = verify_dataset(args.root, args.splits, folders, args.single or args.image is not None, args.threshold,
                            args.workers, args.ignore, args.list, args.list_split, dict(
                                before=args.before_suffix, after=args.after_suffix, label=args.label_suffix,
                                image=args.image_suffix), parse_classes(args.classes))
    print(report(result))
    if args.json:
        write_atomic(args.json, as_json(result.as_dict()))
        print(f'Everything in full: {args.json}')
    return 1 if result.failed else 0
