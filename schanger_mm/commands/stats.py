"""Compute mean and standard deviation for data_preprocessor."""

from __future__ import annotations

import argparse

from schanger_mm.commands.arguments import RasterParser


def parser() -> argparse.ArgumentParser:
    """Return the parser."""
    parser = RasterParser(
        description='Compute the mean over samples of the mean and standard deviation per sample, for each date.')
    parser.add_argument('root', help='folder of the data set')
    parser.add_argument('--split', metavar='NAME', help='sub-folder to read, or none (default: train if it '
                        'exists)')
    parser.add_argument('--before', metavar='NAME', help='folder of date A (default: A, Image1, time1 or t1)')
    parser.add_argument('--after', metavar='NAME', help='folder of date B (default: its partner)')
    parser.add_argument('--single', action='store_true', help='read images of one date, even if there are pairs')
    parser.add_argument('--image', metavar='NAME', help='folder of the images of one date (default: images, image or '
                        'img)')
    for role in ('before', 'after', 'image'):
        parser.add_argument(f'--{role}-suffix', metavar='END', help='ending of its files, for example _pre.png')
    parser.add_argument('--list', metavar='FILE', help='use only the images named in this file, one per line: '
                        'statistics should come from training images only')
    parser.add_argument('--list-split', metavar='NAME', help='FILE is a table with lines name,split; use those of '
                        'this split')
    parser.add_argument('--patch', type=int, metavar='PX', help='samples are patches of this side (default: images)')
    parser.add_argument('--bands', metavar='N,N,...', help='bands to take, from 1, of images that are not 8-bit with '
                        'three bands; all: all of them')
    parser.add_argument('--files', nargs='+', metavar='END', help='endings of the files of an image that has one per '
                        'band, for example _B02.tif _B03.tif')
    parser.add_argument('--scale', metavar='MIN:MAX', help='values that become 0 and 255, for other than 8-bit images')
    parser.add_argument('--workers', type=int, metavar='N', help='processes (default: as many as cores, up to 8)')
    return parser


def main(args: argparse.Namespace) -> None:
    """Compute and print."""
    from schanger_mm.data_tools.stats import dataset_statistics, report
    from schanger_mm.datasets.bands import read_options
    folders = dict(before=args.before, after=args.after, image=args.image)
    print(report(dataset_statistics(args.root, args.split, folders, args.single or args.image is not None,
                                    args.patch, args.workers, args.list, args.list_split,
                                    dict(before=args.before_suffix, after=args.after_suffix, image=args.image_suffix),
                                    read_options(args.bands, args.files, args.scale))))
