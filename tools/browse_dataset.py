"""Draw the samples that training sees: python tools/browse_dataset.py configs/schanger/levir.py --sheet."""

import sys

from schanger_mm.commands import browse
from schanger_mm.commands.cli import run

if __name__ == '__main__':
    sys.exit(run(browse))
