"""Time a whole scene against the bare network: python tools/benchmark_scene.py MODEL BEFORE AFTER."""

import sys

from schanger_mm.commands import benchmark_scene
from schanger_mm.commands.cli import run

if __name__ == '__main__':
    sys.exit(run(benchmark_scene))
