"""Measure how many labels pre-training saves: python tools/study.py, or make study."""

import sys

from schanger_mm.commands import study
from schanger_mm.commands.cli import run

if __name__ == '__main__':
    sys.exit(run(study))
