"""Score a checkpoint on the test split of a config."""

from __future__ import annotations

import argparse
from contextlib import ExitStack

from schanger_mm.commands.arguments import (
    PRECISIONS,
    add_cfg_options,
    add_config,
    add_launcher,
    load_config,
    note_local_rank,
)

MODES = ('tiles', 'overlap', 'whole')
BACKENDS = ('onnx', 'openvino')
"""Formats of exported networks that can be run; the parsers must not import the modules that define them."""


def parser() -> argparse.ArgumentParser:
    """Return the parser; it has the options of mmsegmentation's tool, plus those of the report."""
    parser = argparse.ArgumentParser(
        description='Score a checkpoint on the test split of a config; one confusion matrix over all images.')
    add_config(parser)
    parser.add_argument('checkpoint', help='checkpoint file, model of the Hugging Face hub '
                        '(hf://ORG/NAME[@REVISION]), or an exported network (.onnx, .xml)')
    parser.add_argument('--work-dir', help='folder for logs (default: work_dirs/<config name>)')
    parser.add_argument('--out', metavar='DIR',
                        help='write the report to DIR: report.json, per_image.csv, predictions/*.png, worst/*.png')
    parser.add_argument('--worst', type=int, metavar='N', help='draw the N worst images in --out (default: 10)')
    parser.add_argument('--overwrite', action='store_true', help='replace an earlier report in --out')
    parser.add_argument('--show-dir', metavar='DIR', help='draw before | after | truth | prediction to DIR')
    parser.add_argument('--mode', choices=MODES,
                        help="256 px tiles, 256 px windows every 128 px, or whole images (default: the config's)")
    parser.add_argument('--tta', action='store_true', help='average the probabilities of the image and its three flips')
    parser.add_argument('--tta-scales', nargs='+', type=float, metavar='S',
                        help='with --tta: also average over these scales, for example 0.75 1.0 1.25')
    parser.add_argument('--batch-size', type=int, metavar='N',
                        help="images per step, all of the same size (default: the config's)")
    parser.add_argument('--backend', choices=BACKENDS, help='runtime for an exported network (default: by suffix)')
    parser.add_argument('--precision', choices=PRECISIONS,
                        help='precision of weights and maps; fp16 needs a GPU, and exports in bf16 need openvino '
                        '(default: fp32)')
    parser.add_argument('--plain', action='store_true', help='run the network layer by layer, as it was trained, '
                        'instead of in its inference form (slower; equal up to rounding)')
    parser.add_argument('--allow-overlap', action='store_true', help='score images that the checkpoint was trained on, '
                        'which are refused otherwise')
    add_cfg_options(parser, 'test_dataloader.dataset.data_root=DIR')
    add_launcher(parser)
    return parser


def main(args: argparse.Namespace) -> None:
    """Build the Runner and test."""
    from schanger_mm.apis.scoring import evaluate, test_only
    from schanger_mm.engine.processes import is_first
    from schanger_mm.engine.runner import prepare
    from schanger_mm.utils.files import results_folder
    from schanger_mm.utils.locking import locked
    note_local_rank(args)
    cfg = load_config(args)
    prepare(cfg, args.config, args.work_dir, args.launcher)
    test_only(cfg, args.checkpoint, args.show_dir, args.mode, args.tta, args.tta_scales, args.batch_size,
              args.backend, args.precision, args.plain, args.allow_overlap)
    with ExitStack() as locks:
        for folder in (args.out, args.show_dir):
            if folder is not None:
                locks.enter_context(locked(results_folder(folder), hold=is_first(args.launcher)))
        evaluate(cfg, args.out, args.worst, args.overwrite)
