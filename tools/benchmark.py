"""Time and memory of a network in its variants: python tools/benchmark.py --arch base --sizes 256 1024."""

import argparse
import shlex
import sys
from pathlib import Path

from schanger_mm import apis
from schanger_mm.apis.benchmark import Benchmark, benchmark
from schanger_mm.benchmark.measure import Conditions
from schanger_mm.benchmark.memory import GIB
from schanger_mm.benchmark.subject import subjects_of
from schanger_mm.benchmark.variants import TASKS, VARIANTS
from schanger_mm.data_tools.writing import as_json, refuse_existing, write_atomic


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description='Compare the forms of a network with its plain form (each date on its own, nothing fused, eager, '
                    'default malloc): time, peak memory, share of what the machine can do. Each form runs in a '
                    'process of its own; they take turns.',
        epilog='variants. ' + '; '.join(f'{task}: {", ".join(variants)}' for task, variants in VARIANTS.items()))
    parser.add_argument('configs', nargs='*', metavar='CONFIG',
                        help='config of any detector or segmentor (default: SChanger base and small)')
    parser.add_argument('--arch', nargs='+', metavar='ARCH',
                        help='SChanger by size: base, small, or six widths such as 4,4,6,8,10,12')
    parser.add_argument('--task', nargs='+', default=['inference'], metavar='TASK',
                        help=f'{" and ".join(TASKS)} (default: inference)')
    parser.add_argument('--sizes', nargs='+', type=int, default=[256], metavar='PX', help='sides (default: 256)')
    parser.add_argument('--batches', nargs='+', type=int, default=[1], metavar='N', help='pairs per call (default: 1)')
    parser.add_argument('--variants', nargs='+', metavar='NAME', help='see below (default: all that the device has)')
    parser.add_argument('--rounds', type=int, default=7, metavar='R', help='timed calls of each (default: 7)')
    parser.add_argument('--threads', type=int, default=2, metavar='N', help='of every runtime (default: 2)')
    parser.add_argument('--device', default='cpu', help='such as cuda:0 (default: cpu)')
    parser.add_argument('--checkpoint', metavar='FILE', help='weights of the one network (default: random ones)')
    parser.add_argument('--memory-limit', type=float, metavar='GIB',
                        help='end a variant that takes more (default: 90 %% of what is free)')
    parser.add_argument('--timeout', type=float, default=3600, metavar='S',
                        help='give up a variant whose build, warm-up or call takes longer (default: 3600)')
    parser.add_argument('--seed', type=int, default=0, metavar='N', help='of weights and inputs (default: 0)')
    parser.add_argument('--out', type=Path, metavar='FILE', help='write everything there, JSON')
    parser.add_argument('--markdown', type=Path, metavar='FILE', help='write the tables there too')
    parser.add_argument('--overwrite', action='store_true', help='replace those files')
    return parser.parse_args()


def main() -> None:
    """Measure and print."""
    args = parse_args()
    files = [path for path in (args.out, args.markdown) if path]
    if not args.overwrite:
        refuse_existing(files)
    conditions = Conditions(args.rounds, args.threads, args.device, args.seed,
                            None if args.memory_limit is None else int(args.memory_limit * GIB), args.timeout)

    def keep(result: Benchmark) -> None:
        if args.out:
            write_atomic(args.out, as_json(result.as_dict()))
        if args.markdown:
            write_atomic(args.markdown, str(result).encode())

    print(benchmark(
        subjects_of(args.configs, args.arch, args.checkpoint), args.task, args.sizes, args.batches, args.variants,
        conditions, f'python {shlex.join(sys.argv)}', say=lambda text: print(text, file=sys.stderr), keep=keep))


if __name__ == '__main__':
    sys.exit(apis.run(main))
