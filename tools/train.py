"""Train a model from a config: python tools/train.py configs/schanger/levir.py."""

import argparse
import os
import sys

from schanger_mm import apis


def parse_args() -> argparse.Namespace:
    """Read the command line; options are those of mmsegmentation's tool, plus ``--max-iters``."""
    parser = argparse.ArgumentParser(description='Train a model from a config.')
    parser.add_argument('config', help='config file')
    parser.add_argument('--work-dir', help='where logs and checkpoints go (default: work_dirs/<config name>)')
    parser.add_argument('--resume', nargs='?', const='auto', metavar='CHECKPOINT',
                        help='continue from the newest checkpoint of the work directory, or from this one')
    parser.add_argument('--overwrite', action='store_true',
                        help='start anew in a work directory that holds checkpoints, which are replaced')
    parser.add_argument('--amp', action='store_true', help='automatic mixed precision (needs a GPU)')
    parser.add_argument('--max-iters', type=int, help='shorten the run; warm-up, decay and EMA keep their share')
    parser.add_argument('--on-nan', choices=['stop', 'skip'],
                        help='a loss that is NaN or Inf: stop and save a copy of the batch, or leave its update out '
                             '(default: as the config says in default_hooks.bad_loss, which is stop)')
    parser.add_argument('--cfg-options', nargs='+', action=apis.OptionsAction, metavar='KEY=VALUE',
                        help='override settings, for example train_dataloader.batch_size=4')
    parser.add_argument('--launcher', choices=['none', 'pytorch', 'slurm', 'mpi'], default='none')
    parser.add_argument('--local_rank', '--local-rank', type=int, default=0)
    args = parser.parse_args()
    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
    return args


def main() -> None:
    """Build the Runner and train."""
    args = parse_args()
    cfg = apis.load_config(args.config, args.cfg_options)
    apis.prepare(cfg, args.config, args.work_dir, args.launcher)
    if args.max_iters is not None:
        apis.shorten(cfg, args.max_iters)
    if args.amp:
        apis.use_amp(cfg)
    if args.on_nan:
        apis.set_on_nan(cfg, args.on_nan)
    if args.resume:
        apis.resume_from(cfg, args.resume)
    elif not args.overwrite:
        apis.refuse_earlier_run(cfg.work_dir)
    apis.train(apis.build_runner(cfg))


if __name__ == '__main__':
    sys.exit(apis.run(main))
