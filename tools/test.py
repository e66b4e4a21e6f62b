"""Score a checkpoint: python tools/test.py configs/schanger/levir.py CHECKPOINT."""

import argparse
import os
import sys

from mmengine.config import DictAction

from schanger_mm import apis


def parse_args() -> argparse.Namespace:
    """Read the command line; options are those of mmsegmentation's tool."""
    parser = argparse.ArgumentParser(description='Score a checkpoint on the test split of a config.')
    parser.add_argument('config', help='config file')
    parser.add_argument('checkpoint', help='checkpoint file')
    parser.add_argument('--work-dir', help='where logs go (default: work_dirs/<config name>)')
    parser.add_argument('--out', metavar='DIR', help='write predictions (PNG) and per_image.csv there')
    parser.add_argument('--show-dir', metavar='DIR', help='draw before | after | truth | prediction there')
    parser.add_argument('--cfg-options', nargs='+', action=DictAction, metavar='KEY=VALUE',
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
    apis.test_only(cfg, args.checkpoint, args.out, args.show_dir)
    apis.build_runner(cfg).test()


if __name__ == '__main__':
    sys.exit(apis.run(main))
