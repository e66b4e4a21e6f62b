"""Count a network's parameters and operations: python tools/analysis_tools/get_flops.py CONFIG."""

import sys

from schanger_mm.commands import flops
from schanger_mm.commands.cli import run

if __name__ == '__main__':
    sys.exit(run(flops))
