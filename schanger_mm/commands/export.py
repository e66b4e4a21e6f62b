"""Write a detector as one file for other programs."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from schanger_mm.commands.arguments import add_cfg_options, add_config, load_config

if TYPE_CHECKING:
    from mmengine.config import Config

    from schanger_mm.checkpoints import Checkpoint

FORMATS = ('onnx', 'openvino', 'program')


def parser() -> argparse.ArgumentParser:
    """Return the parser."""
    parser = argparse.ArgumentParser(
        description='Export a detector as ONNX, OpenVINO or ExportedProgram, for any batch size, height and width. The '
        'file is written only if its probabilities match PyTorch within 1e-4. See docs/export.md.')
    add_config(parser, help='a model that holds its config (a checkpoint of `schanger train`, hf://ORG/NAME, or a '
               'published one such as levir-base), or, with CHECKPOINT, a config', metavar='MODEL')
    parser.add_argument('checkpoint', metavar='CHECKPOINT', nargs='?', help='weights for a config: a file, or '
                        'hf://ORG/NAME')
    parser.add_argument('--format', choices=FORMATS, required=True, help="program: PyTorch's ExportedProgram")
    parser.add_argument('--out', metavar='FILE', required=True, help='file to write: .onnx, .xml (and .bin) or .pt2')
    parser.add_argument('--normalise', choices=['inside', 'outside'],
                        help='inside: the file takes 0..255; outside: (x - mean) / std (default: inside)')
    parser.add_argument('--gsd', type=float, metavar='METRES',
                        help="ground sampling distance of the training images (default: the data set's, if known)")
    parser.add_argument('--tile', type=int, metavar='PX',
                        help='side of the tiles to predict on (default: that of the test, or 256)')
    parser.add_argument('--pairs', nargs=2, action='append', default=[], metavar=('BEFORE', 'AFTER'),
                        help='images for the comparison; may be repeated (default: three pairs of the test data, if '
                        'available)')
    parser.add_argument('--precision', choices=['fp32', 'int8'], default='fp32',
                        help='int8: convolutions in 8 bits, for --format onnx and openvino (default: fp32)')
    parser.add_argument('--calibration', metavar='DIR', help='labelled pairs for int8, DIR/{A,B,label}: half of them '
                        'set its ranges, the others decide whether it is written (at most 0.3 points of F1 lost)')
    parser.add_argument('--overwrite', action='store_true', help='replace FILE if it exists')
    add_cfg_options(parser)
    return parser


def main(args: argparse.Namespace) -> None:
    """Export."""
    from schanger_mm.deploy.export import export
    from schanger_mm.utils.locking import locked
    settings = {name: value for name, value in vars(args).items() if name not in ('config', 'cfg_options')}
    if args.checkpoint is None:
        cfg, config, settings['checkpoint'] = _by_one_name(args)
    else:
        cfg, config = load_config(args), args.config
    with locked(args.out, beside=True):
        print(export(cfg, config, **settings))


def _by_one_name(args: argparse.Namespace) -> tuple[Config, str, Checkpoint]:
    from schanger_mm.config.names import is_config
    from schanger_mm.deploy.model_files import open_named
    from schanger_mm.utils.errors import SettingError
    if is_config(args.config):
        raise SettingError(f'{args.config} is a config: name its checkpoint after it.')
    if args.cfg_options:
        raise SettingError(f'--cfg-options: {args.config} holds its config, which cannot be changed here; name a '
                           'config file and the checkpoint.')
    found = open_named(args.config)
    if found.names[1] is None:
        found.cfg.pop('test_dataloader', None)  # its own, and perhaps a stranger's: data sets are not built from it
    return found.cfg, found.config_name, found.checkpoint
