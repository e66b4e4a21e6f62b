"""Score a checkpoint: python tools/test.py configs/schanger/levir.py CHECKPOINT."""

import argparse
import os
import sys

from schanger_mm import apis
from schanger_mm.checkpoints.quarantine import TRUST
from schanger_mm.deploy.card import BACKENDS


def parse_args() -> argparse.Namespace:
    """Read the command line; options are those of mmsegmentation's tool, plus the report's."""
    parser = argparse.ArgumentParser(
        description='Score a checkpoint on the test split of a config; one confusion matrix over all images.')
    parser.add_argument('config', help='config file')
    parser.add_argument('checkpoint', help='checkpoint file, or an exported network (.onnx, .xml, .pt2)')
    parser.add_argument('--work-dir', help='where logs go (default: work_dirs/<config name>)')
    parser.add_argument('--out', metavar='DIR',
                        help='write the report there: report.json, per_image.csv, predictions/*.png, worst/*.png')
    parser.add_argument('--worst', type=int, metavar='N', help='pictures of the N worst images in --out (default: 10)')
    parser.add_argument('--overwrite', action='store_true', help='replace an earlier report in --out')
    parser.add_argument('--show-dir', metavar='DIR', help='draw before | after | truth | prediction there')
    parser.add_argument('--mode', choices=list(apis.MODES),
                        help='256 px tiles, 256 px windows every 128 px, or whole images (default: as the config says)')
    parser.add_argument('--tta', action='store_true', help='average the probabilities of the image and its three flips')
    parser.add_argument('--tta-scales', nargs='+', type=float, metavar='S',
                        help='with --tta: each view at these sizes too, for example 0.75 1.0 1.25')
    parser.add_argument('--batch-size', type=int, metavar='N',
                        help='images per step, of one size (default: as the config says)')
    parser.add_argument('--backend', choices=list(BACKENDS), help='what runs an exported network (default: by suffix)')
    parser.add_argument('--precision', choices=['fp32', 'bf16', 'fp16'],
                        help='of weights and maps; fp16 on a GPU, exports in bf16 with openvino only (default: fp32)')
    parser.add_argument(TRUST, action='store_true', dest='trust', help='load a .pt2 export, which can run code as '
                        'you; nothing else needs it')
    parser.add_argument('--plain', action='store_true', help='the network layer by layer, as it was trained, instead '
                        'of its inference form (slower; the same within rounding)')
    parser.add_argument('--cfg-options', nargs='+', action=apis.OptionsAction, metavar='KEY=VALUE',
                        help='override settings, for example test_dataloader.dataset.data_root=DIR')
    parser.add_argument('--launcher', choices=['none', 'pytorch', 'slurm', 'mpi'], default='none')
    parser.add_argument('--local_rank', '--local-rank', type=int, default=0)
    args = parser.parse_args()
    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
    return args


def main() -> None:
    """Build the Runner and test."""
    args = parse_args()
    cfg = apis.load_config(args.config, args.cfg_options)
    apis.prepare(cfg, args.config, args.work_dir, args.launcher)
    apis.test_only(cfg, args.checkpoint, args.show_dir, args.mode, args.tta, args.tta_scales, args.batch_size,
                   args.backend, args.precision, args.plain, args.trust)
    apis.evaluate(cfg, args.out, args.worst, args.overwrite)


if __name__ == '__main__':
    sys.exit(apis.run(main))
