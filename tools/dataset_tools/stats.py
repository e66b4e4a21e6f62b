"""Compute mean and standard deviation for data_preprocessor: python tools/dataset_tools/stats.py data/LEVIR-CD."""

import sys

from schanger_mm.commands import stats
from schanger_mm.commands.cli import run

if __name__ == '__main__':
    sys.exit(run(stats))
