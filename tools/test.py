"""Score a checkpoint: python tools/test.py configs/schanger/levir.py CHECKPOINT."""

import sys

from schanger_mm.commands import test
from schanger_mm.commands.cli import run

if __name__ == '__main__':
    sys.exit(run(test))
