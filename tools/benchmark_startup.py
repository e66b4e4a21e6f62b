"""Time --help of every command and the first import: python tools/benchmark_startup.py."""

import sys

from schanger_mm.commands import benchmark_startup
from schanger_mm.commands.cli import run

if __name__ == '__main__':
    sys.exit(run(benchmark_startup))
