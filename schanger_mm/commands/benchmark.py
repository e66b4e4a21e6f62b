"""Compare the time and memory of a network in its variants."""

from __future__ import annotations

import argparse
import itertools
import sys
from pathlib import Path

from schanger_mm.commands.arguments import add_config, command_line
from schanger_mm.utils.errors import SettingError

VARIANTS = {
    'inference': ('plain', 'plain-tuned', 'channels-last', 'fast', 'fast-tuned', 'fast-default', 'fast-bf16',
                  'fast-fp16', 'compile', 'onnx', 'openvino', 'openvino-bf16'),
    'train': ('plain', 'plain-tuned', 'channels-last', 'recompute', 'recompute-default', 'bf16', 'recompute-bf16',
              'fp16', 'recompute-fp16', 'compile'),
}


def parser() -> argparse.ArgumentParser:
    """Return the parser."""
    parser = argparse.ArgumentParser(
        description='Compare the variants of a network with its plain form (each date separately, nothing fused, '
                    'eager, default malloc): time, peak memory, share of peak rates of the machine. Each variant runs '
                    'in its own process, twice, the second time in reverse order.',
        epilog='variants. ' + '; '.join(f'{task}: {", ".join(variants)}' for task, variants in VARIANTS.items()))
    add_config(parser, 'configs', 'config of any detector or segmentor (default: SChanger base and small)', nargs='*',
               metavar='CONFIG')
    parser.add_argument('--arch', nargs='+', metavar='ARCH',
                        help='sizes of SChanger: base, small, or six widths such as 4,4,6,8,10,12')
    parser.add_argument('--task', nargs='+', choices=list(VARIANTS), default=['inference'],
                        help='what to measure (default: inference)')
    parser.add_argument('--sizes', nargs='+', type=int, default=[256], metavar='PX',
                        help='image sides (default: 256)')
    parser.add_argument('--batches', nargs='+', type=int, default=[1], metavar='N', help='pairs per call (default: 1)')
    parser.add_argument('--variants', nargs='+', metavar='NAME', help='see below (default: all that the device has)')
    parser.add_argument('--rounds', type=int, default=7, metavar='R', help='timed calls per variant (default: 7)')
    parser.add_argument('--threads', type=int, default=2, metavar='N', help='threads of every runtime (default: 2)')
    parser.add_argument('--device', default='cpu', help='device, such as cuda:0 (default: cpu)')
    parser.add_argument('--checkpoint', metavar='FILE', help='weights, for a single network (default: random)')
    parser.add_argument('--data', metavar='DIR', help='labelled pairs in DIR/{A,B,label}: also report what each '
                        'variant costs a trained network in F1, on tiles of the sizes; CONFIG is then a checkpoint '
                        'that holds its config')
    parser.add_argument('--timeout', type=float, default=3600, metavar='S',
                        help='stop a variant whose process takes longer, in seconds (default: 3600)')
    parser.add_argument('--seed', type=int, default=0, metavar='N', help='seed of weights and inputs (default: 0)')
    parser.add_argument('--out', type=Path, metavar='FILE', help='write all results to this JSON file')
    parser.add_argument('--markdown', type=Path, metavar='FILE', help='also write the tables to this file')
    parser.add_argument('--overwrite', action='store_true', help='replace existing files')
    return parser


def main(args: argparse.Namespace) -> None:
    """Measure and print.

    Raises:
        SettingError: options that do not fit together, or no variant could be measured; the tables are written then.
    """
    from schanger_mm.benchmark.measure import Job
    from schanger_mm.benchmark.network import is_size
    from schanger_mm.benchmark.run import benchmark
    from schanger_mm.benchmark.table import format_benchmark
    from schanger_mm.utils.files import as_json, refuse_existing, write_atomic
    files = [path for path in (args.out, args.markdown) if path]
    if not args.overwrite:
        refuse_existing(*files)
    if wrong := [arch for arch in args.arch or [] if not is_size(arch)]:
        raise SettingError(f'--arch {wrong[0]}: expected base, small or six widths such as 4,4,6,8,10,12.')
    networks = [*args.configs, *(args.arch or [])] or ['base', 'small']
    if args.checkpoint and len(networks) > 1:
        raise SettingError(f'--checkpoint {args.checkpoint}: it fits one network, but there are {len(networks)}; name '
                           'one CONFIG or one --arch.')
    jobs = [Job(network, task, size, batch, rounds=args.rounds, threads=args.threads, device=args.device,
                checkpoint=args.checkpoint, seed=args.seed, data=args.data)
            for network, task, size, batch in itertools.product(networks, args.task, args.sizes, args.batches)]
    command = command_line()

    def text(facts: dict) -> str:
        return f'`{command}`\n\n{format_benchmark(facts)}'

    def keep(facts: dict) -> None:
        if args.out:
            write_atomic(args.out, as_json(dict(facts, command=command)))
        if args.markdown:
            write_atomic(args.markdown, text(facts).encode())

    facts = benchmark(jobs, args.variants, args.timeout, say=lambda text: print(text, file=sys.stderr), keep=keep)
    print(text(facts))
    rows = [row for result in facts['results'] for row in result['variants']]
    if all(row['failure'] for row in rows):
        raise SettingError(f'no variant could be measured; the first, {rows[0]["name"]}: '
                           f'{" ".join(rows[0]["failure"].split())}')
