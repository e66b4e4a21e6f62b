"""Compare starts and methods on folders of pairs, few of them labelled."""

from __future__ import annotations

import argparse
from pathlib import Path

from schanger_mm.commands.arguments import checkout

STARTS = ('scratch', 'supervised', 'sadl', 'sadl-supervised')
PEERS = ('upernet', 'segformer', 'fc-siam')
ARMS = (*(start + form for form in ('', '-half', '-semi', '-half-semi') for start in STARTS), *PEERS)


def parser() -> argparse.ArgumentParser:
    """Return the parser."""
    parser = argparse.ArgumentParser(
        description='Train SChanger-small from several starts, with and without unlabelled pairs, and other networks, '
        'on the same pairs and with the same budget; score the last weights of each on the validation pairs. One '
        'training runs at a time, at low priority. Stop it in any way; the same command continues.')
    data = parser.add_argument_group('data')
    data.add_argument('--train', type=Path, required=True, metavar='DIR', help='training pairs, DIR/{A,B,label}')
    data.add_argument('--val', type=Path, required=True, metavar='DIR', help='validation pairs, DIR/{A,B,label}')
    data.add_argument('--images', type=Path, metavar='DIR', help='single images, for pre-training')
    data.add_argument('--masks', type=Path, metavar='DIR', help='their masks')
    data.add_argument('--before', default='A', metavar='NAME', help='folder of date A (default: A)')
    data.add_argument('--after', default='B', metavar='NAME', help='folder of date B (default: B)')
    data.add_argument('--label', default='label', metavar='NAME', help='folder of the masks (default: label)')
    data.add_argument('--label-threshold', type=int, metavar='N', help='mask value from which a pixel is changed, for '
                      'lossy masks')
    parser.add_argument('--arms', nargs='+', default=['scratch', 'supervised'], metavar='ARM[:LABELLED]',
                        help=f'what to compare: {", ".join(ARMS)}; with :N or :all, the number of labelled pairs '
                        '(default: scratch supervised)')
    parser.add_argument('--labelled', nargs='+', default=['all'], metavar='N',
                        help='numbers of labelled pairs, for arms that name none (default: all)')
    budget = parser.add_argument_group('budget of each arm, in minutes or iterations')
    budget.add_argument('--minutes', type=float, default=120, help='minutes of a core, or of the GPU if there is one; '
                        'pre-trainings included (default: 120)')
    budget.add_argument('--pretrain-minutes', type=float, default=30, help='minutes of each pre-training (default: 30)')
    budget.add_argument('--iters', type=int, help='iterations on pairs, instead of minutes')
    budget.add_argument('--pretrain-iters', type=int, help='iterations of each pre-training, with --iters')
    parser.add_argument('--seeds', nargs='+', default=['36'],
                        help='seeds of the trainings, and of the draw of labelled pairs (default: 36)')
    parser.add_argument('--threads', type=int, default=1, help='threads of the CPU (default: 1)')
    parser.add_argument('--nice', type=int, default=19, help='priority of the trainings, 0 to 19 (default: 19, lowest)')
    parser.add_argument('--configs', type=Path, metavar='DIR',
                        help='folder of the configs of the arms (default: configs/few_labels)')
    parser.add_argument('--out', default='compare_out',
                        help='folder of trainings and results (default: compare_out)')
    return parser


def main(args: argparse.Namespace) -> None:
    """Run the comparison."""
    from schanger_mm.experiments.arms import parse_arms
    from schanger_mm.experiments.budget import Budget
    from schanger_mm.experiments.compare import Comparison
    from schanger_mm.experiments.compare_data import Data
    from schanger_mm.experiments.study import parse_seeds
    from schanger_mm.utils.files import results_folder
    from schanger_mm.utils.locking import locked
    repo = checkout()
    out = results_folder(args.out)
    train, val, images, masks = (path and path.resolve() for path in (args.train, args.val, args.images, args.masks))
    data = Data(train, val, images, masks, args.before, args.after, args.label, args.label_threshold)
    comparison = Comparison(
        repo, args.configs or repo / 'configs/few_labels', out, data, parse_arms(args.arms, args.labelled),
        Budget(args.minutes, args.pretrain_minutes, args.iters, args.pretrain_iters), parse_seeds(args.seeds),
        args.threads, args.nice)
    with locked(out):
        comparison.run()
