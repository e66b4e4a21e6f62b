"""Time ``--help`` of every command, and the first import."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from schanger_mm.commands.arguments import checkout
from schanger_mm.commands.table import COMMANDS, PROGRAM, SCRIPTS
from schanger_mm.utils.errors import SettingError

TARGET = 0.5
"""Seconds that a command may take to print its help on an idle machine."""


def parser() -> argparse.ArgumentParser:
    """Return the parser."""
    parser = argparse.ArgumentParser(
        description='Measure how many seconds Python alone, the first import and --help of every command take; '
                    f'target: {TARGET}.')
    parser.add_argument('--rounds', type=int, default=5, metavar='R', help='calls of each; the fastest counts '
                        '(default: 5)')
    return parser


def main(args: argparse.Namespace) -> int:
    """Measure and print; return 1 if a command takes longer than :data:`TARGET`."""
    if args.rounds < 1:
        raise SettingError(f'--rounds {args.rounds}: expected 1 or more.')
    seconds = measure(command_lines(), args.rounds)
    width = max(map(len, seconds))
    print('\n'.join(f'{name:{width}}  {value:.3f} s' for name, value in seconds.items()))
    slow = [name for name, value in seconds.items() if value > TARGET]
    print(f'longer than {TARGET} s: {", ".join(slow) or "none"}')
    return 1 if slow else 0


def command_lines() -> dict[str, list[str]]:
    """Return what is measured, by name: the words after ``python``."""
    tools = checkout() / 'tools'
    return {'python alone': ['-c', ''], 'import schanger_mm': ['-c', 'import schanger_mm'],
            PROGRAM: ['-m', 'schanger_mm'],
            **{f'{PROGRAM} {name}': ['-m', 'schanger_mm', *name.split(), '--help'] for name in COMMANDS},
            **{f'{script}.py': [str(tools / f'{script}.py'), '--help'] for script in SCRIPTS.values()}}


def measure(lines: Mapping[str, Sequence[str]], rounds: int) -> dict[str, float]:
    """Return the seconds of the best of ``rounds`` calls, by name."""
    return {name: min(_seconds(words) for _ in range(rounds)) for name, words in lines.items()}


def _seconds(words: Sequence[str]) -> float:
    package = Path(__file__).resolve().parents[2]
    path = os.pathsep.join(filter(None, (str(package), os.environ.get('PYTHONPATH'))))
    start = time.perf_counter()
    subprocess.run([sys.executable, *words], env={**os.environ, 'PYTHONPATH': path}, stdout=subprocess.DEVNULL,
                   check=True)
    return time.perf_counter() - start
