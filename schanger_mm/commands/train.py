"""Train a model from a config."""

from __future__ import annotations

import argparse

from schanger_mm.commands.arguments import add_cfg_options, add_config, add_launcher, load_config, note_local_rank

VIS = ('tensorboard', 'wandb', 'mlflow')


def parser() -> argparse.ArgumentParser:
    """Return the parser; it has the options of mmsegmentation's tool, plus ``--max-iters`` and a few more."""
    parser = argparse.ArgumentParser(description='Train a model from a config.')
    add_config(parser)
    parser.add_argument('--work-dir', help='folder for logs and checkpoints (default: work_dirs/<config name>)')
    parser.add_argument('--resume', nargs='?', const='auto', metavar='CHECKPOINT',
                        help='continue from the newest checkpoint of the work directory, or from CHECKPOINT')
    parser.add_argument('--overwrite', action='store_true',
                        help='overwrite existing checkpoints; without it, training refuses to start')
    parser.add_argument('--amp', action='store_true', help='automatic mixed precision (needs a GPU)')
    parser.add_argument('--max-iters', type=int, help='shorten the run; warm-up, decay and EMA scale with it')
    parser.add_argument('--on-nan', choices=['stop', 'skip'],
                        help='if the loss is NaN or Inf: stop and save a copy of the batch, or skip the update '
                             "(default: the config's default_hooks.bad_loss, which stops)")
    parser.add_argument('--vis', choices=VIS, action='append', default=[],
                        help='log losses, scores and pictures there, too; may be given more than once')
    add_cfg_options(parser, 'train_dataloader.batch_size=4')
    add_launcher(parser)
    return parser


def main(args: argparse.Namespace) -> None:
    """Build the Runner and train."""
    from schanger_mm.config.schedule import shorten
    from schanger_mm.engine.processes import is_first
    from schanger_mm.engine.resume import refuse_earlier_run, resume_from
    from schanger_mm.engine.runner import build_runner, prepare, set_on_nan, train, use_amp
    from schanger_mm.engine.visual_backends import add_backends
    from schanger_mm.utils.locking import locked
    note_local_rank(args)
    cfg = load_config(args)
    prepare(cfg, args.config, args.work_dir, args.launcher)
    if args.max_iters is not None:
        shorten(cfg, args.max_iters)
    if args.amp:
        use_amp(cfg)
    if args.on_nan:
        set_on_nan(cfg, args.on_nan)
    if args.vis:
        add_backends(cfg, args.vis)
    with locked(cfg.work_dir, hold=is_first(args.launcher)):
        resumed = resume_from(cfg, args.resume) if args.resume else None
        if not args.resume and not args.overwrite:
            refuse_earlier_run(cfg.work_dir)
        train(build_runner(cfg, resumed))
