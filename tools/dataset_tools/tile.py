"""Cut images into tiles: python tools/dataset_tools/tile.py data/LEVIR-CD data/LEVIR-CD-256."""

import sys

from schanger_mm.commands import tile
from schanger_mm.commands.cli import run

if __name__ == '__main__':
    sys.exit(run(tile))
