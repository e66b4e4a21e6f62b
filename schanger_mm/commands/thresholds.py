"""Sweep the threshold of a checkpoint."""

from __future__ import annotations

import argparse

from schanger_mm.commands.arguments import add_cfg_options, add_config, load_config


def parser() -> argparse.ArgumentParser:
    """Return the parser."""
    parser = argparse.ArgumentParser(
        description='Compute precision, recall, F1, IoU and the confusion matrix at every probability threshold.')
    add_config(parser)
    parser.add_argument('checkpoint', help='checkpoint file, or an exported network (.onnx, .xml)')
    parser.add_argument('--split', choices=['val', 'test'], default='val', help='images to use (default: val)')
    parser.add_argument('--out', metavar='DIR', help='folder for tables and picture (default: in the work directory)')
    parser.add_argument('--bins', type=int, default=1000, help='threshold steps from 0 to 1, an even number '
                        '(default: 1000)')
    parser.add_argument('--keep', metavar='FILE', help='write a copy of the checkpoint that holds the fitted '
                        'temperature: the probabilities that `schanger predict` and exports yield are then right on '
                        'average, and decisions stay')
    parser.add_argument('--work-dir', help='folder for logs (default: work_dirs/<config name>)')
    parser.add_argument('--overwrite', action='store_true', help='replace the files of an earlier sweep')
    add_cfg_options(parser, 'val_dataloader.dataset.data_root=DIR')
    return parser


def main(args: argparse.Namespace) -> None:
    """Sweep and print."""
    from schanger_mm.analysis.thresholds import sweep_checkpoint, sweep_folder
    from schanger_mm.engine.runner import prepare
    from schanger_mm.utils.locking import locked
    cfg = load_config(args)
    prepare(cfg, args.config, args.work_dir)
    folder = sweep_folder(cfg, args.split, args.out)
    with locked(folder):
        print(sweep_checkpoint(cfg, args.checkpoint, args.split, folder, args.bins, args.overwrite,
                               args.keep))
