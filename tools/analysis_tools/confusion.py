"""Sweep the threshold of a checkpoint: python tools/analysis_tools/confusion.py CONFIG CHECKPOINT."""

import sys

from schanger_mm.commands import thresholds
from schanger_mm.commands.cli import run

if __name__ == '__main__':
    sys.exit(run(thresholds))
