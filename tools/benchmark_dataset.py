"""Time the training pipeline of a config: python tools/benchmark_dataset.py configs/schanger/levir.py."""

import sys

from schanger_mm.commands import benchmark_dataset
from schanger_mm.commands.cli import run

if __name__ == '__main__':
    sys.exit(run(benchmark_dataset))
