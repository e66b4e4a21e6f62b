"""Measure time and memory of a network's variants: python tools/benchmark.py --arch base --sizes 256 1024."""

import sys

from schanger_mm.commands import benchmark
from schanger_mm.commands.cli import run

if __name__ == '__main__':
    sys.exit(run(benchmark))
