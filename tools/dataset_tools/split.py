"""Write split lists: python tools/dataset_tools/split.py data/LEVIR-CD+/train/A --val 64 --out DIR."""

import sys

from schanger_mm.commands import split
from schanger_mm.commands.cli import run

if __name__ == '__main__':
    sys.exit(run(split))
